//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::receive::receive_webhook,
    crate::replay::replay_webhooks,
    crate::verify::verify_webhook,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}

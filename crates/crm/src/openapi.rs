//! `GET /api/openapi.json`: the API described, from the handlers themselves.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use crm_core::app::App;
use crm_core::rate_limit::{Limited, PublicRoute};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "WhatsApp CRM",
        description = "Every error has one format: `{\"error\":{\"code\",\"message\",\"fields\"?}}`; messages \
            come in English or Indonesian as `Accept-Language` asks.",
    ),
    paths(
        crate::health::service::service_health,
        crate::health::workers::workers_health,
        crate::housekeeping::keep_house,
        crate::imports::continue_imports_by_cron,
        crate::openapi::openapi,
        crate::process_broadcasts::process_broadcasts,
    ),
    modifiers(&Security),
    tags(
        (name = "agents", description = "The people of a tenant"),
        (name = "analytics", description = "Reports"),
        (name = "api-keys", description = "Keys for integrations"),
        (name = "audit", description = "Who did what"),
        (name = "auth", description = "Who is asking"),
        (name = "automations", description = "Business hours, and what is said by itself"),
        (name = "broadcasts", description = "Campaigns"),
        (name = "changes", description = "Catching up after a loss of connection"),
        (name = "conversations", description = "The inbox"),
        (name = "cron", description = "Called by Vercel Cron"),
        (name = "health", description = "Is the product well?"),
        (name = "labels", description = "What conversations and contacts are sorted by"),
        (name = "modules", description = "Parts of the product that a tenant switches on and off"),
        (name = "queue", description = "What waits to be sent, and what failed"),
        (name = "quick-replies", description = "Prepared answers"),
        (name = "rbac", description = "Roles and permissions"),
        (name = "recipient-lists", description = "Lists of people that campaigns are sent to"),
        (name = "segments", description = "Saved filters of contacts"),
        (name = "templates", description = "Message templates, from their draft to Meta's approval"),
        (name = "tenant", description = "The organisation"),
        (name = "whatsapp", description = "Called by Meta"),
    )
)]
pub(crate) struct Document;

impl PublicRoute for Document {
    const NAME: &'static str = "openapi";
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("cron", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The description of the whole API.
pub fn document() -> OpenApi {
    let features = [
        access::openapi_document(),
        automations::openapi_document(),
        broadcasts::openapi_document(),
        contacts::openapi_document(),
        inbox::openapi_document(),
        media::openapi_document(),
        numbers::openapi_document(),
        recipient_lists::openapi_document(),
        templates::openapi_document(),
        webhooks::openapi_document(),
    ];
    features
        .into_iter()
        .fold(Document::openapi(), OpenApi::merge_from)
}

/// `/api/openapi.json`.
pub fn router() -> Router<App> {
    Router::new().route("/api/openapi.json", get(openapi))
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(crate) async fn openapi(_: Limited<Document>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document().to_json().unwrap_or_default())
}

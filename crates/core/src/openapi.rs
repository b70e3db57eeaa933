//! `GET /api/openapi.json`: the API described, from the handlers themselves.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use crate::app::App;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "WhatsApp CRM",
        description = "Every error has one format: `{\"error\":{\"code\",\"message\",\"fields\"?}}`; messages \
            come in English or Indonesian as `Accept-Language` asks.",
    ),
    paths(
        crate::broadcasts::campaign_creation::create_campaign,
        crate::broadcasts::campaign::get_campaign,
        crate::broadcasts::campaign_list::list_campaigns,
        crate::broadcasts::process::process_broadcasts,
        crate::health::service::service_health,
        crate::health::workers::workers_health,
        crate::inbox::conversation::get_conversation,
        crate::inbox::conversation_list::list_conversations,
        crate::inbox::message_list::list_messages,
        crate::inbox::reply::send_message,
        crate::openapi::openapi,
        crate::tenancy::me::me,
        crate::webhooks::receive::receive_webhook,
        crate::webhooks::verify::verify_webhook,
    ),
    modifiers(&Security),
    tags(
        (name = "auth", description = "Who is asking"),
        (name = "broadcasts", description = "Campaigns"),
        (name = "conversations", description = "The inbox"),
        (name = "cron", description = "Called by Vercel Cron"),
        (name = "health", description = "Is the product well?"),
        (name = "whatsapp", description = "Called by Meta"),
    )
)]
struct Document;

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
    Document::openapi()
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/api/openapi.json", get(openapi))
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(crate) async fn openapi() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document().to_json().unwrap_or_default())
}

//! `GET /api/openapi.json`: the document of the API, made from the handlers.
//!
//! The function serves the file that `npm run openapi` wrote: a function that made the document would contain the whole
//! product (30 MB).

mod answers;
mod error_codes;
mod examples;
mod schema_forms;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crm_core::contract::Routes;
use crm_core::error::ErrorBody;
use crm_core::rate_limit::{Limited, PublicRoute};
use crm_core::routes;

/// The document as `npm run openapi` wrote it. A test compares it with [`complete`].
const DOCUMENT: &str = include_str!("../openapi.json");

const DESCRIPTION: &str = include_str!("openapi/description.md");

/// The tags in the order of the document, each with its description.
const TAGS: &[(&str, &str)] = &[
    ("auth", "The caller"),
    ("tenant", "The organisation and its settings"),
    ("agents", "The people of the organisation"),
    ("rbac", "Roles and permissions"),
    ("api-keys", "Keys for integrations"),
    (
        "modules",
        "Parts of the product that an organisation can switch off",
    ),
    ("audit", "The audit log"),
    ("conversations", "The inbox: conversations, messages, notes"),
    ("labels", "Labels of conversations and contacts"),
    ("quick-replies", "Prepared answers"),
    ("changes", "Changes that a client missed while it was offline"),
    ("contacts", "Contacts, their fields, imports and personal data"),
    ("segments", "Saved filters of contacts"),
    ("automations", "Business hours and automatic messages"),
    ("analytics", "Reports"),
    ("broadcasts", "Campaigns and their recipients"),
    ("recipient-lists", "Lists of people that campaigns are sent to"),
    (
        "templates",
        "Message templates, from the draft to Meta's approval",
    ),
    ("queue", "Waiting and failed recipients"),
    (
        "whatsapp",
        "Connected numbers, sending, files, and the webhook of Meta",
    ),
    ("health", "Monitoring, and this document"),
    ("cron", "Work that the scheduler starts"),
];

/// The description of the whole API: the routers' descriptions, completed.
pub(crate) fn complete(routes: &OpenApi) -> Value {
    let mut document = serde_json::to_value(routes).unwrap_or_default();
    document["info"] = json!({
        "title": "WhatsApp CRM",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "license": {"name": "MIT", "identifier": "MIT"},
    });
    document["servers"] =
        json!([{"url": "/", "description": "The deployment that this document comes from"}]);
    document["tags"] = TAGS
        .iter()
        .map(|(name, description)| json!({"name": name, "description": description}))
        .collect();
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "An access token of Supabase Auth, or an API key (`crm_...`)",
        },
        "cron": {"type": "http", "scheme": "bearer", "description": "The secret `CRON_SECRET`"},
        "signature": {
            "type": "apiKey", "in": "header", "name": "X-Hub-Signature-256",
            "description": "`sha256=` and the HMAC-SHA256 of the raw body with the app secret",
        },
    });
    schema_forms::add::<ErrorBody>(&mut document);
    answers::complete(&mut document);
    schema_forms::make_exact(&mut document);
    examples::compose(&mut document);
    document
}

/// An open route whose requests are counted.
pub(crate) struct Document;

impl PublicRoute for Document {
    const NAME: &'static str = "openapi";
}

/// `/api/openapi.json`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(openapi))
}

/// Get this document.
///
/// The document describes every operation of the API in OpenAPI 3.1. It can be used to generate a client.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "health",
    responses((status = 200, description = "The document", body = Object, content_type = "application/json")),
)]
pub(crate) async fn openapi(_: Limited<Document>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, DOCUMENT)
}

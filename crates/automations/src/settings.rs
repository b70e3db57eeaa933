//! `GET` and `PUT /api/automations`.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::message_settings::Automations;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::{SettingsUpdate, SettingsView};

/// How the tenant's numbers behave.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AllAutomations {
    /// The tenant's.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    /// Whether the tenant's hours say so at the moment.
    open_now: bool,
    /// What holds where a number has nothing of its own.
    default: Automations,
    /// Numbers that differ.
    numbers: Vec<Automations>,
}

/// `/api/automations`.
pub fn router() -> Router<App> {
    Router::new().route("/api/automations", get(get_automations).put(set_automations))
}

/// Business hours, greeting, away message and the question how it was: of the tenant, and of numbers that differ.
#[utoipa::path(
    get, path = "/api/automations", tag = "automations", security(("bearer" = [])),
    responses((status = 200, body = AllAutomations), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub(crate) async fn get_automations(
    permitted: Permitted<SettingsView>,
) -> Result<Json<AllAutomations>, ApiError> {
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("get_automations", &json!({}))
            .await?,
    ))
}

/// Sets how the tenant's numbers behave, or with `session_id` where one of them differs. It replaces what was set: what
/// is left out is as if it had never been, but for the business hours of the tenant. A number without anything of its own
/// is as the tenant.
#[utoipa::path(
    put, path = "/api/automations", tag = "automations", security(("bearer" = [])),
    request_body(content = Automations, example = json!({
        "business_hours": {"monday": [{"from": "09:00", "to": "17:00"}], "saturday": [{"from": "20:00", "to": "02:00"}]},
        "holidays": [{"date": "2026-12-25", "name": "Natal"}],
        "greeting": {"enabled": true, "text": "Halo {{contact.name}}!", "after_days": 30},
        "away": {"enabled": true}, "csat": {"enabled": true, "not_again_days": 7},
    })),
    responses(
        (status = 200, body = AllAutomations), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn set_automations(
    permitted: Permitted<SettingsUpdate>,
    JsonBody(automations): JsonBody<Automations>,
) -> Result<Json<AllAutomations>, ApiError> {
    let automations = automations.checked()?;
    let session_id = automations.session_id;
    let mut settings = json!(automations);
    if let Value::Object(members) = &mut settings {
        members.remove("session_id");
    }
    let arguments = json!({ "settings": settings, "session_id": session_id });
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("save_automations", &arguments)
            .await?,
    ))
}

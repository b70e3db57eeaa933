//! `GET` and `PUT /api/automations`.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::message_settings::Automations;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::{SettingsUpdate, SettingsView};
use crm_core::routes;

/// The settings of a tenant and its numbers.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AllAutomations {
    /// The tenant's time zone.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    /// Whether the tenant's business hours include this moment.
    open_now: bool,
    /// The settings of numbers without settings of their own.
    default: Automations,
    /// The numbers with settings of their own.
    numbers: Vec<Automations>,
}

/// `/api/automations`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_automations, set_automations))
}

/// Get the settings of the automatic messages.
///
/// The answer has business hours, holidays, greeting, away message and satisfaction question of the organisation, and
/// those of each number that differs from it.
#[utoipa::path(get, path = "/api/automations", tag = "automations", responses((status = 200, body = AllAutomations)))]
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

/// Replace the settings of the automatic messages.
///
/// With `session_id` the settings of one number are replaced, otherwise those of the organisation. Settings that are
/// left out are removed, except the business hours of the organisation. A number without settings of its own follows
/// the organisation.
#[utoipa::path(
    put, path = "/api/automations", tag = "automations",
    request_body(content = Automations, example = json!({
        "business_hours": {"monday": [{"from": "09:00", "to": "17:00"}], "saturday": [{"from": "20:00", "to": "02:00"}]},
        "holidays": [{"date": "2026-12-25", "name": "Natal"}],
        "greeting": {"enabled": true, "text": "Halo {{contact.name}}!", "after_days": 30},
        "away": {"enabled": true}, "csat": {"enabled": true, "not_again_days": 7},
    })),
    responses((status = 200, body = AllAutomations), (status = 422, description = "unknown_variable")),
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

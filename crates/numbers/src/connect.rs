//! `POST /api/whatsapp/sessions`: connects a number.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::number::ConnectedNumber;
use super::validation::{Candidate, check_expiry, check_pin, parse_token};
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::NumbersManage;
use crm_core::routes;
use crm_core::text::Text;

/// A number to be connected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNumber {
    /// Meta's id of the number.
    #[schema(example = "106540352242922")]
    phone_number_id: String,
    /// Meta's id of its WhatsApp Business account.
    #[schema(example = "102290129340398")]
    business_account_id: String,
    /// A system user's token for the number. Only the installation's own organisation may leave it out.
    token: Option<String>,
    /// When the token expires. Tokens of system users may never expire.
    token_expires_at: Option<DateTime<Utc>>,
    /// The name for colleagues. If left out, the name that customers see is used.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The PIN of two-step verification, to register the number for the Cloud API.
    #[schema(example = "123456")]
    pin: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    session_id: Uuid,
    /// The source of the token, if the number was connected before.
    token_source: Option<String>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(connect_number))
}

/// Connect a WhatsApp number.
///
/// The service asks Meta whether the number exists, belongs to the account and accepts the token. Then it subscribes to
/// the account and stores the number. A number that was connected before gets its history back.
#[utoipa::path(
    post, path = "/api/whatsapp/sessions", tag = "whatsapp",
    request_body = NewNumber,
    responses(
        (status = 201, body = ConnectedNumber),
        (status = 409, description = "number_taken, token_key_missing, account_blocked, registration_throttled"),
        (status = 503, description = "unavailable"),
    ),
)]
pub(crate) async fn connect_number(
    State(app): State<App>,
    permitted: Permitted<NumbersManage>,
    JsonBody(number): JsonBody<NewNumber>,
) -> Result<(StatusCode, Json<ConnectedNumber>), ApiError> {
    let caller = &permitted.caller;
    check_id("phone_number_id", &number.phone_number_id)?;
    check_id("business_account_id", &number.business_account_id)?;
    check_pin(number.pin.as_deref())?;
    check_expiry(number.token_expires_at)?;
    let name = match &number.name {
        Some(name) => Some(optional_text("name", name, 200)?).filter(|name| !name.is_empty()),
        None => None,
    };
    let token = number.token.as_deref().map(parse_token).transpose()?;

    let arguments = json!({ "phone_number_id": number.phone_number_id });
    let place: Place = caller.database().rpc("find_number_session", &arguments).await?;
    let own_token = token.is_some();
    let token = match token {
        Some(token) => token,
        None if may_use_environment(&app, caller, &place) => app.config().meta_token.clone(),
        None => {
            return Err(ApiError::required("token"));
        }
    };
    let candidate = Candidate {
        session_id: place.session_id,
        phone_number_id: number.phone_number_id,
        business_account_id: number.business_account_id,
        name,
        token,
        own_token,
        token_expires_at: Some(number.token_expires_at.filter(|_| own_token)),
        pin: number.pin,
    };
    Ok(created(candidate.connect(&app, caller).await?))
}

/// The installation's token may have access to numbers of other organisations. It may only be used for the
/// installation's own organisation, and for numbers that already use it.
fn may_use_environment(app: &App, caller: &Caller, place: &Place) -> bool {
    app.config().default_tenant_id == Some(caller.access.tenant.id)
        || place.token_source.as_deref() == Some("environment")
}

fn check_id(field: &str, id: &str) -> Result<(), ApiError> {
    if (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(ApiError::field(
        field,
        Text::new(
            "must be an id of Meta, which has only digits",
            "harus berupa id dari Meta: angka",
        ),
    ))
}

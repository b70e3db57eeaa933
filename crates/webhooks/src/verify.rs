//! `GET /api/whatsapp/webhook`: answers Meta's verification of the webhook's address.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;

use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::rate_limit::{Limited, PublicRoute};
use crm_core::routes;
use crm_core::text::Text;

/// Meta's verification request. Source: Meta, "Create a webhook endpoint", validation requests.
#[derive(Deserialize)]
pub(crate) struct Challenge {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    verify_token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
    /// Whatever else Meta may add one day: refusing it would break the verification.
    #[serde(flatten)]
    _others: BTreeMap<String, String>,
}

impl PublicRoute for Challenge {
    const NAME: &'static str = "webhook";
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(verify_webhook))
}

/// Answer Meta's verification request.
///
/// Meta calls this operation when a webhook is configured, and expects its challenge as the answer.
#[utoipa::path(
    get, path = "/api/whatsapp/webhook", tag = "whatsapp",
    params(
        ("hub.mode" = String, Query, description = "Always `subscribe`"),
        ("hub.verify_token" = String, Query, description = "The value of `META_WEBHOOK_VERIFY_TOKEN`"),
        ("hub.challenge" = String, Query, description = "What the answer must repeat"),
    ),
    responses(
        (status = 200, description = "The challenge", body = String, content_type = "text/plain"),
        (status = 403, description = "wrong_verify_token"),
    ),
)]
pub(crate) async fn verify_webhook(
    State(app): State<App>,
    _: Limited<Challenge>,
    QueryParameters(question): QueryParameters<Challenge>,
) -> Result<impl IntoResponse, ApiError> {
    let expected = app.config().verify_token.as_bytes();
    let known = verify_slices_are_equal(question.verify_token.as_bytes(), expected).is_ok();
    if question.mode != "subscribe" || !known {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "wrong_verify_token",
            Text::new("The verify token is wrong.", "Token verifikasi tidak cocok."),
        ));
    }
    Ok((
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        question.challenge,
    ))
}

//! `POST /api/whatsapp/webhook`: Meta reports messages, statuses and everything else.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, StatusCode};

use super::ingest::{self, UnknownNumber};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::unreadable;
use crm_core::rate_limit::{self, Guarded};
use crm_core::routes;
use crm_core::text::Text;
use crm_core::trace::Trace;

/// The largest body that is read. Meta sends up to 3 MB.
const MAX_BODY: usize = 4 * 1024 * 1024;
const SIGNATURE: &str = "x-hub-signature-256";

pub(super) fn router() -> Routes {
    Routes::new()
        .routes(routes!(receive_webhook))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Receive a delivery of Meta.
///
/// Meta calls this operation. The signature in `X-Hub-Signature-256` is checked over the raw body. Everything that is
/// signed and stored answers 200, also what the product does not understand. The status is 5xx only if the delivery
/// could not be stored, so that Meta delivers it again.
#[utoipa::path(
    post, path = "/api/whatsapp/webhook", tag = "whatsapp",
    params(("X-Hub-Signature-256" = String, Header, description = "`sha256=` and the HMAC of the raw body")),
    request_body(content = Object, description = "Meta's webhook payload, up to 4 MB"),
    responses(
        (status = 200, description = "Stored"),
        (status = 400, description = "unreadable_body"),
        (status = 401, description = "unauthorized"),
        (status = 413, description = "payload_too_large"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "unavailable"),
    ),
)]
pub(crate) async fn receive_webhook(
    State(app): State<App>,
    background: Background,
    Extension(trace): Extension<Arc<Trace>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let body = body.map_err(|rejection| unreadable(&rejection))?;
    let signature = headers
        .get(SIGNATURE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if app.config().app_secrets.verify(&body, signature).is_err() {
        rate_limit::admit(&app, &trace, Guarded::Signatures).await?;
        return Err(ApiError::unauthorized(Text::new(
            "The signature does not match the body.",
            "Tanda tangan tidak cocok dengan isi permintaan.",
        )));
    }

    let mut stored = ingest::store(app.supabase(), &body).await?;
    if let Some(event) = stored.event_id
        && makes_default_number(&app, &stored.unknown_numbers).await?
    {
        stored = ingest::replay(app.supabase(), &body, event).await?;
    }
    app.progress().changed(&stored.campaigns, &background);
    if stored.automatic {
        automations::send_soon(&app, &background);
    }
    if media::may_hold_files(&body) {
        media::fetch_soon(&app, &background);
    }
    Ok(StatusCode::OK)
}

/// Creates the number of the environment if the delivery is for it. Customers may write to it before the list of
/// numbers was first opened.
async fn makes_default_number(app: &App, unknown: &[UnknownNumber]) -> Result<bool, ApiError> {
    let config = app.config();
    let (Some(_), Some(number)) = (config.default_tenant_id, &config.default_number) else {
        return Ok(false);
    };
    if !unknown
        .iter()
        .any(|other| other.phone_number_id.as_ref() == Some(&number.phone_number_id))
    {
        return Ok(false);
    }
    // Another delivery may have created it meanwhile: then it exists as well.
    numbers::ensure_default_number(app).await?;
    Ok(true)
}

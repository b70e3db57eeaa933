//! The access token for the templates of an account.

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use whatsapp::client::SystemToken;

use crm_core::app::App;
use crm_core::error::ApiError;
use crm_core::token_seal::{SealError, SealedToken};

#[derive(Deserialize)]
struct Row {
    token: Option<SealedToken>,
    own_token: bool,
}

/// The token of a number of the account: its own, or else that of the environment.
pub(super) async fn token(app: &App, session_id: Uuid) -> Result<SystemToken, ApiError> {
    let row: Option<Row> = app
        .supabase()
        .as_service()
        .rpc("number_token", &json!({ "session_id": session_id }))
        .await?;
    let sealed = |error: SealError| ApiError::internal(format!("number {session_id}: {error}"));
    match row {
        None => Err(ApiError::not_found()),
        Some(Row {
            token: Some(token), ..
        }) => {
            let keys = app.config().token_keys.as_ref();
            let keys = keys.ok_or_else(|| sealed(SealError::KeyMissing))?;
            keys.open(session_id, &token).map_err(sealed)
        }
        Some(Row { own_token: false, .. }) => Ok(app.config().meta_token.clone()),
        // Another tenant's token must never be used instead.
        Some(Row { own_token: true, .. }) => Err(sealed(SealError::KeyMissing)),
    }
}

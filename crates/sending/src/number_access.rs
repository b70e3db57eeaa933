//! The token that a number sends with, and the state of its breaker.

use serde::Deserialize;
use serde_json::json;
use supabase::DatabaseError;
use uuid::Uuid;
use whatsapp::client::SystemToken;

use crate::broken_number::mark_broken;
use crm_core::app::App;
use crm_core::token_seal::{SealError, SealedToken};

/// A number's token and the state of its breaker.
pub(crate) struct NumberAccess {
    /// The token to send with.
    pub(crate) token: SystemToken,
    /// The breaker is open: no sender may send.
    pub(crate) held: bool,
    /// The breaker lets one trial message through, and this sender may send it.
    pub(crate) trial: bool,
    /// Sends have failed lately, so the breaker must also learn of a success.
    pub(crate) troubled: bool,
}

/// A reason why a number's token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database did not return it.
    #[error("the number's token was not read: {}", .0.source_text())]
    Database(#[from] DatabaseError),
    /// The stored token cannot be opened.
    #[error("the number's own token cannot be opened: {0}")]
    Sealed(#[from] SealError),
}

#[derive(Deserialize)]
struct Row {
    token: Option<SealedToken>,
    own_token: bool,
    held: bool,
    trial: bool,
    failures: u32,
}

impl NumberAccess {
    /// Reads token and breaker before a send. If the breaker has been open long enough, this sender gets the trial
    /// message.
    pub(crate) async fn of(app: &App, session_id: Uuid) -> Result<Self, AccessError> {
        Self::read(app, session_id, true).await
    }

    async fn read(app: &App, session_id: Uuid, sending: bool) -> Result<Self, AccessError> {
        let arguments = json!({ "session_id": session_id, "sending": sending });
        let row: Row = app
            .supabase()
            .as_service()
            .rpc("number_access", &arguments)
            .await?;
        let token = match (row.token, row.own_token) {
            (Some(sealed), _) => {
                let keys = app.config().token_keys.as_ref().ok_or(SealError::KeyMissing)?;
                keys.open(session_id, &sealed)?
            }
            (None, false) => app.config().meta_token.clone(),
            // Another tenant's token must never be used instead.
            (None, true) => return Err(SealError::KeyMissing.into()),
        };
        Ok(Self {
            token,
            held: row.held,
            trial: row.trial,
            troubled: row.failures > 0,
        })
    }
}

/// The token of a number, for calls that send no message.
pub async fn number_token(app: &App, session_id: Uuid) -> Result<SystemToken, AccessError> {
    Ok(NumberAccess::read(app, session_id, false).await?.token)
}

/// Handles a token that cannot be used. A token that cannot be opened marks the number as broken, because its queue
/// would otherwise wait for ever. An unavailable database recovers without action.
pub(crate) async fn unusable_token(app: &App, session_id: Uuid, error: &AccessError) {
    log::error!("number {session_id}: {error}");
    if matches!(error, AccessError::Sealed(_)) {
        let reason = "Its access token cannot be opened: it must be entered again.";
        mark_broken(app, session_id, "token_invalid", reason).await;
    }
}

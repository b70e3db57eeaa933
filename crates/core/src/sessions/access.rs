//! What it takes to send for a number: the token it uses, and whether Meta answers at the moment.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::json;
use supabase::DatabaseError;
use uuid::Uuid;
use whatsapp::client::{SendError, SystemToken};

use crate::app::App;
use crate::token_seal::{SealError, SealedToken};

/// A number's token and the state of its breaker.
pub(crate) struct NumberAccess {
    pub(crate) token: SystemToken,
    /// The breaker is open: nobody may send.
    pub(crate) held: bool,
    /// The breaker lets one send through, and this is the one who may try.
    pub(crate) trial: bool,
    /// Sends have failed lately: an answer is worth telling.
    troubled: bool,
}

/// A number's token cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("the number's token was not read: {}", .0.source_text())]
    Database(#[from] DatabaseError),
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
    /// Reads them before a send. Where the breaker has been open long enough, the asker takes the trial.
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
            // Another tenant's token must never stand in for it.
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

/// The token of a number, for anything but sending.
pub(crate) async fn number_token(app: &App, session_id: Uuid) -> Result<SystemToken, AccessError> {
    Ok(NumberAccess::read(app, session_id, false).await?.token)
}

/// Tells the breaker how sends for a number end.
pub(crate) struct SendWatch {
    session_id: Uuid,
    troubled: AtomicBool,
}

impl SendWatch {
    pub(crate) fn new(session_id: Uuid, access: &NumberAccess) -> Self {
        Self {
            session_id,
            troubled: AtomicBool::new(access.troubled || access.trial),
        }
    }

    /// After each send. True when the breaker is open now: nothing more should be sent.
    pub(crate) async fn note<T: Sync>(&self, app: &App, answer: &Result<T, SendError>) -> bool {
        // A refusal is an answer: Meta is there.
        let answered = !matches!(
            answer,
            Err(SendError::NotSent { .. } | SendError::OutcomeUnknown { .. })
        );
        if answered && !self.troubled.swap(false, Ordering::Relaxed) {
            return false;
        }
        if !answered {
            self.troubled.store(true, Ordering::Relaxed);
        }
        let arguments = json!({
            "session_id": self.session_id, "failed": u8::from(!answered), "answered": answered,
        });
        let noted = app
            .supabase()
            .as_service()
            .rpc::<String>("note_sends", &arguments)
            .await;
        match noted {
            Ok(state) => state == "open",
            Err(error) => {
                log::warn!(
                    "number {}: its breaker was not told: {}",
                    self.session_id,
                    error.source_text()
                );
                false
            }
        }
    }
}

/// Marks a number as broken: Meta refuses its token, or has blocked its account.
pub(crate) async fn break_session(app: &App, session_id: Uuid, reason: &str) {
    let arguments = json!({ "session_id": session_id, "reason": reason });
    if let Err(error) = app
        .supabase()
        .as_service()
        .rpc::<()>("break_session", &arguments)
        .await
    {
        log::error!(
            "number {session_id}: not marked as broken: {}",
            error.source_text()
        );
    }
}

/// What follows from a token that cannot be had. One that cannot be opened breaks the number, or its queue would wait
/// for ever; a database that is away passes.
pub(crate) async fn unusable_token(app: &App, session_id: Uuid, error: &AccessError) {
    log::error!("number {session_id}: {error}");
    if matches!(error, AccessError::Sealed(_)) {
        let reason = "Its access token cannot be opened: it must be entered again.";
        break_session(app, session_id, reason).await;
    }
}

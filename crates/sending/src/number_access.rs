//! What it takes to send for a number: the token it uses, and whether Meta answers at the moment.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::json;
use supabase::DatabaseError;
use uuid::Uuid;
use whatsapp::client::{MetaError, SendError, SystemToken};
use whatsapp::error_codes::{self, ErrorKind};

use crm_core::app::App;
use crm_core::token_seal::{SealError, SealedToken};

/// A number's token and the state of its breaker.
pub struct NumberAccess {
    /// The token to send with.
    pub token: SystemToken,
    /// The breaker is open: nobody may send.
    pub held: bool,
    /// The breaker lets one send through, and this is the one who may try.
    pub trial: bool,
    /// Sends have failed lately: an answer is worth telling.
    troubled: bool,
}

/// A number's token cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database did not answer with it.
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
    /// Reads them before a send. Where the breaker has been open long enough, the asker takes the trial.
    pub async fn of(app: &App, session_id: Uuid) -> Result<Self, AccessError> {
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
pub async fn number_token(app: &App, session_id: Uuid) -> Result<SystemToken, AccessError> {
    Ok(NumberAccess::read(app, session_id, false).await?.token)
}

/// Tells the breaker how sends for a number end.
pub struct SendWatch {
    session_id: Uuid,
    troubled: AtomicBool,
}

impl SendWatch {
    /// A watch over the sends that begin with this access.
    pub fn new(session_id: Uuid, access: &NumberAccess) -> Self {
        Self {
            session_id,
            troubled: AtomicBool::new(access.troubled || access.trial),
        }
    }

    /// After each send. True when the breaker is open now: nothing more should be sent.
    pub async fn note<T: Sync>(&self, app: &App, answer: &Result<T, SendError>) -> bool {
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

/// Codes of Meta that concern the number until a person acts: it is not registered.
const NOT_REGISTERED: [i64; 2] = [131_045, 133_010];

/// What a refusal says about the number itself: nothing more can be sent from it until a person acts.
pub fn breaking(error: &SendError) -> Option<&MetaError> {
    match error {
        SendError::TokenInvalid { error } | SendError::AccountBlocked { error } => Some(error),
        SendError::Rejected { error } if NOT_REGISTERED.contains(&error.code) => Some(error),
        _ => None,
    }
}

/// Why a number is broken, for programs.
fn broken_code(error: &MetaError) -> &'static str {
    match error.code {
        code if NOT_REGISTERED.contains(&code) => "not_registered",
        error_codes::PAYMENT_PROBLEM | 131_044 => "payment_problem",
        code if error_codes::kind(code) == Some(ErrorKind::AccountBlocked) => "policy_block",
        _ => "token_invalid",
    }
}

/// Marks a number as broken: Meta refuses its token, has blocked its account, or does not know it as registered.
pub async fn break_session(app: &App, session_id: Uuid, error: &MetaError) {
    mark_broken(app, session_id, broken_code(error), &error.message).await;
}

async fn mark_broken(app: &App, session_id: Uuid, code: &str, reason: &str) {
    let arguments = json!({ "session_id": session_id, "reason": reason, "code": code });
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
pub async fn unusable_token(app: &App, session_id: Uuid, error: &AccessError) {
    log::error!("number {session_id}: {error}");
    if matches!(error, AccessError::Sealed(_)) {
        let reason = "Its access token cannot be opened: it must be entered again.";
        mark_broken(app, session_id, "token_invalid", reason).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_number_tells_why() {
        for (code, expected) in [
            (0, "token_invalid"),
            (190, "token_invalid"),
            (368, "policy_block"),
            (131_031, "policy_block"),
            (131_042, "payment_problem"),
            (131_044, "payment_problem"),
            (131_045, "not_registered"),
            (133_010, "not_registered"),
        ] {
            let error = MetaError {
                code,
                ..MetaError::default()
            };
            assert_eq!(broken_code(&error), expected, "{code}");
        }
        let refused = |code| SendError::Rejected {
            error: Box::new(MetaError {
                code,
                ..MetaError::default()
            }),
        };
        assert!(breaking(&refused(133_010)).is_some() && breaking(&refused(131_026)).is_none());
    }
}

//! Reports how sends end to the breaker of their number.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use uuid::Uuid;
use whatsapp::client::SendError;
use whatsapp::error_codes::Scope;

use crate::number_access::NumberAccess;
use crm_core::app::App;

/// Reports to the breaker how sends for a number end.
pub(crate) struct SendWatch {
    session_id: Uuid,
    /// Sends have failed lately, so the breaker must also learn of a success.
    troubled: AtomicBool,
}

/// Whether Meta works. A refusal is an answer too, but not one that reports a failure of Meta itself (131000, 131016).
pub(crate) fn is_answer<T>(answer: &Result<T, SendError>) -> bool {
    match answer {
        Err(SendError::NotSent { .. } | SendError::OutcomeUnknown { .. }) => false,
        Err(SendError::Retryable {
            error,
            scope: Scope::None,
            ..
        }) => error.status < 500,
        _ => true,
    }
}

impl SendWatch {
    /// Starts watching the sends that use this access.
    pub(crate) fn new(session_id: Uuid, access: &NumberAccess) -> Self {
        Self {
            session_id,
            troubled: AtomicBool::new(access.troubled || access.trial),
        }
    }

    /// Reports the end of a send if the breaker needs it. True when the breaker is open now and the sender must stop.
    pub(crate) async fn report<T: Sync>(&self, app: &App, answer: &Result<T, SendError>) -> bool {
        let answered = is_answer(answer);
        if answered && !self.troubled.swap(false, Ordering::Relaxed) {
            return false;
        }
        if !answered {
            self.troubled.store(true, Ordering::Relaxed);
        }
        let arguments = json!({
            "session_id": self.session_id, "failed": u8::from(!answered), "answered": answered,
        });
        let reported = app
            .supabase()
            .as_service()
            .rpc::<String>("record_sends", &arguments)
            .await;
        match reported {
            Ok(state) => state == "open",
            Err(error) => {
                log::warn!(
                    "number {}: the end of a send was not reported to the breaker: {}",
                    self.session_id,
                    error.source_text()
                );
                false
            }
        }
    }
}

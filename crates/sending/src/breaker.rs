//! The breaker of a number hears how sends end.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use uuid::Uuid;
use whatsapp::client::SendError;

use crate::number_access::NumberAccess;
use crm_core::app::App;

/// Reports to the breaker how sends for a number end.
pub(crate) struct SendWatch {
    session_id: Uuid,
    /// Sends have failed lately: the breaker wants to hear of an answer.
    troubled: AtomicBool,
}

/// Meta answered, if only with a refusal.
pub(crate) fn is_answer<T>(answer: &Result<T, SendError>) -> bool {
    !matches!(
        answer,
        Err(SendError::NotSent { .. } | SendError::OutcomeUnknown { .. })
    )
}

impl SendWatch {
    /// A watch over the sends that begin with this access.
    pub(crate) fn new(session_id: Uuid, access: &NumberAccess) -> Self {
        Self {
            session_id,
            troubled: AtomicBool::new(access.troubled || access.trial),
        }
    }

    /// Reports the end of a send, where it is news. True when the breaker is open now: nothing more should be sent.
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
            .rpc::<String>("note_sends", &arguments)
            .await;
        match reported {
            Ok(state) => state == "open",
            Err(error) => {
                log::warn!(
                    "number {}: the breaker did not hear how a send ended: {}",
                    self.session_id,
                    error.source_text()
                );
                false
            }
        }
    }
}

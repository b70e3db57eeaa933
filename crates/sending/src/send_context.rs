//! The send context: what a sender needs to send for one number, namely its token, its breaker and its state in this
//! run.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use uuid::Uuid;
use whatsapp::client::{Accepted, OutboundMessage, SendError, SystemToken};

use crate::breaker::{SendWatch, is_answer};
use crate::broken_number::{break_number, breaking};
use crate::number_access::{NumberAccess, unusable_token};
use crm_core::app::App;

/// Meta's answer to a send, or the reason why there is none.
pub type Answer = Result<Accepted, SendError>;

/// A reason why a number cannot send at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The breaker is open, because Meta does not answer.
    Resting,
    /// The number's token cannot be used.
    TokenUnusable,
}

/// Access to Meta for one number. It handles answers that concern the number: it reports to the breaker, and marks the
/// number as broken.
pub struct SendContext {
    app: App,
    session_id: Uuid,
    phone_number_id: String,
    token: SystemToken,
    watch: SendWatch,
    /// The breaker lets one message through to test whether Meta answers again.
    on_trial: AtomicBool,
    trial: Mutex<()>,
    stopped: AtomicBool,
}

impl SendContext {
    /// Reads the number's token, unless the breaker is open.
    pub async fn open(app: &App, session_id: Uuid, phone_number_id: &str) -> Result<Self, Unavailable> {
        match NumberAccess::of(app, session_id).await {
            Ok(access) if access.held => Err(Unavailable::Resting),
            Ok(access) => Ok(Self {
                app: app.clone(),
                session_id,
                phone_number_id: phone_number_id.to_owned(),
                watch: SendWatch::new(session_id, &access),
                on_trial: AtomicBool::new(access.trial),
                trial: Mutex::default(),
                token: access.token,
                stopped: AtomicBool::new(false),
            }),
            Err(error) => {
                unusable_token(app, session_id, &error).await;
                Err(Unavailable::TokenUnusable)
            }
        }
    }

    /// Whether the number must stop sending, because Meta does not answer or refuses the number.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether only one message at a time may be sent, until Meta has answered.
    pub fn on_trial(&self) -> bool {
        self.on_trial.load(Ordering::Relaxed)
    }

    /// Sends a message. None when it was not sent, because the number must stop sending.
    pub async fn send(&self, message: &OutboundMessage) -> Option<Answer> {
        let turn = if self.on_trial() {
            Some(self.trial.lock().await)
        } else {
            None
        };
        let turn = turn.filter(|_| self.on_trial());
        if self.stopped() {
            return None;
        }
        let number = self.app.graph().number(&self.phone_number_id, &self.token);
        let answer = number.send(message).await;
        if self.watch.report(&self.app, &answer).await && !self.stopped.swap(true, Ordering::Relaxed) {
            log::error!("number {} rests: Meta does not answer", self.session_id);
        }
        if is_answer(&answer) {
            self.on_trial.store(false, Ordering::Relaxed);
        }
        drop(turn);
        if let Some(error) = answer.as_ref().err().and_then(breaking)
            && !self.stopped.swap(true, Ordering::Relaxed)
        {
            log::error!("number {} stops: Meta refuses it", self.session_id);
            break_number(&self.app, self.session_id, error).await;
        }
        Some(answer)
    }
}

//! The database's side of sending: runs, leases, claims and records.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supabase::{DatabaseError, Supabase};
use tokio::time::sleep;
use uuid::Uuid;
use whatsapp::template::Variables;

use sending::outcome::Report;

/// How long a lease holds without being renewed. Claims and records renew it, a few times a second.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// Tries of a call that lost against others for the same rows.
const TRIES: u32 = 3;
/// Numbers that one run leases, to send for them or to hand them over.
const MAX_SESSIONS: u32 = 100;

/// A run of the sender, as the database opened it.
#[derive(Deserialize)]
pub struct Run {
    pub(super) sessions: Vec<LeasedNumber>,
    /// Numbers with work that somebody else is sending for.
    pub(super) busy: u32,
}

/// A number this run may send for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct LeasedNumber {
    pub(super) session_id: Uuid,
    pub(super) phone_number_id: String,
    pub(super) messages_per_second: u32,
}

/// Recipients handed out, each to be recorded once.
#[derive(Deserialize)]
pub(super) struct Claim {
    pub(super) claim_id: Uuid,
    pub(super) templates: HashMap<Uuid, TemplateRow>,
    pub(super) recipients: Vec<ClaimedRecipient>,
    /// With no recipients: in how many milliseconds the next is due. None when none is left.
    pub(super) next_due_ms: Option<f64>,
}

/// A template as it is stored.
#[derive(Deserialize)]
pub(super) struct TemplateRow {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) components: Value,
}

/// One recipient to send to.
#[derive(Deserialize)]
pub(super) struct ClaimedRecipient {
    pub(super) recipient_id: Uuid,
    pub(super) message_id: Uuid,
    pub(super) wa_id: String,
    pub(super) variables: Variables,
    /// Attempts, with this one.
    pub(super) attempts: u32,
    pub(super) template_id: Uuid,
}

/// What became of a claimed recipient.
#[derive(Serialize)]
pub(super) struct RecipientReport {
    pub(super) recipient_id: Uuid,
    pub(super) message_id: Uuid,
    pub(super) claim_id: Uuid,
    #[serde(flatten)]
    pub(super) report: Report,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pause_campaign: bool,
}

/// Access to the queue in the name of one run.
#[derive(Clone)]
pub(super) struct SenderQueue {
    supabase: Supabase,
    holder: Uuid,
}

impl SenderQueue {
    pub(super) fn new(supabase: Supabase) -> Self {
        Self {
            supabase,
            holder: Uuid::new_v4(),
        }
    }

    /// Whose leases these are.
    pub(super) fn holder(&self) -> Uuid {
        self.holder
    }

    /// Takes leases over from another holder. Answers with those that were still its own: of several that try, one has
    /// each.
    pub(super) async fn take_over(
        &self,
        former: Uuid,
        sessions: &[Uuid],
    ) -> Result<Vec<LeasedNumber>, DatabaseError> {
        let arguments = json!({
            "session_ids": sessions, "former_holder": former, "holder": self.holder, "lease_seconds": LEASE.as_secs(),
        });
        self.supabase
            .as_service()
            .rpc("take_over_sender", &arguments)
            .await
    }

    /// Starts what is due and leases the numbers that have work.
    pub(super) async fn begin(&self) -> Result<Run, DatabaseError> {
        let arguments = json!({
            "holder": self.holder, "lease_seconds": LEASE.as_secs(), "max_sessions": MAX_SESSIONS,
        });
        let mut tries = 1;
        loop {
            let begun = self
                .supabase
                .as_service()
                .rpc("begin_sender_run", &arguments)
                .await;
            match begun {
                // Webhooks hold rows it tidies up: they are free in a moment.
                Err(DatabaseError::Retryable(_)) if tries < TRIES => {
                    sleep(Duration::from_millis(100)).await;
                    tries += 1;
                }
                begun => return begun,
            }
        }
    }

    /// The next recipients of a number. None when the lease is lost. What was handed out in other claims than those in
    /// `known` is handed out again: their answers never came, so nobody has sent to them. One claim of a number at a time.
    pub(super) async fn claim(
        &self,
        session: Uuid,
        batch: usize,
        known: &[Uuid],
    ) -> Result<Option<Claim>, DatabaseError> {
        let arguments = json!({
            "session_id": session, "holder": self.holder, "batch_size": batch, "lease_seconds": LEASE.as_secs(),
            "known_claims": known,
        });
        self.supabase
            .as_service()
            .rpc("claim_recipients", &arguments)
            .await
    }

    /// Records outcomes. Safe to repeat. Answers with the campaigns whose numbers changed.
    pub(super) async fn record(
        &self,
        session: Uuid,
        results: &[RecipientReport],
    ) -> Result<Vec<Uuid>, DatabaseError> {
        #[derive(Serialize)]
        struct Arguments<'a> {
            session_id: Uuid,
            holder: Uuid,
            lease_seconds: u64,
            results: &'a [RecipientReport],
        }
        let arguments = Arguments {
            session_id: session,
            holder: self.holder,
            lease_seconds: LEASE.as_secs(),
            results,
        };
        self.supabase
            .as_service()
            .rpc("record_recipients", &arguments)
            .await
    }

    /// Gives a number back, and with it what was handed out in other claims than those in `known`.
    pub(super) async fn release(&self, session: Uuid, known: &[Uuid]) -> Result<(), DatabaseError> {
        let arguments = json!({ "session_id": session, "holder": self.holder, "known_claims": known });
        self.supabase.as_service().rpc("release_sender", &arguments).await
    }

    /// Notes that the run is over.
    pub(super) async fn finish(&self, outcome: &impl Serialize) -> Result<(), DatabaseError> {
        self.supabase
            .as_service()
            .rpc("finish_sender_run", &json!({ "outcome": outcome }))
            .await
    }
}

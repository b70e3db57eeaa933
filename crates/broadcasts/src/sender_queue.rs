//! The queue in the database: runs, leases, claims and records.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supabase::{DatabaseError, Supabase};
use tokio::time::sleep;
use uuid::Uuid;
use whatsapp::template::Variables;

use sending::outcome::Report;

/// How long a lease holds without renewal. Claims and records renew it a few times a second.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// The most attempts of a call that conflicts with others.
const TRIES: u32 = 3;
/// The most numbers that one run leases, to send for them or to hand them over.
const MAX_SESSIONS: u32 = 100;

/// A run of the sender.
#[derive(Deserialize)]
pub struct Run {
    pub(super) sessions: Vec<LeasedNumber>,
    /// The number of numbers with work that another run is sending for.
    pub(super) busy: u32,
}

impl Run {
    /// Whether this run only probes a number, so that the next one finds more work.
    pub(super) fn probes(&self) -> bool {
        self.sessions.iter().any(|number| number.probe)
    }
}

/// A number that this run may send for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct LeasedNumber {
    pub(super) session_id: Uuid,
    pub(super) phone_number_id: String,
    pub(super) messages_per_second: u32,
    /// A sender has died with claims of this number: one small claim is tried, alone, before the number is sent for again.
    #[serde(default)]
    pub(super) probe: bool,
}

/// Claimed recipients, each to be recorded once.
#[derive(Deserialize)]
pub(super) struct Claim {
    pub(super) claim_id: Uuid,
    pub(super) templates: HashMap<Uuid, TemplateRow>,
    pub(super) recipients: Vec<ClaimedRecipient>,
    /// Without recipients: the milliseconds until the next one is due. None when none is left.
    pub(super) next_due_ms: Option<f64>,
}

/// A template as it is stored.
#[derive(Deserialize)]
pub(super) struct TemplateRow {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) components: Value,
}

/// A claimed recipient.
#[derive(Deserialize)]
pub(super) struct ClaimedRecipient {
    pub(super) recipient_id: Uuid,
    pub(super) message_id: Uuid,
    pub(super) wa_id: String,
    pub(super) variables: Variables,
    /// The number of attempts, including this one.
    pub(super) attempts: u32,
    pub(super) template_id: Uuid,
}

/// The outcome of a claimed recipient.
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

/// Access to the queue for one run.
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

    /// The id that holds the leases.
    pub(super) fn holder(&self) -> Uuid {
        self.holder
    }

    /// Takes leases over from another holder, and returns the numbers that the other still held. If several try, each
    /// number goes to one.
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

    /// Starts campaigns that are due, and leases the numbers with work.
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
                // Webhooks hold locks on rows that this call updates. They release them soon.
                Err(DatabaseError::Retryable(_)) if tries < TRIES => {
                    sleep(Duration::from_millis(100)).await;
                    tries += 1;
                }
                begun => return begun,
            }
        }
    }

    /// Claims the next recipients of a number. None when the lease is lost. Recipients of claims that are not in
    /// `known` are handed out again: the answer with them was lost, so no process has sent to them. Call it once at a
    /// time for each number.
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

    /// Records outcomes. Safe to repeat. Returns the campaigns whose figures changed.
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

    /// Releases a number, and returns the recipients of claims that are not in `known` to the queue.
    pub(super) async fn release(&self, session: Uuid, known: &[Uuid]) -> Result<(), DatabaseError> {
        let arguments = json!({ "session_id": session, "holder": self.holder, "known_claims": known });
        self.supabase.as_service().rpc("release_sender", &arguments).await
    }

    /// Records the end of the run.
    pub(super) async fn finish(&self, outcome: &impl Serialize) -> Result<(), DatabaseError> {
        self.supabase
            .as_service()
            .rpc("finish_sender_run", &json!({ "outcome": outcome }))
            .await
    }
}

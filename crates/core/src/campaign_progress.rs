//! Announces the progress of campaigns: at most once a second for each campaign, and always the last change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use supabase::Supabase;
use tokio::time::sleep;
use uuid::Uuid;

use crate::background::Background;

/// The database announces a campaign at most this often, over all processes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Collects the campaigns whose figures changed, and lets the database announce them. If the process dies before an
/// announcement, the next change makes up for it; lists and details are always counted anew.
#[derive(Clone)]
pub struct ProgressAnnouncer {
    supabase: Supabase,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: BTreeSet<Uuid>,
    running: bool,
}

impl ProgressAnnouncer {
    pub(crate) fn new(supabase: Supabase) -> Self {
        Self {
            supabase,
            state: Arc::default(),
        }
    }

    /// Notes that the figures of these campaigns changed.
    pub fn changed(&self, campaigns: &[Uuid], background: &Background) {
        if campaigns.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.extend(campaigns);
        if !std::mem::replace(&mut state.running, true) {
            let announcer = self.clone();
            background.run(async move { announcer.run().await });
        }
    }

    async fn run(&self) {
        while let Some(campaigns) = self.take() {
            match self.announce(&campaigns).await {
                Ok(too_early) => self.lock().waiting.extend(too_early),
                Err(error) => log::warn!("progress not announced: {}", error.source_text()),
            }
            sleep(INTERVAL).await;
        }
    }

    /// Takes the campaigns that wait to be announced. None ends the run.
    fn take(&self) -> Option<BTreeSet<Uuid>> {
        let mut state = self.lock();
        state.running = !state.waiting.is_empty();
        state.running.then(|| std::mem::take(&mut state.waiting))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn announce(&self, campaigns: &BTreeSet<Uuid>) -> Result<Vec<Uuid>, supabase::DatabaseError> {
        let arguments = json!({ "campaigns": campaigns });
        self.supabase
            .as_service()
            .rpc("announce_campaigns", &arguments)
            .await
    }
}

//! A function of the site: started on its first request, started anew after it died.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::process::{Launcher, Process, StartFailure};
use crate::console;

type Started = Result<Arc<Process>, StartFailure>;

#[derive(Debug)]
enum State {
    Idle,
    /// All who ask meanwhile share the outcome.
    Starting(watch::Receiver<Option<Started>>),
    Running(Arc<Process>),
    Stopped,
}

/// A function and its process, if it has one.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) route: String,
    pub(crate) bin: String,
    pub(crate) max_duration: Duration,
    binary: PathBuf,
    requests: AtomicU64,
    state: Mutex<State>,
}

impl Function {
    pub(crate) fn new(route: String, bin: String, binary: PathBuf, max_duration: Duration) -> Arc<Self> {
        let state = Mutex::new(State::Idle);
        Arc::new(Self {
            route,
            bin,
            max_duration,
            binary,
            requests: AtomicU64::new(0),
            state,
        })
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The process that runs now.
    pub(crate) fn running(&self) -> Option<Arc<Process>> {
        match &*self.state.lock() {
            State::Running(process) => Some(process.clone()),
            _ => None,
        }
    }

    /// The process, started where there is none.
    pub(crate) async fn process(self: &Arc<Self>, launcher: &Arc<Launcher>) -> Started {
        let mut outcome = {
            let mut state = self.state.lock();
            match &*state {
                State::Running(process) => return Ok(process.clone()),
                State::Stopped => return Err(StartFailure::Stopping),
                State::Starting(outcome) => outcome.clone(),
                State::Idle => {
                    let (told, outcome) = watch::channel(None);
                    *state = State::Starting(outcome.clone());
                    // On its own, so that a caller who leaves does not leave the others without an outcome.
                    tokio::spawn(self.clone().start(launcher.clone(), told));
                    outcome
                }
            }
        };
        let told = outcome
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone());
        told.ok().flatten().unwrap_or(Err(StartFailure::Stopping))
    }

    async fn start(self: Arc<Self>, launcher: Arc<Launcher>, told: watch::Sender<Option<Started>>) {
        let function = Arc::downgrade(&self);
        let gone = move || {
            if let Some(function) = function.upgrade() {
                function.forget_ended();
            }
        };
        let mut outcome = launcher.launch(&self.bin, &self.binary, gone).await;
        if let Err(failure) = &outcome {
            console::line("gateway", format_args!("{} failed to start: {failure}", self.bin));
        }
        let stopped = {
            let mut state = self.state.lock();
            let stopped = matches!(*state, State::Stopped);
            if !stopped {
                *state = outcome
                    .as_ref()
                    .map_or(State::Idle, |process| State::Running(process.clone()));
            }
            stopped
        };
        if stopped && let Ok(process) = &outcome {
            process.stop().await;
            outcome = Err(StartFailure::Stopping);
        }
        // It may have died between its first word and here.
        self.forget_ended();
        told.send_replace(Some(outcome));
    }

    fn forget_ended(&self) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Running(process) if process.has_exited()) {
            *state = State::Idle;
        }
    }

    /// Ends the process; no other is started.
    pub(crate) async fn stop(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Stopped);
        match before {
            State::Running(process) => process.stop().await,
            State::Starting(mut outcome) => {
                let _ = outcome.wait_for(Option::is_some).await;
            }
            State::Idle | State::Stopped => {}
        }
    }
}

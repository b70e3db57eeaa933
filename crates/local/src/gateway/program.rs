//! A program that serves functions, one or all of them: started on its first request, started anew after it died.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::process::{Contract, Launcher, Process, StartFailure};
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

/// A binary and its process, if it has one.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    binary: PathBuf,
    contract: Contract,
    state: Mutex<State>,
    /// Processes that were replaced and may still be finishing.
    retired: Mutex<Vec<Arc<Process>>>,
}

impl Program {
    pub(crate) fn new(name: String, binary: PathBuf, contract: Contract) -> Arc<Self> {
        let state = Mutex::new(State::Idle);
        Arc::new(Self {
            name,
            binary,
            contract,
            state,
            retired: Mutex::default(),
        })
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
                    let (sender, outcome) = watch::channel(None);
                    *state = State::Starting(outcome.clone());
                    // On its own, so that a caller who leaves does not leave the others without an outcome.
                    tokio::spawn(self.clone().start(launcher.clone(), sender));
                    outcome
                }
            }
        };
        let started = outcome
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone());
        started.ok().flatten().unwrap_or(Err(StartFailure::Stopping))
    }

    async fn start(self: Arc<Self>, launcher: Arc<Launcher>, sender: watch::Sender<Option<Started>>) {
        let mut outcome = self.launch(&launcher).await;
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
        // The process may have ended since it reported that it listens.
        self.forget_ended();
        sender.send_replace(Some(outcome));
    }

    async fn launch(self: &Arc<Self>, launcher: &Launcher) -> Started {
        let program = Arc::downgrade(self);
        let gone = move || {
            if let Some(program) = program.upgrade() {
                program.forget_ended();
            }
        };
        let outcome = launcher
            .launch(&self.name, &self.binary, self.contract, gone)
            .await;
        if let Err(failure) = &outcome {
            console::line(
                "gateway",
                format_args!("{} failed to start: {failure}", self.name),
            );
        }
        outcome
    }

    /// Replaces the process by a new one of the same binary, which may have been built anew. Requests go to the new
    /// process once it listens; the one before it finishes its own. If the new one does not start, the one before it
    /// stays. A program that does not run has nothing to replace: its next request starts the new binary.
    pub(crate) async fn replace(self: &Arc<Self>, launcher: &Launcher) -> Result<(), StartFailure> {
        self.settled().await;
        let Some(before) = self.running() else {
            return Ok(());
        };
        let next = self.launch(launcher).await?;
        let taken_over = {
            let mut state = self.state.lock();
            let unchanged = matches!(&*state, State::Running(process) if Arc::ptr_eq(process, &before));
            if unchanged {
                *state = State::Running(next.clone());
                self.retired.lock().push(before.clone());
            }
            unchanged
        };
        // The process may have ended since it reported that it listens.
        self.forget_ended();
        if taken_over {
            before.retire();
        } else {
            // The program was stopped, or its process died and a request has started the new binary already.
            next.stop().await;
        }
        Ok(())
    }

    /// Waits while a process is starting.
    async fn settled(&self) {
        let starting = match &*self.state.lock() {
            State::Starting(outcome) => Some(outcome.clone()),
            _ => None,
        };
        if let Some(mut outcome) = starting {
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }

    fn forget_ended(&self) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Running(process) if process.has_exited()) {
            *state = State::Idle;
        }
        self.retired.lock().retain(|process| !process.has_exited());
    }

    /// Ends all its processes; no other is started.
    pub(crate) async fn stop(&self) {
        let retired = std::mem::take(&mut *self.retired.lock());
        let before = std::mem::replace(&mut *self.state.lock(), State::Stopped);
        match before {
            State::Running(process) => process.stop().await,
            State::Starting(mut outcome) => {
                let _ = outcome.wait_for(Option::is_some).await;
            }
            State::Idle | State::Stopped => {}
        }
        join_all(retired.iter().map(|process| process.stop())).await;
    }
}

//! A function of the site: a route, its limit, and the program that serves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::program::Program;

/// A function. Several may share one program.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) route: String,
    pub(crate) bin: String,
    pub(crate) max_duration: Duration,
    pub(crate) program: Arc<Program>,
    requests: AtomicU64,
}

impl Function {
    pub(crate) fn new(route: String, bin: String, max_duration: Duration, program: Arc<Program>) -> Self {
        Self {
            route,
            bin,
            max_duration,
            program,
            requests: AtomicU64::new(0),
        }
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

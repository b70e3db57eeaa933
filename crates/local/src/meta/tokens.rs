//! Access tokens: the configured one, and those a test has issued or withdrawn.

use std::collections::HashSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Value, json};

/// Every token that opens something, and those that do no more.
#[derive(Debug)]
pub(crate) struct Tokens {
    configured: String,
    issued: RwLock<HashSet<String>>,
    withdrawn: RwLock<HashSet<String>>,
}

/// `POST /_sim/tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenChange {
    token: String,
    /// False withdraws it: calls with it are refused with code 190.
    valid: bool,
}

impl Tokens {
    pub(crate) fn new(configured: String) -> Self {
        Self {
            configured,
            issued: RwLock::default(),
            withdrawn: RwLock::default(),
        }
    }

    pub(crate) fn opens(&self, given: &str) -> bool {
        let configured = !self.configured.is_empty()
            && verify_slices_are_equal(given.as_bytes(), self.configured.as_bytes()).is_ok();
        (configured || self.issued.read().contains(given)) && !self.withdrawn.read().contains(given)
    }

    pub(crate) fn change(&self, change: TokenChange) -> Value {
        if change.valid {
            self.withdrawn.write().remove(&change.token);
            self.issued.write().insert(change.token);
        } else {
            self.withdrawn.write().insert(change.token);
        }
        json!({"issued": self.issued.read().len(), "withdrawn": self.withdrawn.read().len()})
    }

    /// Only the configured one is left.
    pub(crate) fn reset(&self) {
        self.issued.write().clear();
        self.withdrawn.write().clear();
    }
}

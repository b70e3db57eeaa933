//! Access tokens: the configured one, and those that a test has issued or revoked.

use std::collections::HashSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Value, json};

/// All valid tokens and all revoked ones.
#[derive(Debug)]
pub(crate) struct Tokens {
    configured: String,
    issued: RwLock<HashSet<String>>,
    revoked: RwLock<HashSet<String>>,
}

/// `POST /_sim/tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenChange {
    token: String,
    /// False revokes the token: calls with it are refused with code 190.
    valid: bool,
}

impl Tokens {
    pub(crate) fn new(configured: String) -> Self {
        Self {
            configured,
            issued: RwLock::default(),
            revoked: RwLock::default(),
        }
    }

    pub(crate) fn is_valid(&self, given: &str) -> bool {
        let configured = !self.configured.is_empty()
            && verify_slices_are_equal(given.as_bytes(), self.configured.as_bytes()).is_ok();
        (configured || self.issued.read().contains(given)) && !self.revoked.read().contains(given)
    }

    pub(crate) fn change(&self, change: TokenChange) -> Value {
        if change.valid {
            self.revoked.write().remove(&change.token);
            self.issued.write().insert(change.token);
        } else {
            self.revoked.write().insert(change.token);
        }
        json!({"issued": self.issued.read().len(), "revoked": self.revoked.read().len()})
    }

    /// Leaves only the configured token valid.
    pub(crate) fn reset(&self) {
        self.issued.write().clear();
        self.revoked.write().clear();
    }
}

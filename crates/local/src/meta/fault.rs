//! Faults: failures that a test injects into sends.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::account::digits;

/// The effect of a fault on a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// A Graph error with `code`, and with `status` if it is set. The message is not accepted.
    ErrorCode,
    /// A bare HTTP `status` without a Graph body. The message is not accepted.
    HttpStatus,
    /// No answer. The message is accepted only if `accept` is true.
    Timeout,
    /// The message is accepted, and the connection is closed without an answer.
    AcceptThenDrop,
    /// The message is accepted, and the 200 answer holds half a JSON text.
    Malformed,
    /// The message is accepted, and a `failed` status with `code` follows.
    FailedStatus,
}

/// A fault, with the sends that it affects.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_transient: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) accept: bool,
    /// The remaining number of affected sends. Without it and without `probability`, the fault affects all
    /// sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    /// The share of affected sends, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// The only recipient that it affects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// The only number that it affects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_number_id: Option<String>,
}

impl Fault {
    /// The reason why the fault is invalid, if it is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let needs_code = matches!(self.kind, FaultKind::ErrorCode | FaultKind::FailedStatus);
        if needs_code && self.code.is_none() {
            return Some("this kind of fault needs code");
        }
        if self.kind == FaultKind::HttpStatus && self.status.is_none() {
            return Some("http_status needs status");
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Some("status must be between 200 and 599");
        }
        if self
            .probability
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Some("probability must be between 0 and 1");
        }
        if self.times == Some(0) {
            return Some("times must be at least 1");
        }
        None
    }
}

/// The active faults. The first one that matches a send is applied.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    active: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn add(&self, mut fault: Fault) {
        fault.to = fault.to.map(|to| if to.contains('.') { to } else { digits(&to) });
        let mut active = self.active.lock();
        active.push(fault);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.active.lock().clear();
        self.any.store(false, Ordering::Release);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.active.lock().clone()
    }

    /// The fault that applies to this send, if there is one. Counts the send.
    pub(crate) fn take_for(&self, phone_number_id: &str, to: &str) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut active = self.active.lock();
        let position = active.iter().position(|fault| {
            fault.to.as_deref().is_none_or(|wanted| wanted == to)
                && fault
                    .phone_number_id
                    .as_deref()
                    .is_none_or(|wanted| wanted == phone_number_id)
                && fault.probability.is_none_or(|share| random_fraction() < share)
        })?;
        let fault = active[position].clone();
        if let Some(times) = &mut active[position].times {
            *times -= 1;
            if *times == 0 {
                active.remove(position);
                self.any.store(!active.is_empty(), Ordering::Release);
            }
        }
        Some(fault)
    }
}

/// A random number from 0 up to, but not including, 1.
fn random_fraction() -> f64 {
    let random = u32::try_from(uuid::Uuid::new_v4().as_u128() >> 96).unwrap_or_default();
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_fault_applies_to_its_recipient_a_limited_number_of_times() {
        let faults = Faults::default();
        faults.add(fault(
            r#"{"kind":"error_code","code":131000,"times":2,"to":"+62 811"}"#,
        ));
        assert!(faults.take_for("1", "999").is_none());
        assert_eq!(faults.take_for("1", "62811").unwrap().code, Some(131_000));
        assert!(faults.take_for("1", "62811").is_some());
        assert!(faults.take_for("1", "62811").is_none());
    }

    #[test]
    fn a_probability_of_0_is_never_and_1_is_always() {
        let faults = Faults::default();
        faults.add(fault(r#"{"kind":"timeout","probability":0}"#));
        assert!((0..100).all(|_| faults.take_for("1", "2").is_none()));
        faults.add(fault(r#"{"kind":"timeout","probability":1}"#));
        assert!((0..100).all(|_| faults.take_for("1", "2").is_some()));
        faults.clear();
        assert!(faults.take_for("1", "2").is_none());
    }

    #[test]
    fn incomplete_faults_are_refused() {
        for json in [
            r#"{"kind":"error_code"}"#,
            r#"{"kind":"http_status"}"#,
            r#"{"kind":"http_status","status":99}"#,
            r#"{"kind":"timeout","probability":2}"#,
            r#"{"kind":"timeout","times":0}"#,
        ] {
            assert!(fault(json).problem().is_some(), "{json}");
        }
        assert!(
            fault(r#"{"kind":"http_status","status":503}"#)
                .problem()
                .is_none()
        );
    }
}

//! Failures that are ordered in advance for sends.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::account::digits;

/// What is to happen instead of an ordinary answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// A Graph error of `code`, with `status` where given; nothing is accepted.
    ErrorCode,
    /// A bare HTTP `status` without a Graph body; nothing is accepted.
    HttpStatus,
    /// No answer at all; accepted only where `accept` says so.
    Timeout,
    /// Accepted, and the connection closed without an answer.
    AcceptThenDrop,
    /// Accepted, and answered 200 with half a JSON text.
    Malformed,
    /// Accepted, then a `failed` status of `code`.
    FailedStatus,
}

/// One order.
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
    /// How often it still happens; without it and without `probability`: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    /// Share of the sends it happens to, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// Only for this recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Only for this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_number_id: Option<String>,
}

impl Fault {
    /// What is wrong with the order, if anything is.
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

/// The orders in force, first come first served.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    orders: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn order(&self, mut fault: Fault) {
        fault.to = fault.to.map(|to| if to.contains('.') { to } else { digits(&to) });
        let mut orders = self.orders.lock();
        orders.push(fault);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.orders.lock().clear();
        self.any.store(false, Ordering::Release);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.orders.lock().clone()
    }

    /// The order that falls on this send, if any; used up by one.
    pub(crate) fn strike(&self, phone_number_id: &str, to: &str) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut orders = self.orders.lock();
        let position = orders.iter().position(|fault| {
            fault.to.as_deref().is_none_or(|wanted| wanted == to)
                && fault
                    .phone_number_id
                    .as_deref()
                    .is_none_or(|wanted| wanted == phone_number_id)
                && fault.probability.is_none_or(|share| dice() < share)
        })?;
        let struck = orders[position].clone();
        if let Some(times) = &mut orders[position].times {
            *times -= 1;
            if *times == 0 {
                orders.remove(position);
                self.any.store(!orders.is_empty(), Ordering::Release);
            }
        }
        Some(struck)
    }
}

/// A number from 0 up to 1.
fn dice() -> f64 {
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
    fn an_order_is_used_up_and_waits_for_its_recipient() {
        let faults = Faults::default();
        faults.order(fault(
            r#"{"kind":"error_code","code":131000,"times":2,"to":"+62 811"}"#,
        ));
        assert!(faults.strike("1", "999").is_none());
        assert_eq!(faults.strike("1", "62811").unwrap().code, Some(131_000));
        assert!(faults.strike("1", "62811").is_some());
        assert!(faults.strike("1", "62811").is_none());
    }

    #[test]
    fn probabilities_of_0_and_1_are_never_and_always() {
        let faults = Faults::default();
        faults.order(fault(r#"{"kind":"timeout","probability":0}"#));
        assert!((0..100).all(|_| faults.strike("1", "2").is_none()));
        faults.order(fault(r#"{"kind":"timeout","probability":1}"#));
        assert!((0..100).all(|_| faults.strike("1", "2").is_some()));
        faults.clear();
        assert!(faults.strike("1", "2").is_none());
    }

    #[test]
    fn incomplete_orders_are_refused() {
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

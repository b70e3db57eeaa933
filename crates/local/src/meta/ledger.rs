//! The ledger: all accepted messages in order, and the number of refused calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::clock::iso;

/// A delivery status, named as in webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// The answer that the caller received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Accepted,
    Dropped,
    Malformed,
    TimedOut,
}

/// A status that was posted in a webhook.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct StatusEvent {
    status: Status,
    #[serde(serialize_with = "as_iso")]
    at: i64,
}

/// An accepted message.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) wamid: String,
    pub(crate) phone_number_id: String,
    pub(crate) to: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<String>,
    pub(crate) biz_opaque_callback_data: Option<String>,
    #[serde(serialize_with = "as_iso")]
    pub(crate) accepted_at: i64,
    pub(crate) answer: Answer,
    #[serde(serialize_with = "locked")]
    pub(crate) statuses: Mutex<Vec<StatusEvent>>,
    pub(crate) payload: Box<RawValue>,
}

fn as_iso<S: Serializer>(milliseconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso(*milliseconds))
}

fn locked<S: Serializer>(events: &Mutex<Vec<StatusEvent>>, serializer: S) -> Result<S::Ok, S::Error> {
    events.lock().serialize(serializer)
}

impl Entry {
    pub(crate) fn record(&self, status: Status, at: i64) {
        self.statuses.lock().push(StatusEvent { status, at });
    }

    fn last_status(&self) -> &'static str {
        let statuses = self.statuses.lock();
        statuses
            .iter()
            .map(|event| event.status)
            .max()
            .map_or("accepted", Status::as_str)
    }
}

/// A filter for entries.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    phone_number_id: Option<String>,
    to: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    template: Option<String>,
    biz_opaque_callback_data: Option<String>,
    wamid: Option<String>,
}

impl Filter {
    fn admits(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.phone_number_id, Some(&entry.phone_number_id))
            && is(&self.to, Some(&entry.to))
            && is(&self.kind, Some(&entry.kind))
            && is(&self.template, entry.template.as_deref())
            && is(
                &self.biz_opaque_callback_data,
                entry.biz_opaque_callback_data.as_deref(),
            )
            && is(&self.wamid, Some(&entry.wamid))
    }
}

/// The counts of `GET /_sim/ledger/summary`, except those of the webhooks.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    accepted: usize,
    recipients: usize,
    /// Messages beyond the first with the same recipient and the same `biz_opaque_callback_data`.
    duplicates: usize,
    /// The largest number of messages that one recipient received from one number.
    max_per_recipient: usize,
    by_status: BTreeMap<&'static str, usize>,
    refused: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: RwLock<Vec<Arc<Entry>>>,
    refused: Mutex<BTreeMap<String, usize>>,
}

impl Ledger {
    pub(crate) fn push(&self, entry: Arc<Entry>) {
        self.entries.write().push(entry);
    }

    pub(crate) fn refuse(&self, code: String) {
        *self.refused.lock().entry(code).or_default() += 1;
    }

    pub(crate) fn clear(&self) {
        self.entries.write().clear();
        self.refused.lock().clear();
    }

    /// The number of matching entries, and those of one page.
    pub(crate) fn page(&self, filter: &Filter, offset: usize, limit: usize) -> (usize, Vec<Arc<Entry>>) {
        let entries = self.entries.read();
        let matching: Vec<&Arc<Entry>> = entries.iter().filter(|entry| filter.admits(entry)).collect();
        let page = matching
            .iter()
            .skip(offset)
            .take(limit)
            .map(|entry| Arc::clone(entry))
            .collect();
        (matching.len(), page)
    }

    pub(crate) fn summary(&self, filter: &Filter) -> Summary {
        let entries = self.entries.read();
        let mut per_recipient: HashMap<(&str, &str), usize> = HashMap::new();
        let mut recipients = std::collections::HashSet::new();
        let mut repeated: HashMap<(&str, &str), usize> = HashMap::new();
        let mut by_status = BTreeMap::new();
        let mut accepted = 0;
        for entry in entries.iter().filter(|entry| filter.admits(entry)) {
            accepted += 1;
            recipients.insert(entry.to.as_str());
            *per_recipient
                .entry((&entry.phone_number_id, &entry.to))
                .or_default() += 1;
            if let Some(data) = &entry.biz_opaque_callback_data {
                *repeated.entry((&entry.to, data)).or_default() += 1;
            }
            *by_status.entry(entry.last_status()).or_default() += 1;
        }
        Summary {
            accepted,
            recipients: recipients.len(),
            duplicates: repeated.values().map(|times| times - 1).sum(),
            max_per_recipient: per_recipient.values().copied().max().unwrap_or_default(),
            by_status,
            refused: self.refused.lock().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(to: &str, data: Option<&str>) -> Arc<Entry> {
        Arc::new(Entry {
            wamid: format!("wamid.{to}"),
            phone_number_id: "1".to_owned(),
            to: to.to_owned(),
            kind: "text".to_owned(),
            template: None,
            biz_opaque_callback_data: data.map(str::to_owned),
            accepted_at: 0,
            answer: Answer::Accepted,
            statuses: Mutex::default(),
            payload: RawValue::from_string("{}".to_owned()).unwrap(),
        })
    }

    #[test]
    fn the_summary_counts_duplicate_messages() {
        let ledger = Ledger::default();
        for (to, data) in [
            ("7", Some("a")),
            ("7", Some("a")),
            ("7", Some("b")),
            ("8", None),
            ("8", None),
        ] {
            ledger.push(entry(to, data));
        }
        ledger.refuse("131047".to_owned());
        let summary = ledger.summary(&Filter::default());
        assert_eq!((summary.accepted, summary.recipients), (5, 2));
        assert_eq!((summary.duplicates, summary.max_per_recipient), (1, 3));
        assert_eq!(summary.refused["131047"], 1);
    }

    #[test]
    fn the_furthest_status_counts_in_any_order() {
        let ledger = Ledger::default();
        let (first, second) = (entry("7", None), entry("8", None));
        first.record(Status::Read, 1);
        first.record(Status::Delivered, 2);
        ledger.push(first);
        ledger.push(second);
        let summary = ledger.summary(&Filter::default());
        assert_eq!(summary.by_status, BTreeMap::from([("accepted", 1), ("read", 1)]));
    }

    #[test]
    fn pages_contain_matching_entries_only() {
        let ledger = Ledger::default();
        for to in ["7", "8", "7", "7"] {
            ledger.push(entry(to, None));
        }
        let filter = Filter {
            to: Some("7".to_owned()),
            ..Filter::default()
        };
        let (total, page) = ledger.page(&filter, 1, 1);
        assert_eq!((total, page.len()), (3, 1));
    }
}

//! Business numbers, their WABAs' templates and webhook subscriptions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::rate::{PAIR, Rate};
use super::template::Template;

/// How long a customer's message allows free-form answers.
pub(crate) const WINDOW_MS: i64 = 24 * 60 * 60 * 1_000;

/// A business number as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its id in the Graph API.
    pub phone_number_id: String,
    /// As people write it.
    pub display_phone_number: String,
    /// WABA it belongs to.
    pub business_account_id: String,
    /// Name customers see.
    #[serde(default)]
    pub verified_name: String,
    /// PIN of two-step verification; without one any is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// `GREEN` unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_rating: Option<String>,
    /// `CONNECTED` unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Portfolio limit shown by the Graph API; not enforced.
    #[serde(default = "unlimited")]
    pub messaging_limit: String,
}

fn unlimited() -> String {
    "TIER_UNLIMITED".to_owned()
}

/// The digits of a phone number.
pub(crate) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

/// A business number and what happened between it and its customers.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: Number,
    pub(crate) digits: String,
    throughput: Mutex<i64>,
    pairs: Mutex<HashMap<String, i64>>,
    windows: Mutex<HashMap<String, i64>>,
    names: Mutex<HashMap<String, String>>,
    received: Mutex<std::collections::HashSet<String>>,
    pub(crate) blocked: Mutex<std::collections::BTreeSet<String>>,
}

impl Line {
    fn new(number: Number) -> Self {
        Self {
            digits: digits(&number.display_phone_number),
            number,
            throughput: Mutex::default(),
            pairs: Mutex::default(),
            windows: Mutex::default(),
            names: Mutex::default(),
            received: Mutex::default(),
            blocked: Mutex::default(),
        }
    }

    pub(crate) fn within_throughput(&self, per_second: u32, now_ms: i64) -> bool {
        Rate::per_second(per_second).is_none_or(|rate| rate.admit(&mut self.throughput.lock(), now_ms))
    }

    pub(crate) fn within_pair_limit(&self, contact: &str, now_ms: i64) -> bool {
        let mut pairs = self.pairs.lock();
        match pairs.get_mut(contact) {
            Some(spent_until) => PAIR.admit(spent_until, now_ms),
            None => PAIR.admit(pairs.entry(contact.to_owned()).or_default(), now_ms),
        }
    }

    pub(crate) fn forget_rates(&self) {
        *self.throughput.lock() = 0;
        self.pairs.lock().clear();
    }

    /// Opens the window; tells when it was opened before.
    pub(crate) fn open_window(&self, contact: &str, at_ms: i64) -> Option<i64> {
        self.windows.lock().insert(contact.to_owned(), at_ms)
    }

    pub(crate) fn close_window(&self, contact: &str) -> bool {
        self.windows.lock().remove(contact).is_some()
    }

    pub(crate) fn close_all_windows(&self) {
        self.windows.lock().clear();
    }

    pub(crate) fn window_is_open(&self, contact: &str, now_ms: i64) -> bool {
        self.windows
            .lock()
            .get(contact)
            .is_some_and(|opened| now_ms - opened < WINDOW_MS)
    }

    pub(crate) fn open_windows(&self, now_ms: i64) -> Vec<(String, i64)> {
        let windows = self.windows.lock();
        let open = windows.iter().filter(|(_, opened)| now_ms - **opened < WINDOW_MS);
        open.map(|(contact, opened)| (contact.clone(), *opened)).collect()
    }

    pub(crate) fn remember_name(&self, contact: &str, name: &str) {
        self.names.lock().insert(contact.to_owned(), name.to_owned());
    }

    pub(crate) fn name_of(&self, contact: &str) -> Option<String> {
        self.names.lock().get(contact).cloned()
    }

    pub(crate) fn remember_received(&self, wamid: &str) {
        // Ids made here can be told by their form.
        if !super::wamid::is_inbound(wamid) {
            self.received.lock().insert(wamid.to_owned());
        }
    }

    pub(crate) fn has_received(&self, wamid: &str) -> bool {
        self.received.lock().contains(wamid) || super::wamid::is_inbound(wamid)
    }
}

/// Whether a WABA's webhooks go out, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) business_account_id: String,
    pub(crate) subscribed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) override_callback_uri: Option<String>,
}

/// All numbers, templates and subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    lines: RwLock<HashMap<String, Arc<Line>>>,
    templates: RwLock<Vec<Arc<Template>>>,
    subscriptions: RwLock<HashMap<String, Subscription>>,
    ids: AtomicU64,
}

impl Accounts {
    /// Adds a number, or changes the one of the same id, keeping its windows.
    pub(crate) fn put_number(&self, number: Number) {
        let mut lines = self.lines.write();
        let line = Line::new(number);
        if let Some(old) = lines.get(&line.number.phone_number_id) {
            *line.windows.lock() = std::mem::take(&mut *old.windows.lock());
            *line.names.lock() = std::mem::take(&mut *old.names.lock());
        }
        lines.insert(line.number.phone_number_id.clone(), Arc::new(line));
    }

    pub(crate) fn line(&self, phone_number_id: &str) -> Option<Arc<Line>> {
        self.lines.read().get(phone_number_id).cloned()
    }

    /// All numbers, ordered by id.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let mut lines: Vec<_> = self.lines.read().values().cloned().collect();
        lines.sort_by(|left, right| left.number.phone_number_id.cmp(&right.number.phone_number_id));
        lines
    }

    /// A WABA exists when something belongs to it.
    pub(crate) fn has_business_account(&self, id: &str) -> bool {
        self.lines
            .read()
            .values()
            .any(|line| line.number.business_account_id == id)
            || self
                .templates
                .read()
                .iter()
                .any(|template| template.business_account_id == id)
    }

    /// Adds a template or replaces the one of the same name and language; tells the previous status.
    pub(crate) fn put_template(&self, mut template: Template) -> (Arc<Template>, Option<String>) {
        let mut templates = self.templates.write();
        let same = |old: &Arc<Template>| {
            old.business_account_id == template.business_account_id
                && old.name == template.name
                && old.language == template.language
        };
        let position = templates.iter().position(same);
        if template.id.is_empty() {
            template.id = match position {
                Some(position) => templates[position].id.clone(),
                None => self.new_id(),
            };
        }
        let template = Arc::new(template);
        let previous = match position {
            Some(position) => Some(
                std::mem::replace(&mut templates[position], template.clone())
                    .status
                    .clone(),
            ),
            None => {
                templates.push(template.clone());
                None
            }
        };
        (template, previous)
    }

    pub(crate) fn template(
        &self,
        business_account_id: &str,
        name: &str,
        language: &str,
    ) -> Option<Arc<Template>> {
        let templates = self.templates.read();
        let found = templates.iter().find(|template| {
            template.business_account_id == business_account_id
                && template.name == name
                && template.language == language
        });
        found.cloned()
    }

    pub(crate) fn template_by_id(&self, id: &str) -> Option<Arc<Template>> {
        self.templates
            .read()
            .iter()
            .find(|template| template.id == id)
            .cloned()
    }

    /// Templates in the order of their creation.
    pub(crate) fn templates(&self) -> Vec<Arc<Template>> {
        self.templates.read().clone()
    }

    /// Removes a name's templates (or the one of an id as well) and returns them.
    pub(crate) fn remove_templates(
        &self,
        business_account_id: &str,
        name: &str,
        id: Option<&str>,
    ) -> Vec<Arc<Template>> {
        let mut removed = Vec::new();
        self.templates.write().retain(|template| {
            let matches = template.business_account_id == business_account_id
                && template.name == name
                && id.is_none_or(|id| template.id == id);
            if matches {
                removed.push(template.clone());
            }
            !matches
        });
        removed
    }

    pub(crate) fn put_subscription(&self, subscription: Subscription) {
        self.subscriptions
            .write()
            .insert(subscription.business_account_id.clone(), subscription);
    }

    /// A WABA nothing was said about is subscribed: the local stack is to work at once.
    pub(crate) fn subscription(&self, business_account_id: &str) -> Subscription {
        self.subscriptions
            .read()
            .get(business_account_id)
            .cloned()
            .unwrap_or_else(|| Subscription {
                business_account_id: business_account_id.to_owned(),
                subscribed: true,
                override_callback_uri: None,
            })
    }

    /// Ids that no template or medium of this or an earlier run has.
    pub(crate) fn new_id(&self) -> String {
        let random = u64::try_from(uuid::Uuid::new_v4().as_u128() >> 96).unwrap_or_default();
        let step = self.ids.fetch_add(1, Ordering::Relaxed);
        (1_000_000_000_000_000 + random * 100_000 + step % 100_000).to_string()
    }
}

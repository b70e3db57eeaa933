//! Business numbers, and the templates and webhook subscriptions of their WABAs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::rate::{PAIR, Rate};
use super::template::Template;

/// The time after a customer's message during which free-form answers are allowed.
pub(crate) const WINDOW_MS: i64 = 24 * 60 * 60 * 1_000;

/// The configuration of a business number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its id in the Graph API.
    pub phone_number_id: String,
    /// The number in the form in which people write it.
    pub display_phone_number: String,
    /// The WABA it belongs to.
    pub business_account_id: String,
    /// The name that customers see.
    #[serde(default)]
    pub verified_name: String,
    /// The PIN of two-step verification. Without one, any PIN is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The quality rating, `GREEN` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_rating: Option<String>,
    /// The status, `CONNECTED` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The portfolio's messaging limit. The Graph API shows it; the simulator does not enforce it.
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

/// A business number with its rates, windows, names, received messages and blocked people.
#[derive(Debug)]
pub(crate) struct NumberState {
    pub(crate) config: Number,
    pub(crate) digits: String,
    throughput: Mutex<i64>,
    pairs: Mutex<HashMap<String, i64>>,
    windows: Mutex<HashMap<String, i64>>,
    names: Mutex<HashMap<String, String>>,
    received: Mutex<std::collections::HashSet<String>>,
    pub(crate) blocked: Mutex<std::collections::BTreeSet<String>>,
}

impl NumberState {
    fn new(config: Number) -> Self {
        Self {
            digits: digits(&config.display_phone_number),
            config,
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

    /// Opens the window and returns the time of the previous message that opened it.
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
        // Ids that this simulator made are recognised by their form.
        if !super::wamid::is_inbound(wamid) {
            self.received.lock().insert(wamid.to_owned());
        }
    }

    pub(crate) fn has_received(&self, wamid: &str) -> bool {
        self.received.lock().contains(wamid) || super::wamid::is_inbound(wamid)
    }
}

/// Whether the app is subscribed to a WABA's webhooks, and their address.
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
    numbers: RwLock<HashMap<String, Arc<NumberState>>>,
    templates: RwLock<Vec<Arc<Template>>>,
    subscriptions: RwLock<HashMap<String, Subscription>>,
    ids: AtomicU64,
}

impl Accounts {
    /// Adds a number, or replaces the one with the same id and keeps its windows.
    pub(crate) fn put_number(&self, config: Number) {
        let mut numbers = self.numbers.write();
        let number = NumberState::new(config);
        if let Some(old) = numbers.get(&number.config.phone_number_id) {
            *number.windows.lock() = std::mem::take(&mut *old.windows.lock());
            *number.names.lock() = std::mem::take(&mut *old.names.lock());
        }
        numbers.insert(number.config.phone_number_id.clone(), Arc::new(number));
    }

    pub(crate) fn number(&self, phone_number_id: &str) -> Option<Arc<NumberState>> {
        self.numbers.read().get(phone_number_id).cloned()
    }

    /// All numbers, ordered by id.
    pub(crate) fn numbers(&self) -> Vec<Arc<NumberState>> {
        let mut numbers: Vec<_> = self.numbers.read().values().cloned().collect();
        numbers.sort_by(|left, right| left.config.phone_number_id.cmp(&right.config.phone_number_id));
        numbers
    }

    /// Whether the WABA exists: a WABA exists if a number or a template belongs to it.
    pub(crate) fn has_business_account(&self, id: &str) -> bool {
        self.numbers
            .read()
            .values()
            .any(|number| number.config.business_account_id == id)
            || self
                .templates
                .read()
                .iter()
                .any(|template| template.business_account_id == id)
    }

    /// Adds a template, or replaces the one with the same name and language. Returns the previous status.
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

    /// Removes and returns the templates of a name. With an id, removes only the one that has this id as
    /// well.
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

    /// The subscription of a WABA. It is subscribed by default, so that the local stack works at once.
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

    /// A new id, which no template or media file of this run or an earlier run has.
    pub(crate) fn new_id(&self) -> String {
        let random = u64::try_from(uuid::Uuid::new_v4().as_u128() >> 96).unwrap_or_default();
        let step = self.ids.fetch_add(1, Ordering::Relaxed);
        (1_000_000_000_000_000 + random * 100_000 + step % 100_000).to_string()
    }
}

//! Keys with their values and expiry times.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredValue {
    Text(String),
    Hash(BTreeMap<String, String>),
    Set(BTreeSet<String>),
}

#[derive(Debug)]
struct Slot {
    value: StoredValue,
    ends: Option<Instant>,
}

/// All keys. An expired key is removed when it is read next, or in a sweep when there are many keys.
#[derive(Debug, Default)]
pub(super) struct Store {
    slots: HashMap<String, Slot>,
    sweep_at: usize,
}

/// The smallest number of keys that triggers a sweep.
const SWEEP_FROM: usize = 10_000;

impl Store {
    fn drop_expired(&mut self, key: &str, now: Instant) {
        if self
            .slots
            .get(key)
            .is_some_and(|slot| slot.ends.is_some_and(|ends| ends <= now))
        {
            self.slots.remove(key);
        }
    }

    pub(super) fn get(&mut self, key: &str, now: Instant) -> Option<&StoredValue> {
        self.drop_expired(key, now);
        self.slots.get(key).map(|slot| &slot.value)
    }

    pub(super) fn get_mut(&mut self, key: &str, now: Instant) -> Option<&mut StoredValue> {
        self.drop_expired(key, now);
        self.slots.get_mut(key).map(|slot| &mut slot.value)
    }

    /// Replaces the value. The key expires at `ends`.
    pub(super) fn put(&mut self, key: &str, value: StoredValue, ends: Option<Instant>, now: Instant) {
        self.slots.insert(key.to_owned(), Slot { value, ends });
        if self.slots.len() > self.sweep_at.max(SWEEP_FROM) {
            self.slots
                .retain(|_, slot| slot.ends.is_none_or(|ends| ends > now));
            self.sweep_at = self.slots.len() * 2;
        }
    }

    pub(super) fn remove(&mut self, key: &str, now: Instant) -> bool {
        self.drop_expired(key, now);
        self.slots.remove(key).is_some()
    }

    /// The expiry time of a key: `None` for a missing key, `Some(None)` for one without expiry.
    pub(super) fn ends(&mut self, key: &str, now: Instant) -> Option<Option<Instant>> {
        self.drop_expired(key, now);
        self.slots.get(key).map(|slot| slot.ends)
    }

    pub(super) fn set_end(&mut self, key: &str, ends: Option<Instant>, now: Instant) -> bool {
        self.drop_expired(key, now);
        let slot = self.slots.get_mut(key);
        slot.map(|slot| slot.ends = ends).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn expired_keys_are_swept_when_there_are_many() {
        let mut store = Store::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        for n in 0..SWEEP_FROM {
            store.put(&n.to_string(), StoredValue::Text(String::new()), Some(later), now);
        }
        store.put("last", StoredValue::Text(String::new()), None, later);
        assert_eq!(store.slots.len(), 1);
    }
}

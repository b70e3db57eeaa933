//! Keys, their values and when they end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    Text(String),
    Hash(BTreeMap<String, String>),
    Set(BTreeSet<String>),
}

#[derive(Debug)]
struct Slot {
    held: Held,
    ends: Option<Instant>,
}

/// All keys. A key that has ended is dropped when it is next looked at, or when many keys have come.
#[derive(Debug, Default)]
pub(super) struct Store {
    slots: HashMap<String, Slot>,
    sweep_at: usize,
}

/// The least number of keys that is worth a sweep.
const SWEEP_FROM: usize = 10_000;

impl Store {
    fn drop_ended(&mut self, key: &str, now: Instant) {
        if self
            .slots
            .get(key)
            .is_some_and(|slot| slot.ends.is_some_and(|ends| ends <= now))
        {
            self.slots.remove(key);
        }
    }

    pub(super) fn get(&mut self, key: &str, now: Instant) -> Option<&Held> {
        self.drop_ended(key, now);
        self.slots.get(key).map(|slot| &slot.held)
    }

    pub(super) fn get_mut(&mut self, key: &str, now: Instant) -> Option<&mut Held> {
        self.drop_ended(key, now);
        self.slots.get_mut(key).map(|slot| &mut slot.held)
    }

    /// Replaces the value; the key ends at `ends`.
    pub(super) fn put(&mut self, key: &str, held: Held, ends: Option<Instant>, now: Instant) {
        self.slots.insert(key.to_owned(), Slot { held, ends });
        if self.slots.len() > self.sweep_at.max(SWEEP_FROM) {
            self.slots
                .retain(|_, slot| slot.ends.is_none_or(|ends| ends > now));
            self.sweep_at = self.slots.len() * 2;
        }
    }

    pub(super) fn remove(&mut self, key: &str, now: Instant) -> bool {
        self.drop_ended(key, now);
        self.slots.remove(key).is_some()
    }

    /// When the key ends: nothing for a missing key, `Some(None)` for one without an end.
    pub(super) fn ends(&mut self, key: &str, now: Instant) -> Option<Option<Instant>> {
        self.drop_ended(key, now);
        self.slots.get(key).map(|slot| slot.ends)
    }

    pub(super) fn set_end(&mut self, key: &str, ends: Option<Instant>, now: Instant) -> bool {
        self.drop_ended(key, now);
        let slot = self.slots.get_mut(key);
        slot.map(|slot| slot.ends = ends).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ended_keys_are_swept_when_many_come() {
        let mut store = Store::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        for n in 0..SWEEP_FROM {
            store.put(&n.to_string(), Held::Text(String::new()), Some(later), now);
        }
        store.put("last", Held::Text(String::new()), None, later);
        assert_eq!(store.slots.len(), 1);
    }
}

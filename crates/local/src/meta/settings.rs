//! Settings that can be changed while the simulator runs.

use serde::{Deserialize, Serialize};

/// The delays of the status webhooks after acceptance, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookDelays {
    /// The delay of `sent` or `failed`.
    pub sent: u64,
    /// The delay of `delivered`, which never precedes `sent`.
    pub delivered: u64,
    /// The delay of `read`, which never precedes `delivered`.
    pub read: u64,
}

impl Default for WebhookDelays {
    fn default() -> Self {
        Self {
            sent: 50,
            delivered: 250,
            read: 1_500,
        }
    }
}

/// The settings that `PUT /_sim/settings` can change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) webhook_delay_ms: WebhookDelays,
    /// The delay of the answer to a send after its acceptance.
    pub(crate) response_delay_ms: u64,
    /// The share of delivered messages that are read, from 0 to 1.
    pub(crate) read_ratio: f64,
    /// The messages per second and number; 0 means no limit.
    pub(crate) throughput: u32,
    /// Whether error 131056, the pair rate limit, applies.
    pub(crate) pair_limit: bool,
    /// Whether webhooks are posted. If not, they wait in the queue.
    pub(crate) deliver_webhooks: bool,
    /// The number of concurrent POSTs.
    pub(crate) webhook_concurrency: usize,
    /// The largest number of status updates in one POST.
    pub(crate) webhook_batch: usize,
    /// The delays before each redelivery. The last one repeats.
    pub(crate) redelivery_ms: Vec<u64>,
    /// The time for which a new template stays PENDING.
    pub(crate) template_review_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_delay_ms: WebhookDelays::default(),
            response_delay_ms: 0,
            read_ratio: 1.0,
            throughput: 80,
            pair_limit: true,
            deliver_webhooks: true,
            webhook_concurrency: 8,
            webhook_batch: 100,
            redelivery_ms: vec![1_000, 2_000, 5_000, 15_000, 60_000],
            template_review_ms: 2_000,
        }
    }
}

/// A change of settings. Absent fields keep their values.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    webhook_delay_ms: Option<DelaysChange>,
    response_delay_ms: Option<u64>,
    read_ratio: Option<f64>,
    throughput: Option<u32>,
    pair_limit: Option<bool>,
    deliver_webhooks: Option<bool>,
    webhook_concurrency: Option<usize>,
    webhook_batch: Option<usize>,
    redelivery_ms: Option<Vec<u64>>,
    template_review_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DelaysChange {
    sent: Option<u64>,
    delivered: Option<u64>,
    read: Option<u64>,
}

impl Settings {
    /// The settings after a change, or the reason why the change is invalid.
    pub(crate) fn changed(&self, change: SettingsChange) -> Result<Self, String> {
        if change
            .read_ratio
            .is_some_and(|ratio| !(0.0..=1.0).contains(&ratio))
        {
            return Err("read_ratio must be between 0 and 1".to_owned());
        }
        if change.webhook_concurrency == Some(0) || change.webhook_batch == Some(0) {
            return Err("webhook_concurrency and webhook_batch must be at least 1".to_owned());
        }
        if change.redelivery_ms.as_ref().is_some_and(Vec::is_empty) {
            return Err("redelivery_ms must name at least one waiting time".to_owned());
        }
        let delays = change.webhook_delay_ms.unwrap_or_default();
        let old = self.clone();
        Ok(Self {
            webhook_delay_ms: WebhookDelays {
                sent: delays.sent.unwrap_or(old.webhook_delay_ms.sent),
                delivered: delays.delivered.unwrap_or(old.webhook_delay_ms.delivered),
                read: delays.read.unwrap_or(old.webhook_delay_ms.read),
            },
            response_delay_ms: change.response_delay_ms.unwrap_or(old.response_delay_ms),
            read_ratio: change.read_ratio.unwrap_or(old.read_ratio),
            throughput: change.throughput.unwrap_or(old.throughput),
            pair_limit: change.pair_limit.unwrap_or(old.pair_limit),
            deliver_webhooks: change.deliver_webhooks.unwrap_or(old.deliver_webhooks),
            webhook_concurrency: change.webhook_concurrency.unwrap_or(old.webhook_concurrency),
            webhook_batch: change.webhook_batch.unwrap_or(old.webhook_batch).min(1_000),
            redelivery_ms: change.redelivery_ms.unwrap_or(old.redelivery_ms),
            template_review_ms: change.template_review_ms.unwrap_or(old.template_review_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> SettingsChange {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_settings_keep_their_values() {
        let settings = Settings::default();
        let changed = settings
            .changed(change(r#"{"webhook_delay_ms":{"read":7},"pair_limit":false}"#))
            .unwrap();
        assert_eq!(
            changed.webhook_delay_ms,
            WebhookDelays {
                read: 7,
                ..settings.webhook_delay_ms
            }
        );
        assert!(!changed.pair_limit);
        assert_eq!(changed.throughput, settings.throughput);
    }

    #[test]
    fn settings_that_would_stall_are_refused() {
        let settings = Settings::default();
        for json in [
            r#"{"read_ratio":1.5}"#,
            r#"{"webhook_batch":0}"#,
            r#"{"redelivery_ms":[]}"#,
        ] {
            assert!(settings.changed(change(json)).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<SettingsChange>(r#"{"thruput":1}"#).is_err());
    }
}

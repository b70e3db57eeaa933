//! The project's public signing keys, fetched on demand with a limited rate.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The shortest time between fetches. Without it, tokens with made-up key ids would cause requests to the
/// Auth server.
const MIN_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest time after a failed fetch. It is short, because without keys no user can be authenticated.
const MIN_INTERVAL_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// The age at which keys are fetched again. After this time a revoked key is no longer accepted.
const MAX_AGE: Duration = Duration::from_secs(600);
const TIME_LIMIT: Duration = Duration::from_secs(3);
const MAX_BODY: usize = 256 * 1024;

pub(super) enum KeyLookup {
    Found(Arc<DecodingKey>),
    Unknown,
    Unavailable,
}

pub(super) struct JwksCache {
    url: Url,
    http: reqwest::Client,
    keys: RwLock<Keys>,
    /// Locked during a fetch, so that only one fetch runs at a time.
    last_attempt: Mutex<Option<Attempt>>,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    succeeded: bool,
}

impl Attempt {
    fn is_recent(self) -> bool {
        let interval = if self.succeeded {
            MIN_INTERVAL
        } else {
            MIN_INTERVAL_AFTER_FAILURE
        };
        self.at.elapsed() < interval
    }
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, (Algorithm, Arc<DecodingKey>)>,
    fetched_at: Option<Instant>,
}

impl Keys {
    fn get(&self, key_id: &str, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        self.by_id
            .get(key_id)
            .filter(|(of_key, _)| *of_key == algorithm)
            .map(|(_, key)| Arc::clone(key))
    }

    fn is_fresh(&self) -> bool {
        self.fetched_at.is_some_and(|at| at.elapsed() < MAX_AGE)
    }
}

impl JwksCache {
    pub(super) fn new(url: Url, http: reqwest::Client) -> Self {
        Self {
            url,
            http,
            keys: RwLock::default(),
            last_attempt: Mutex::new(None),
        }
    }

    pub(super) async fn find(&self, key_id: &str, algorithm: Algorithm) -> KeyLookup {
        if let (Some(key), true) = self.cached(key_id, algorithm) {
            return KeyLookup::Found(key);
        }

        let mut last_attempt = self.last_attempt.lock().await;
        // Another task may have fetched the keys while this one waited for the lock.
        let (key, fresh) = self.cached(key_id, algorithm);
        if let (Some(key), true) = (&key, fresh) {
            return KeyLookup::Found(Arc::clone(key));
        }
        let attempt = match *last_attempt {
            Some(attempt) if attempt.is_recent() => attempt,
            _ => {
                let at = Instant::now();
                // Record the attempt first. The limit then holds even if the caller is cancelled during the
                // fetch.
                *last_attempt = Some(Attempt { at, succeeded: false });
                let succeeded = self.fetch().await;
                let attempt = Attempt { at, succeeded };
                *last_attempt = Some(attempt);
                attempt
            }
        };
        drop(last_attempt);

        // Use old keys while the Auth server cannot be reached.
        match self.cached(key_id, algorithm).0 {
            Some(key) => KeyLookup::Found(key),
            None if attempt.succeeded => KeyLookup::Unknown,
            None => KeyLookup::Unavailable,
        }
    }

    fn cached(&self, key_id: &str, algorithm: Algorithm) -> (Option<Arc<DecodingKey>>, bool) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        (keys.get(key_id, algorithm), keys.is_fresh())
    }

    async fn fetch(&self) -> bool {
        let Ok(Some(by_id)) = timeout(TIME_LIMIT, self.request()).await else {
            return false;
        };
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Keys {
            by_id,
            fetched_at: Some(Instant::now()),
        };
        true
    }

    async fn request(&self) -> Option<HashMap<String, (Algorithm, Arc<DecodingKey>)>> {
        let mut response = self.http.get(self.url.clone()).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return None;
            }
        }
        read_keys(&body)
    }
}

/// The keys that can verify access tokens. An unreadable key is skipped.
fn read_keys(body: &[u8]) -> Option<HashMap<String, (Algorithm, Arc<DecodingKey>)>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).ok()?;
    Some(
        set.keys
            .into_iter()
            .filter_map(|key| verifying_key(serde_json::from_value(key).ok()?))
            .collect(),
    )
}

fn verifying_key(key: Jwk) -> Option<(String, (Algorithm, Arc<DecodingKey>))> {
    let algorithm = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let stated = key.common.key_algorithm;
    if stated.is_some_and(|stated| stated != algorithm.into()) {
        return None;
    }
    if key
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|usage| *usage != PublicKeyUse::Signature)
    {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&key).ok()?;
    Some((key.common.key_id?, (algorithm, Arc::new(decoding))))
}

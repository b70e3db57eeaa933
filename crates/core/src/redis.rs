//! Upstash Redis over its REST interface: caches and limits, never the truth.

use serde::Deserialize;
use serde_json::Value;

use crate::config::RedisConfig;

/// Redis did not do as asked. Callers go on without it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    #[error("Redis is away: {0}")]
    Unavailable(#[source] reqwest::Error),
    #[error("Redis refused: {0}")]
    Refused(String),
}

pub(crate) struct Redis {
    url: String,
    token: String,
    http: reqwest::Client,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: String },
    Result { result: Value },
}

impl Redis {
    pub(crate) fn new(config: &RedisConfig, http: reqwest::Client) -> Self {
        Self {
            url: config.url.clone(),
            token: config.token.clone(),
            http,
        }
    }

    /// Runs one command, for example `["SET", "key", "value"]`.
    pub(crate) async fn command(&self, command: &[&str]) -> Result<Value, RedisError> {
        let response = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .json(command)
            .send()
            .await;
        let answer = response.map_err(RedisError::Unavailable)?.json::<Answer>().await;
        match answer.map_err(RedisError::Unavailable)? {
            Answer::Result { result } => Ok(result),
            Answer::Error { error } => Err(RedisError::Refused(error)),
        }
    }
}

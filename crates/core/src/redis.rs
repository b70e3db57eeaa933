//! Upstash Redis over its REST interface. It holds caches and limits, never the only copy of anything.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::RedisConfig;

/// An error of Redis. Callers continue without it.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error("Redis is away: {0}")]
    Unavailable(#[source] reqwest::Error),
    #[error("Redis refused: {0}")]
    Refused(String),
    #[error("Redis takes too long")]
    Late,
}

pub struct Redis {
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

impl Answer {
    fn into_result(self) -> Result<Value, RedisError> {
        match self {
            Self::Result { result } => Ok(result),
            Self::Error { error } => Err(RedisError::Refused(error)),
        }
    }
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
    pub async fn command(&self, command: &[&str]) -> Result<Value, RedisError> {
        self.post(&self.url, &command).await.and_then(Answer::into_result)
    }

    /// Increments a counter and returns its value. The counter expires `seconds` after its last increment.
    pub(crate) async fn count(&self, key: &str, seconds: i64) -> Result<i64, RedisError> {
        let seconds = seconds.to_string();
        let commands: [&[&str]; 2] = [&["INCR", key], &["EXPIRE", key, &seconds]];
        let url = format!("{}/multi-exec", self.url);
        let answers: Vec<Answer> = self.post(&url, &commands).await?;
        let count = answers.into_iter().next().map(Answer::into_result).transpose()?;
        count
            .and_then(|count| count.as_i64())
            .ok_or_else(|| RedisError::Refused("the counter is not a number".to_owned()))
    }

    async fn post<T: DeserializeOwned>(&self, url: &str, body: &impl Serialize) -> Result<T, RedisError> {
        let request = self.http.post(url).bearer_auth(&self.token).json(body);
        let response = request.send().await.map_err(RedisError::Unavailable)?;
        response.json().await.map_err(RedisError::Unavailable)
    }
}

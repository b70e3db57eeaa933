//! How often one address may ask what needs no credentials, or fail at what does.
//!
//! Counted in Redis, by the minute. Without Redis nobody is refused: a limit protects the service, and must not be
//! what takes it down.

use std::marker::PhantomData;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::Utc;
use tokio::time::timeout;

use crate::app::App;
use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::redis::RedisError;
use crate::text::Text;
use crate::trace::Trace;

const WINDOW_SECONDS: i64 = 60;
/// A limit must not cost more than what it limits.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is counted, each by itself.
#[derive(Debug, Clone, Copy)]
pub enum Guarded {
    /// Bearers that were refused.
    Credentials,
    /// Bodies that were not signed by Meta.
    Signatures,
    /// Requests of a route without credentials.
    Public(&'static str),
}

impl Guarded {
    fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Signatures => "signatures",
            Self::Public(name) => name,
        }
    }

    /// How many a minute: far above what a monitor or a mistaken integration does.
    fn limit(self) -> i64 {
        600
    }
}

/// Counts one more from this address; refuses once it is too many.
pub async fn admit(app: &App, trace: &Trace, guarded: Guarded) -> Result<(), ApiError> {
    let (Some(redis), Some(ip)) = (app.redis(), trace.ip()) else {
        return Ok(());
    };
    let now = Utc::now().timestamp();
    let key = format!("rate:{}:{ip}:{}", guarded.name(), now / WINDOW_SECONDS);
    let counted = timeout(PATIENCE, redis.count(&key, 2 * WINDOW_SECONDS)).await;
    match counted.map_err(|_| RedisError::Late).flatten() {
        Ok(count) if count > guarded.limit() => {
            let left = WINDOW_SECONDS - now % WINDOW_SECONDS;
            Err(too_many_requests(u32::try_from(left).unwrap_or(1)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            log::warn!("requests are not limited: {error}");
            Ok(())
        }
    }
}

fn too_many_requests(retry_after_seconds: u32) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        Text::new(
            "Too many requests. Please wait a moment.",
            "Terlalu banyak permintaan. Silakan tunggu sebentar.",
        ),
    )
    .retry_after(retry_after_seconds)
}

/// A route that is open to everybody.
pub trait PublicRoute: Send {
    /// What its requests are counted under.
    const NAME: &'static str;
}

/// A request of an open route, within the limit. As a handler's argument it is what keeps the handler from being
/// asked too often.
pub struct Limited<R>(PhantomData<R>);

impl<R: PublicRoute> FromRequestParts<App> for Limited<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        admit(app, &Trace::of(parts), Guarded::Public(R::NAME)).await?;
        Ok(Self(PhantomData))
    }
}

impl<R: PublicRoute> Argument for Limited<R> {
    fn state(contract: &mut Contract) {
        contract.access = contract::Access::Public;
        contract.refuses(&[&contract::TOO_MANY]);
    }
}

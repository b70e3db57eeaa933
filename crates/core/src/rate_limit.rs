//! Rate limits of addresses: for routes without credentials, and for failed credentials and signatures.
//!
//! Redis counts requests by the minute. Without Redis no request is refused, because a limit that protects the service
//! must not take it down.

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
/// The longest wait for Redis: a limit must not cost more than the request it limits.
const REDIS_TIME_LIMIT: Duration = Duration::from_millis(500);

/// The kinds of requests that are counted, each on its own.
#[derive(Debug, Clone, Copy)]
pub enum Guarded {
    /// Bearers that were refused.
    Credentials,
    /// Bodies without a valid signature of Meta.
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

    /// The most requests a minute: far above the needs of a monitor or a faulty integration.
    fn limit(self) -> i64 {
        600
    }
}

/// Counts one more request of this address, and refuses it above the limit.
pub async fn admit(app: &App, trace: &Trace, guarded: Guarded) -> Result<(), ApiError> {
    let (Some(redis), Some(ip)) = (app.redis(), trace.ip()) else {
        return Ok(());
    };
    let now = Utc::now().timestamp();
    let key = format!("rate:{}:{ip}:{}", guarded.name(), now / WINDOW_SECONDS);
    let counted = timeout(REDIS_TIME_LIMIT, redis.count(&key, 2 * WINDOW_SECONDS)).await;
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
    /// The name under which its requests are counted.
    const NAME: &'static str;
}

/// A request of an open route, within the rate limit. A handler that takes it as an argument runs only for such
/// requests.
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

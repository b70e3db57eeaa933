//! Work that continues after the answer was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps the process alive for work after the answer, if the platform can. Such work may still die: use it only for
/// work that is also stored in the database, or that may be lost.
#[derive(Clone)]
pub struct Background {
    start: Arc<dyn Fn(Work) + Send + Sync>,
}

impl Background {
    /// Uses a platform's way to keep working, for example Vercel's `wait_until`.
    pub fn new(start: impl Fn(Work) + Send + Sync + 'static) -> Self {
        Self {
            start: Arc::new(start),
        }
    }

    /// Starts `work` now and answers at once.
    pub fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        (self.start)(Box::pin(work));
    }
}

/// Without a way of the platform, the work is a task of the process.
impl Default for Background {
    fn default() -> Self {
        Self::new(|work| {
            tokio::spawn(work);
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Background {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

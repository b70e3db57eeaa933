//! Work that goes on after the answer was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps the process alive for work after the answer, as far as the platform can. Such work may still die:
/// only what is also stored as work, or can be lost, belongs here.
#[derive(Clone)]
pub struct Background {
    start: Arc<dyn Fn(Work) + Send + Sync>,
}

impl Background {
    /// A platform's way to keep working, for example Vercel's `wait_until`.
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

/// Without a platform's own way the work is a task of the process.
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

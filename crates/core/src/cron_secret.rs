//! The scheduler, such as Vercel Cron, as a caller.

use std::convert::Infallible;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::text::Text;

/// A caller that knows `CRON_SECRET`. A handler that takes it as an argument runs only for such callers.
pub struct CronCaller;

impl FromRequestParts<App> for CronCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        if has_secret(parts, app) {
            return Ok(Self);
        }
        Err(ApiError::unauthorized(Text::new(
            "This route is for the scheduler only.",
            "Rute ini hanya untuk penjadwal.",
        )))
    }
}

/// Whether the request knows `CRON_SECRET`, for a route that tells everybody less.
pub struct CronSecretGiven(pub bool);

impl FromRequestParts<App> for CronSecretGiven {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(has_secret(parts, app)))
    }
}

impl Argument for CronSecretGiven {
    fn state(_: &mut Contract) {}
}

fn has_secret(parts: &Parts, app: &App) -> bool {
    let given = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    // The configuration refuses an empty secret, so an absent one never matches.
    verify_slices_are_equal(given, app.config().cron_secret.as_bytes()).is_ok()
}

impl Argument for CronCaller {
    fn state(contract: &mut Contract) {
        contract.access = contract::Access::Cron;
        contract.refuses(&[&contract::NOT_SIGNED_IN, &contract::UNAVAILABLE]);
    }
}

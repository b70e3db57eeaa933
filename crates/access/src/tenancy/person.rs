//! A person with an account, with or without an organisation.

use axum::http::{header, request::Parts};
use supabase::AccessToken;

use crm_core::app::App;
use crm_core::contract::{self, Argument, Contract};
use crm_core::error::ApiError;
use crm_core::rate_limit::{self, Guarded};
use crm_core::trace::Trace;

/// A person with a valid access token, with or without an organisation.
pub(crate) struct Person(pub(crate) AccessToken);

impl axum::extract::FromRequestParts<App> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        rate_limit::admit(app, &Trace::of(parts), Guarded::Public("sign-up")).await?;
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let token =
            AccessToken::from_authorization(authorization.map(|value| value.to_str().unwrap_or_default()))?;
        app.tokens().verify(&token).await?;
        Ok(Self(token))
    }
}

impl Argument for Person {
    fn state(contract: &mut Contract) {
        contract.access = contract::Access::Account;
        contract.refuses(&[
            &contract::NOT_SIGNED_IN,
            &contract::TOO_MANY,
            &contract::UNAVAILABLE,
        ]);
    }
}

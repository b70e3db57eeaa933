//! The language of the person who reads the answer.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use whatsapp::error_codes::Locale;

use crm_core::contract::{Argument, Contract};
use crm_core::text::Language;

/// The language of sentences within an answer. Like that of errors, it follows `Accept-Language`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader(pub(super) Locale);

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get(header::ACCEPT_LANGUAGE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(match Language::from_accept_language(header) {
            Language::English => Locale::English,
            Language::Indonesian => Locale::Indonesian,
        }))
    }
}

impl Argument for Reader {
    fn state(_: &mut Contract) {}
}

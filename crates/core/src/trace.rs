//! The trace of a request: its id, the address it came from, and its caller once it is known.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use supabase::Database;
use uuid::Uuid;

use crate::caller::CallerKind;
use crate::repeatable::Repeatable;

/// The header with the id of the request. Every response carries it, and the audit log records it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the claim of a request that has an `Idempotency-Key`.
const REQUEST_CLAIM: HeaderName = HeaderName::from_static("x-request-claim");
const CLIENT_IP: HeaderName = HeaderName::from_static("x-client-ip");

/// The caller, as far as the request has shown it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) kind: CallerKind,
    pub(crate) id: Uuid,
}

/// One request.
#[derive(Debug, Default)]
pub struct Trace {
    request_id: String,
    ip: Option<IpAddr>,
    actor: OnceLock<Actor>,
    repeatable: OnceLock<Repeatable>,
}

impl Trace {
    /// Begins a trace from the headers. An id from the client is kept if it has a valid form.
    pub(crate) fn begin(headers: &HeaderMap) -> Arc<Self> {
        let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        let request_id = given
            .filter(|id| looks_like_an_id(id))
            .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        Arc::new(Self {
            request_id,
            ip: client_ip(headers),
            actor: OnceLock::new(),
            repeatable: OnceLock::new(),
        })
    }

    /// The trace that [`shell`](crate::shell) began; an empty one outside of a request.
    pub fn of(parts: &Parts) -> Arc<Self> {
        parts.extensions.get::<Arc<Self>>().cloned().unwrap_or_default()
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The address of the client, as the platform reports it.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    pub(crate) fn actor(&self) -> Option<Actor> {
        self.actor.get().copied()
    }

    /// Notes the caller. Later calls change nothing.
    pub(crate) fn identify(&self, actor: Actor) {
        self.actor.get_or_init(|| actor);
    }

    /// The request's `Idempotency-Key`, if it has one.
    pub(crate) fn repeatable(&self) -> Option<&Repeatable> {
        self.repeatable.get()
    }

    /// Notes the key. Later calls change nothing.
    pub(crate) fn note_key(&self, key: Repeatable) {
        self.repeatable.get_or_init(|| key);
    }

    /// Adds the id, the address and the caller to calls of the database, so that the audit log records them.
    pub(crate) fn mark<'a>(&self, database: Database<'a>) -> Database<'a> {
        let mut database = database;
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            database = database.with_header(REQUEST_ID, id);
        }
        let claim = self.repeatable().and_then(Repeatable::claim);
        if let Some(Ok(claim)) = claim.map(|claim| HeaderValue::from_str(&claim.to_string())) {
            database = database.with_header(REQUEST_CLAIM, claim);
        }
        match self.ip.map(|ip| HeaderValue::from_str(&ip.to_string())) {
            Some(Ok(ip)) => database.with_header(CLIENT_IP, ip),
            _ => database,
        }
    }
}

fn looks_like_an_id(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// Vercel always sets both headers and replaces those of the client
/// (<https://vercel.com/docs/headers/request-headers>).
fn client_ip(headers: &HeaderMap) -> Option<IpAddr> {
    ["x-real-ip", "x-forwarded-for"].into_iter().find_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        value.split(',').next()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(headers: &[(&'static str, &str)]) -> Arc<Trace> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Trace::begin(&map)
    }

    #[test]
    fn a_request_keeps_its_id_and_gets_one_where_it_has_none() {
        assert_eq!(
            trace(&[("x-request-id", "checkout-4711")]).request_id(),
            "checkout-4711"
        );
        for strange in ["short", "with space in it", "<script>alert(1)</script>"] {
            let id = trace(&[("x-request-id", strange)]);
            assert!(Uuid::parse_str(id.request_id()).is_ok(), "{strange}");
        }
    }

    #[test]
    fn the_address_comes_from_the_platform() {
        let ip = |headers: &[(&'static str, &str)]| trace(headers).ip().map(|ip| ip.to_string());
        assert_eq!(
            ip(&[("x-forwarded-for", "203.0.113.7, 10.0.0.1")]).as_deref(),
            Some("203.0.113.7")
        );
        assert_eq!(
            ip(&[("x-real-ip", "2001:db8::1"), ("x-forwarded-for", "203.0.113.7")]).as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(ip(&[("x-forwarded-for", "unknown")]), None);
        assert_eq!(ip(&[]), None);
    }
}

//! Requests with an `Idempotency-Key`: one that is repeated has the effect and the answer of the first.
//!
//! Every POST that a member of an organisation can make takes a key. The steps, in the order of a request:
//!
//! 1. [`note`] reads the key before the handler runs, and hashes query and body.
//! 2. [`begin`] claims the key once the caller is known and permitted. A repeated request ends here.
//! 3. Each call of the database names the claim ([`Trace::mark`]), and the transaction of a write notes it.
//! 4. [`finish`] keeps the answer. The request runs to its end even if its client hangs up.
//!
//! A process that dies after a write leaves the key `unfinished`: repeating it could do the same twice.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256, digest};
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::caller::Access;
use crate::error::ApiError;
use crate::text::{Language, Text};
use crate::trace::Trace;

/// The header with the key.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The largest body that Vercel accepts.
const MAX_BODY: usize = 4_500_000;

/// A request with a key.
#[derive(Debug)]
pub(crate) struct Repeatable {
    key: String,
    route: String,
    request_hash: String,
    claim: Uuid,
    /// Whether this request holds the key.
    holds: AtomicBool,
    /// The answer of the first request with this key.
    known: OnceLock<KnownAnswer>,
}

/// The answer of an earlier request.
#[derive(Debug)]
struct KnownAnswer {
    status: StatusCode,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Begun,
    Answered {
        status: u16,
        answer: String,
        claim: Uuid,
    },
    Running,
    Unfinished,
    Different,
}

impl Repeatable {
    /// The claim, while this request holds the key.
    pub(crate) fn claim(&self) -> Option<Uuid> {
        self.holds.load(Ordering::Relaxed).then_some(self.claim)
    }
}

/// The key of a request, if it has one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        wrong_key(Text::new(
            "must have 1 to 200 plain characters",
            "harus terdiri dari 1 sampai 200 karakter biasa",
        ))
    })
}

fn wrong_key(problem: Text) -> ApiError {
    ApiError::field("Idempotency-Key", problem)
}

/// Notes the key of a request in its trace.
pub(crate) async fn note(request: Request) -> Result<Request, ApiError> {
    let Some(key) = idempotency_key(request.headers())?.map(str::to_owned) else {
        return Ok(request);
    };
    let (parts, body) = request.into_parts();
    let trace = Trace::of(&parts);
    let body = to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| ApiError::too_large())?;
    let mut hash = Context::new(&SHA256);
    hash.update(parts.uri.path().as_bytes());
    hash.update(b"?");
    hash.update(parts.uri.query().unwrap_or_default().as_bytes());
    hash.update(b"\n");
    hash.update(&body);
    let route = parts.extensions.get::<MatchedPath>();
    trace.note_key(Repeatable {
        key,
        route: route.map_or_else(|| parts.uri.path().to_owned(), |route| route.as_str().to_owned()),
        request_hash: STANDARD.encode(hash.finish()),
        claim: Uuid::new_v4(),
        holds: AtomicBool::new(false),
        known: OnceLock::new(),
    });
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Claims the key of a request for its caller. A request that must not run is refused; [`finish`] gives it the answer
/// of the first request.
pub(crate) async fn begin(app: &App, trace: &Trace, access: &Access) -> Result<(), ApiError> {
    let Some(request) = trace.repeatable() else {
        return Ok(());
    };
    let arguments = json!({
        "tenant_id": access.tenant.id, "actor_id": access.user_id, "route": request.route, "key": request.key,
        "request_hash": request.request_hash, "claim": request.claim,
    });
    match app.supabase().as_service().rpc("begin_repeatable_request", &arguments).await? {
        State::Begun => {
            request.holds.store(true, Ordering::Relaxed);
            Ok(())
        }
        State::Answered { status, answer, claim } => {
            let status = StatusCode::from_u16(status).ok();
            match status.zip(open(app, claim, &answer)) {
                Some((status, body)) => {
                    request.known.get_or_init(|| KnownAnswer { status, body });
                    Err(unfinished())
                }
                None => Err(unfinished()),
            }
        }
        State::Running => Err(ApiError::new(
            StatusCode::CONFLICT,
            "request_running",
            Text::new(
                "The first request with this Idempotency-Key has not been answered yet. Please repeat it in a moment.",
                "Permintaan pertama dengan Idempotency-Key ini belum selesai dijawab. Silakan ulangi sebentar lagi.",
            ),
        )
        .retry_after(2)),
        State::Unfinished => Err(unfinished()),
        State::Different => Err(wrong_key(Text::new(
            "was used for another request",
            "sudah dipakai untuk permintaan lain",
        ))),
    }
}

fn unfinished() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "request_unfinished",
        Text::new(
            "The first request with this Idempotency-Key changed something and was then interrupted. Look at the result before you use a new key.",
            "Permintaan pertama dengan Idempotency-Key ini sudah mengubah sesuatu lalu terputus. Periksa hasilnya sebelum memakai kunci baru.",
        ),
    )
}

/// Keeps the answer of a request with a key, or gives the one that was kept.
pub(crate) async fn finish(app: &App, trace: &Trace, response: Response) -> Response {
    let Some(request) = trace.repeatable() else {
        return response;
    };
    if let Some(known) = request.known.get() {
        return replayed(known);
    }
    if !request.holds.swap(false, Ordering::Relaxed) {
        return response;
    }
    let (status, body, response) = match response.extensions().get::<ApiError>() {
        Some(error) => {
            let rendered = error.rendered(Language::of_request());
            let body = to_bytes(rendered.into_body(), usize::MAX)
                .await
                .unwrap_or_default();
            (error.status(), body, response)
        }
        None => {
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let status = parts.status;
            (
                status,
                body.clone(),
                Response::from_parts(parts, Body::from(body)),
            )
        }
    };
    let answer = seal(app, request.claim, &body);
    let arguments = json!({ "claim": request.claim, "status": status.as_u16(), "answer": answer });
    let kept = app
        .supabase()
        .as_service()
        .rpc::<()>("finish_repeatable_request", &arguments)
        .await;
    if let Err(error) = kept {
        log::error!(
            "{}: the answer was not kept: {}",
            trace.request_id(),
            error.source_text()
        );
    }
    response
}

fn replayed(known: &KnownAnswer) -> Response {
    let mut response = Response::new(Body::from(known.body.clone()));
    *response.status_mut() = known.status;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if !known.body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// Seals an answer for one claim. An answer can hold a secret that is shown once, and personal data.
fn seal(app: &App, claim: Uuid, body: &[u8]) -> Option<String> {
    let mut bytes = body.to_vec();
    let nonce = cipher(app)?
        .seal_in_place_append_tag(Aad::from(claim.as_bytes()), &mut bytes)
        .ok()?;
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut bytes);
    Some(STANDARD.encode(sealed))
}

fn open(app: &App, claim: Uuid, answer: &str) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(answer).ok()?;
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let body = cipher(app)?
        .open_in_place(nonce, Aad::from(claim.as_bytes()), sealed)
        .ok()?;
    Some(body.to_vec())
}

/// The key comes from the service key, which every function has. Answers are kept for a day, so a new service key
/// costs little.
fn cipher(app: &App) -> Option<RandomizedNonceKey> {
    let secret = app.config().supabase.service_role_key.as_bytes();
    let key = digest(&SHA256, &[b"answers of repeatable requests ", secret].concat());
    RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()
}

//! One request on its way to a function and back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::bodies::{Connection, REQUEST_LIMIT, RequestBody, ResponseBody, read_away};
use super::function::Function;
use super::process::{Launcher, StartFailure};
use crate::console;
use crate::error_body::ErrorBody;

const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How long a broken connection may take to show as the end of its process.
const NOTICE: Duration = Duration::from_secs(2);

/// Ids of requests, unlike each other as long as the gateway runs.
static REQUEST_IDS: AtomicU64 = AtomicU64::new(1);

enum Failure {
    Start(StartFailure),
    TooLong,
    Crashed,
    BadQuery,
}

/// Sends a request to a function; every failure becomes an answer in the one error format.
pub(crate) async fn forward(
    function: &Function,
    launcher: &Arc<Launcher>,
    request: Request<Incoming>,
    query: Option<String>,
    peer: SocketAddr,
) -> Response {
    function.count_request();
    let deadline = Instant::now() + function.max_duration;
    match tokio::time::timeout_at(
        deadline,
        attempt(function, launcher, request, query, peer, deadline),
    )
    .await
    {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => answer_to(function, &failure),
        Err(_) => {
            let seconds = function.max_duration.as_secs();
            console::line(
                "gateway",
                format_args!("{} took more than {seconds} s", function.bin),
            );
            let message = format!("the function did not answer within {seconds} seconds");
            ErrorBody::new(StatusCode::GATEWAY_TIMEOUT, "function_timeout", message).into_response()
        }
    }
}

fn answer_to(function: &Function, failure: &Failure) -> Response {
    let error = match failure {
        Failure::Start(reason) => {
            let message = format!("the function {} failed to start: {reason}", function.bin);
            ErrorBody::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "function_failed_to_start",
                message,
            )
        }
        Failure::TooLong => ErrorBody::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("a request's body has at most {REQUEST_LIMIT} bytes"),
        ),
        Failure::Crashed => {
            let message = format!(
                "the function {} ended while it worked on this request",
                function.bin
            );
            ErrorBody::new(StatusCode::INTERNAL_SERVER_ERROR, "function_crashed", message)
        }
        Failure::BadQuery => ErrorBody::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the address cannot be passed on",
        ),
    };
    error.into_response()
}

async fn attempt(
    function: &Function,
    launcher: &Arc<Launcher>,
    request: Request<Incoming>,
    query: Option<String>,
    peer: SocketAddr,
    deadline: Instant,
) -> Result<Response, Failure> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > REQUEST_LIMIT)
    {
        read_away(request.into_body()).await;
        return Err(Failure::TooLong);
    }
    let request_id = REQUEST_IDS.fetch_add(1, Ordering::Relaxed);
    let (mut request, too_long) = prepare(request, query, peer, request_id)?;
    let mut retried = false;
    loop {
        let process = function.program.process(launcher).await.map_err(Failure::Start)?;
        let unsent = match process.pool.take().await {
            Err(_) => request,
            Ok(mut sender) => {
                let open = process.begin(request_id);
                match sender.try_send_request(request).await {
                    Ok(response) => {
                        let connection = Connection {
                            sender,
                            pool: process.pool.clone(),
                            open,
                        };
                        let body = |inner| Body::new(ResponseBody::new(inner, deadline, connection));
                        return Ok(strip(response.map(body)));
                    }
                    Err(mut error) => match error.take_message() {
                        Some(unsent) => unsent,
                        None => {
                            process.exits_within(NOTICE).await;
                            return Err(broken(&too_long));
                        }
                    },
                }
            }
        };
        // Nothing was sent: the process was already gone or replaced, and a new one may have it.
        if retried || !(process.is_leaving() || process.exits_within(NOTICE).await) {
            return Err(broken(&too_long));
        }
        retried = true;
        request = unsent;
    }
}

fn broken(too_long: &AtomicBool) -> Failure {
    if too_long.load(Ordering::Acquire) {
        Failure::TooLong
    } else {
        Failure::Crashed
    }
}

/// The request as a function sees it: its original path, its query with the parameters, Vercel's headers.
fn prepare(
    request: Request<Incoming>,
    query: Option<String>,
    peer: SocketAddr,
    request_id: u64,
) -> Result<(Request<RequestBody>, Arc<AtomicBool>), Failure> {
    let (mut parts, body) = request.into_parts();
    let mut address = parts.uri.path().to_owned();
    if let Some(query) = query {
        address.push('?');
        address.push_str(&query);
    }
    let address: PathAndQuery = address.parse().map_err(|_| Failure::BadQuery)?;
    parts.uri = Uri::from(address);
    parts.version = http::Version::HTTP_11;
    set_headers(&mut parts.headers, peer, request_id);
    let (body, too_long) = RequestBody::new(body);
    Ok((Request::from_parts(parts, body), too_long))
}

fn set_headers(headers: &mut HeaderMap, peer: SocketAddr, request_id: u64) {
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-vercel-internal-") || HOP_BY_HOP.contains(name))
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
    let host = headers
        .get(header::HOST)
        .cloned()
        .unwrap_or(HeaderValue::from_static("localhost"));
    let invocation = uuid::Uuid::new_v4();
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let id = format!(
        "local1::{}-{time}-{request_id}",
        &invocation.simple().to_string()[..5]
    );
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-forwarded-for", peer.ip().to_string());
    set("x-real-ip", peer.ip().to_string());
    set("x-forwarded-proto", "http".to_owned());
    set("x-vercel-id", id);
    set("x-vercel-internal-invocation-id", invocation.to_string());
    set("x-vercel-internal-request-id", request_id.to_string());
    headers.insert(HeaderName::from_static("x-forwarded-host"), host);
}

fn strip(mut response: Response) -> Response {
    for name in HOP_BY_HOP {
        response.headers_mut().remove(name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_from_outside_cannot_pretend_to_be_vercels() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "shop.test"),
            ("x-vercel-internal-request-id", "1"),
            ("x-vercel-internal-anything", "x"),
            ("x-forwarded-for", "9.9.9.9"),
            ("transfer-encoding", "chunked"),
            ("authorization", "Bearer t"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        set_headers(&mut headers, "127.0.0.1:5".parse().unwrap(), 42);
        assert_eq!(headers["x-vercel-internal-request-id"], "42");
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(headers["x-forwarded-host"], "shop.test");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["authorization"], "Bearer t");
        assert!(
            !headers.contains_key("x-vercel-internal-anything") && !headers.contains_key("transfer-encoding")
        );
    }
}

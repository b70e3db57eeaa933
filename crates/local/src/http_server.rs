//! Listeners on this machine only, and the loop that serves them.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The reason why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program uses it.
    #[error("port {port} ({part}) is already in use: stop the program that uses it, or choose other ports")]
    Busy {
        /// The port.
        port: u16,
        /// The part that was to listen there.
        part: &'static str,
    },
    /// Any other reason.
    #[error("port {port} ({part}) cannot be opened: {source}")]
    Other {
        /// The port.
        port: u16,
        /// The part that was to listen there.
        part: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Listens on 127.0.0.1. Port 0 takes a free port.
pub async fn bind(port: u16, part: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => BindError::Busy { port, part },
            _ => BindError::Other { port, part, source },
        })
}

/// Closes the connection instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub struct Hangup;

/// Marks a response that must never reach the caller; see [`Hangup`].
#[derive(Debug, Clone, Copy)]
pub struct HangUpInstead;

/// Serves until `stop`, then gives running requests at most `grace` to finish.
pub async fn serve<H, F>(listener: TcpListener, stop: CancellationToken, grace: Duration, handler: H)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, Hangup>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // There are no file descriptors left: wait until some are free.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let service = service_fn(move |request| handler(request, peer));
        let connection =
            graceful.watch(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A broken connection is the caller's concern.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(grace, graceful.shutdown()).await;
}

/// Serves an axum router, closing the connection where a response says [`HangUpInstead`].
pub async fn serve_router(
    listener: TcpListener,
    stop: CancellationToken,
    grace: Duration,
    router: axum::Router,
) {
    serve(listener, stop, grace, move |request: Request<Incoming>, _peer| {
        let router = router.clone();
        async move {
            let response = match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<HangUpInstead>().is_some() {
                return Err(Hangup);
            }
            Ok(response)
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_is_named() {
        let first = bind(0, "Meta simulator").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let refusal = bind(port, "Meta simulator").await.unwrap_err().to_string();
        assert!(
            refusal.contains(&port.to_string()) && refusal.contains("Meta simulator"),
            "{refusal}"
        );
    }
}

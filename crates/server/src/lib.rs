//! Serves all routers of the product in one process, for `npm start` or a container.
//!
//! `crates/function` serves one router as a Vercel function. This crate serves all of them over plain HTTP, with the
//! same configuration and the same log. Like a function, it finishes work that continues after an answer before the
//! process ends.

use std::future::Future;

use axum::serve::ListenerExt;
use axum::{Extension, Router};
use crm_core::Background;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// Serves `router` until `stop`. Then it answers the running requests and finishes the work after their answers.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let left_behind = TaskTracker::new();
    let tracker = left_behind.clone();
    let background = Background::new(move |work| {
        tracker.spawn(work);
    });
    // Without it, an answer in several packets waits 40 ms for the client's delayed acknowledgement.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            log::warn!("TCP_NODELAY was not set: {error}");
        }
    });
    axum::serve(listener, router.layer(Extension(background)))
        .with_graceful_shutdown(stop)
        .await?;
    left_behind.close();
    left_behind.wait().await;
    Ok(())
}

//! All routers of the product in one process: the server of `npm start`, or of a container.
//!
//! `crates/function` serves one router as a Vercel function. This crate serves them all over plain HTTP, with the same
//! configuration, the same log, and the same promise: work that a request leaves behind is finished before the process
//! ends.

use std::future::Future;

use axum::serve::ListenerExt;
use axum::{Extension, Router};
use crm_core::Background;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// Serves `router` until `stop`. Requests under way are then answered, and the work they left behind is finished.
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
    // An answer in several packets would otherwise wait 40 ms for the client's delayed acknowledgement.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            log::warn!("a connection sends its answers late: {error}");
        }
    });
    axum::serve(listener, router.layer(Extension(background)))
        .with_graceful_shutdown(stop)
        .await?;
    left_behind.close();
    left_behind.wait().await;
    Ok(())
}

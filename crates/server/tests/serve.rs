//! Tests the server as a process manager sees it: it answers, and it ends without losing work.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use crm_core::Background;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

struct Served {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(crm_server::serve(listener, router, async {
        let _ = stopped.await;
    }));
    Served {
        address,
        stop,
        serving,
    }
}

/// Sends a request on a connection that stays open.
async fn ask(address: std::net::SocketAddr) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    connection
}

async fn answer(connection: &mut TcpStream) -> String {
    let mut bytes = [0; 4096];
    let length = connection.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

async fn in_time<T>(wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wanted)
        .await
        .unwrap()
}

#[tokio::test]
async fn work_after_an_answer_is_finished_before_the_server_ends() {
    let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waits, finished) = (go.clone(), done.clone());
    let router = Router::new().route(
        "/",
        get(move |background: Background| async move {
            background.run(async move {
                waits.notified().await;
                finished.notify_one();
            });
            "answered"
        }),
    );
    let served = serve(router).await;
    let mut idle = ask(served.address).await;
    assert!(in_time(answer(&mut idle)).await.ends_with("answered"));

    served.stop.send(()).unwrap();
    // An idle open connection does not delay the end; the work does.
    assert_eq!(in_time(answer(&mut idle)).await, "");
    assert!(!served.serving.is_finished());
    go.notify_one();
    in_time(done.notified()).await;
    in_time(served.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_running_request_is_answered_before_the_server_ends() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrives, waits) = (arrived.clone(), go.clone());
    let router = Router::new().route(
        "/",
        get(move || async move {
            arrives.notify_one();
            waits.notified().await;
            "late"
        }),
    );
    let served = serve(router).await;
    let mut connection = ask(served.address).await;
    in_time(arrived.notified()).await;
    served.stop.send(()).unwrap();
    go.notify_one();
    assert!(in_time(answer(&mut connection)).await.ends_with("late"));
    in_time(served.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn work_that_panics_stops_nothing_else() {
    let router = Router::new().route(
        "/",
        get(|background: Background| async move {
            background.run(async { panic!("the work fails") });
            "answered"
        }),
    );
    let served = serve(router).await;
    for _ in 0..2 {
        let mut connection = ask(served.address).await;
        assert!(in_time(answer(&mut connection)).await.ends_with("answered"));
    }
    served.stop.send(()).unwrap();
    in_time(served.serving).await.unwrap().unwrap();
}

//! Connections to one function process.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::bodies::RequestBody;

/// Connections that wait for their next request.
#[derive(Debug)]
pub(crate) struct Pool {
    port: u16,
    idle: Mutex<Vec<SendRequest<RequestBody>>>,
}

impl Pool {
    pub(crate) fn new(port: u16) -> Arc<Self> {
        Arc::new(Self {
            port,
            idle: Mutex::default(),
        })
    }

    /// A connection that can take a request.
    pub(crate) async fn take(&self) -> Result<SendRequest<RequestBody>, ConnectError> {
        loop {
            let Some(sender) = self.idle.lock().pop() else {
                break;
            };
            if sender.is_ready() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its end shows where the connection is used.
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// Keeps a connection whose response was read to the end.
    pub(crate) fn give_back(self: &Arc<Self>, mut sender: SendRequest<RequestBody>) {
        if sender.is_ready() {
            self.idle.lock().push(sender);
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let pool = self.clone();
        runtime.spawn(async move {
            if sender.ready().await.is_ok() {
                pool.idle.lock().push(sender);
            }
        });
    }
}

/// The process cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

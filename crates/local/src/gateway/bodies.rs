//! Bodies on their way through the gateway, in either direction: passed on as they come, never held whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, Sleep};

use super::pool::Pool;
use super::process::OpenRequest;

/// What Vercel takes as the body of a request.
pub(crate) const REQUEST_LIMIT: u64 = 4_718_592;
/// How much of a refused body is still read, in bytes.
const READ_AWAY: u64 = 256 * 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads and drops a refused body, because most clients read an answer only after they have sent everything.
pub(crate) async fn read_away(mut body: Incoming) {
    let mut remaining = READ_AWAY;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        match remaining.checked_sub(length) {
            Some(rest) => remaining = rest,
            None => return,
        }
    }
}

/// A request's body that breaks off where it grows too long.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Incoming,
    remaining: u64,
    too_long: Arc<AtomicBool>,
}

impl RequestBody {
    /// The body, and a flag that is set once it was too long.
    pub(crate) fn new(inner: Incoming) -> (Self, Arc<AtomicBool>) {
        let too_long = Arc::new(AtomicBool::new(false));
        (
            Self {
                inner,
                remaining: REQUEST_LIMIT,
                too_long: too_long.clone(),
            },
            too_long,
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.remaining.checked_sub(data.len() as u64) {
                Some(remaining) => self.remaining = remaining,
                None => {
                    self.too_long.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err("the body is too long".into())));
                }
            }
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body that ends with its time, and gives its connection back when it was read to the end.
pub(crate) struct ResponseBody {
    inner: Incoming,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
    connection: Option<Connection>,
}

/// What a response holds on to until it was read.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) open: OpenRequest,
}

impl ResponseBody {
    pub(crate) fn new(inner: Incoming, deadline: Instant, connection: Connection) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        Self {
            inner,
            deadline,
            ended: false,
            connection: Some(connection),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.ended = true,
            Poll::Pending if self.deadline.as_mut().poll(context).is_ready() => {
                return Poll::Ready(Some(Err("the function took too long".into())));
            }
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let read_to_the_end = self.ended || self.inner.is_end_stream();
        if let Some(connection) = self.connection.take()
            && read_to_the_end
        {
            connection.open.answered();
            connection.pool.give_back(connection.sender);
        }
    }
}

//! A stream that counts and hashes its bytes, and ends when there are too many.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// The count and the hash of a stream.
#[derive(Clone)]
pub(super) struct Meter {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    count: u64,
    hash: Context,
    exceeded: bool,
}

/// More bytes than allowed, or a source that was cut off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    #[error("the file is larger than it may be")]
    TooLarge,
    #[error("the file broke off")]
    BrokenOff,
}

/// The same stream, with at most `limit` bytes.
pub(super) fn metered<E: Send + 'static>(
    bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    limit: u64,
) -> (
    impl Stream<Item = Result<Bytes, Interrupted>> + Send + 'static,
    Meter,
) {
    let meter = Meter {
        inner: Arc::new(Mutex::new(Inner {
            count: 0,
            hash: Context::new(&SHA256),
            exceeded: false,
        })),
    };
    let watching = meter.clone();
    let stream = bytes.map(move |chunk| watching.pass(chunk.map_err(|_| Interrupted::BrokenOff)?, limit));
    (stream, meter)
}

impl Meter {
    fn pass(&self, chunk: Bytes, limit: u64) -> Result<Bytes, Interrupted> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.count += chunk.len() as u64;
        if inner.count > limit {
            inner.exceeded = true;
            return Err(Interrupted::TooLarge);
        }
        inner.hash.update(&chunk);
        Ok(chunk)
    }

    pub(super) fn count(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    pub(super) fn exceeded(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).exceeded
    }

    /// SHA-256 of the stream so far.
    pub(super) fn hash(&self) -> [u8; 32] {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hash = [0; 32];
        hash.copy_from_slice(inner.hash.clone().finish().as_ref());
        hash
    }
}

/// A hash in lowercase hex.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{TryStreamExt, stream};

    use super::*;

    async fn through(
        chunks: &'static [&'static [u8]],
        limit: u64,
    ) -> (Result<Vec<Bytes>, Interrupted>, Meter) {
        let source = stream::iter(
            chunks
                .iter()
                .map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk))),
        );
        let (stream, meter) = metered(source, limit);
        (stream.try_collect().await, meter)
    }

    #[tokio::test]
    async fn bytes_are_counted_and_hashed() {
        let (passed, meter) = through(&[b"ab", b"c"], 3).await;
        assert_eq!(passed.unwrap().concat(), b"abc");
        assert_eq!((meter.count(), meter.exceeded()), (3, false));
        assert_eq!(
            hex(&meter.hash()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[tokio::test]
    async fn a_stream_beyond_the_limit_is_cut_off() {
        let (passed, meter) = through(&[b"ab", b"c"], 2).await;
        assert!(matches!(passed, Err(Interrupted::TooLarge)));
        assert!(meter.exceeded());
    }
}

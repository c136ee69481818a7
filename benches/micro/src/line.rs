//! A client's end of a websocket in memory: what it sends is read, what is written to it is counted.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A text frame as clients send it.
pub(crate) fn masked(text: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    assert!(text.len() < 126, "a short header");
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend(MASK);
    frame.extend(text.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[derive(Debug, Default)]
struct State {
    input: Vec<u8>,
    reader: Option<Waker>,
    is_closed: bool,
    received: usize,
    /// What came, as long as it is kept.
    kept: Option<Vec<u8>>,
}

/// See the module's documentation. Clones are the same line: one is the server's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Mutex<State>>);

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends bytes to the server.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.input.extend_from_slice(bytes);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Goes away.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// How many bytes came from the server.
    pub(crate) fn received(&self) -> usize {
        self.lock().received
    }

    /// Keeps what comes from now on.
    pub(crate) fn keep(&self) {
        self.lock().kept = Some(Vec::new());
    }

    /// Whether what was kept ends so; then no more is kept.
    pub(crate) fn ends_with(&self, end: &[u8]) -> bool {
        let mut state = self.lock();
        let ends = state.kept.as_ref().is_some_and(|kept| kept.ends_with(end));
        if ends {
            state.kept = None;
        }
        ends
    }

    /// Waits until so many bytes came in all.
    pub(crate) async fn receives(&self, bytes: usize) {
        while self.received() < bytes {
            tokio::task::yield_now().await;
        }
    }

    /// Whether the server has let go of its end.
    pub(crate) fn is_dropped(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.input.is_empty() {
            if state.is_closed {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(&state.input);
        state.input.clear();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        state.received += bytes.len();
        if let Some(kept) = &mut state.kept {
            kept.extend_from_slice(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! A client's websocket at the edge: what comes on it goes to the owner, and the other way round.
//!
//! Served by the embedded transport's task or by `edge_native`; whole messages travel, judged by the limits here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::relay::{Event, Part, Violation};

use super::stream::{Broken, Handle, Stream};
use crate::config::EngineConfig;
use crate::engine::connection::OwnedEvent;
use crate::engine::frame::{FrameError, FrameLimits, OpCode, write_frame};
use crate::engine::link::WebsocketEnd;

/// See the module's documentation. Cheap to clone; the websocket is over when the last one is dropped.
#[derive(Clone)]
pub(super) struct EdgeSocket(Arc<Inner>);

struct Inner {
    stream: Handle,
    limits: FrameLimits,
    /// The close frame of a node that stops has been sent.
    said_goodbye: AtomicBool,
    watch: tokio::task::JoinHandle<()>,
}

impl EdgeSocket {
    /// On the thread that serves the websocket.
    pub(super) fn new(stream: Handle, config: &EngineConfig) -> Self {
        let limit = config.ping_interval + config.ping_timeout;
        let watch = actix_rt::spawn(watch(stream.stream().clone(), limit));
        let limits =
            FrameLimits { max_message: config.max_http_buffer_size, max_fragments: config.max_fragments };
        Self(Arc::new(Inner { stream, limits, said_goodbye: AtomicBool::new(false), watch }))
    }

    /// Ready when the session has said its last, or cannot say anything any more.
    pub(super) fn poll_over(&self, context: &Context<'_>) -> Poll<()> {
        self.0.stream.poll_over(context)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Ends the stream when the owner says nothing for too long.
async fn watch(stream: Arc<Stream>, limit: Duration) {
    loop {
        let heard = stream.heard();
        if heard.elapsed() >= limit {
            tracing::debug!(node = %stream.node, "nothing is heard of the owner of a relayed websocket");
            return stream.fail(Broken::Silent);
        }
        tokio::time::sleep_until((heard + limit).into()).await;
    }
}

impl WebsocketEnd for EdgeSocket {
    fn limits(&self) -> FrameLimits {
        self.0.limits
    }

    fn poll_read_ready(&self, context: &Context<'_>) -> Poll<()> {
        self.0.stream.poll_credit(context)
    }

    fn receive(&self, event: OwnedEvent) {
        if self.0.stream.is_broken() {
            // Not the client went: dropping the stream says what happened.
            return;
        }
        // After the first that says that it is gone nothing else is sent.
        self.0.stream.send(Part::Event(match event {
            OwnedEvent::Text(bytes) => Event::Text(bytes),
            OwnedEvent::Binary(bytes) => Event::Binary(bytes),
            OwnedEvent::Ping(bytes) => Event::Ping(bytes),
            OwnedEvent::Pong => Event::Pong,
            OwnedEvent::Close(code) => Event::Close(code),
            OwnedEvent::Gone(error) => Event::Gone(error.map(violation)),
        }));
    }

    fn poll_write(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            return match self.0.stream.poll_receive(context) {
                Poll::Ready(Ok(Part::Frames(frames))) if frames.is_empty() => continue,
                Poll::Ready(Ok(Part::Frames(frames))) => Poll::Ready(Some(frames)),
                Poll::Ready(Ok(Part::Ended)) => Poll::Ready(None),
                Poll::Ready(Ok(_)) => {
                    self.0.stream.stream().fail(Broken::Lost);
                    Poll::Ready(None)
                }
                Poll::Ready(Err(Broken::Closing)) if !self.0.said_goodbye.swap(true, Ordering::Relaxed) => {
                    let mut frame = Vec::with_capacity(4);
                    write_frame(&mut frame, OpCode::Close, &1001_u16.to_be_bytes());
                    Poll::Ready(Some(frame.into()))
                }
                Poll::Ready(Err(_)) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

fn violation(error: FrameError) -> Violation {
    match error {
        FrameError::Protocol => Violation::Protocol,
        FrameError::TooBig => Violation::TooBig,
        FrameError::TooManyFragments => Violation::TooManyFragments,
        FrameError::Utf8 => Violation::Utf8,
    }
}

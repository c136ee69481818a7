//! A taken-over socket whose session another node has: frames in, frames out, on the thread that accepted it.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::time::Sleep;

use super::edge_socket::EdgeSocket;
use crate::engine::connection::OwnedEvent;
use crate::engine::frame::{FrameError, FrameReader, WsEvent};
use crate::engine::link::WebsocketEnd as _;
use crate::engine::native::{LINGER, NativeStream, Taken, with_read_buffer};

/// Reads and writes in a row before other tasks of the thread get their turn.
const MAX_ROUNDS: usize = 8;

/// Serves a websocket until it ends.
pub(super) fn start(taken: Taken, socket: EdgeSocket) {
    let Some(Taken { stream, read, head }) = taken.adopt() else { return };
    let frames = FrameReader::default();
    let mut pump =
        Pump { stream, socket, frames, read, has_rest: false, write: head, is_deaf: false, end: None };
    actix_rt::spawn(async move {
        let is_polite = std::future::poll_fn(|context| pump.poll(context)).await;
        let Pump { stream, socket, end, .. } = pump;
        // Tells the owner, before the socket lingers.
        drop(socket);
        if is_polite {
            // None: the last words and the end came at once.
            let end = end.unwrap_or_else(|| Box::pin(tokio::time::sleep(LINGER)));
            tokio::select! {
                () = linger(stream) => {}
                () = end => {}
            }
        }
    });
}

/// Says goodbye and waits for the client's end, so that no reset overtakes the last bytes.
async fn linger(mut stream: NativeStream) {
    if std::future::poll_fn(|context| stream.poll_shutdown(context)).await.is_ok() {
        let mut rest = [0; 1024];
        while let Ok(1..) = std::future::poll_fn(|context| stream.poll_read(context, &mut rest)).await {}
    }
}

struct Pump {
    stream: NativeStream,
    socket: EdgeSocket,
    frames: FrameReader,
    /// Bytes that came with the handshake.
    read: Bytes,
    /// Whole frames may be left in `frames`.
    has_rest: bool,
    /// Being written.
    write: Bytes,
    /// Nothing more is read: the client is gone, it broke the protocol, or the session is over.
    is_deaf: bool,
    /// The session is over: how long the client may take for what is left.
    end: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    /// Ready when the websocket is over: true if the client may still get what was written.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        // Also while the client takes nothing: the session may end.
        if self.socket.poll_over(context).is_ready() {
            self.is_deaf = true;
            let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            if end.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
        }
        for _ in 0..MAX_ROUNDS {
            let write = self.poll_write(context);
            if let Poll::Ready(Some(is_polite)) = write {
                return Poll::Ready(is_polite);
            }
            let read = self.poll_read(context);
            if write.is_pending() && read.is_pending() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// One write. Ready with a value at the end.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Option<bool>> {
        if self.write.is_empty() {
            match self.socket.poll_write(context) {
                Poll::Ready(Some(frames)) => self.write = frames,
                Poll::Ready(None) => {
                    return match ready!(self.stream.poll_flush(context)) {
                        Ok(()) => Poll::Ready(Some(true)),
                        Err(_) => Poll::Ready(Some(false)),
                    };
                }
                Poll::Pending => {
                    let _ = ready!(self.stream.poll_flush(context));
                    return Poll::Pending;
                }
            }
        }
        match ready!(self.stream.poll_write(context, &self.write)) {
            Ok(written @ 1..) => {
                self.write.advance(written);
                Poll::Ready(None)
            }
            _ => Poll::Ready(Some(false)),
        }
    }

    /// One read.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_deaf {
            return Poll::Pending;
        }
        ready!(self.socket.poll_read_ready(context));
        if !self.read.is_empty() || self.has_rest {
            let mut first = std::mem::take(&mut self.read).to_vec();
            self.feed(&mut first, context);
            return Poll::Ready(());
        }
        with_read_buffer(|buffer| {
            match ready!(self.stream.poll_read(context, buffer)) {
                Ok(read @ 1..) => self.feed(&mut buffer[..read], context),
                _ => self.end(None),
            }
            Poll::Ready(())
        })
    }

    fn feed(&mut self, input: &mut [u8], context: &Context<'_>) {
        let socket = &self.socket;
        let mut is_interrupted = false;
        let result = self.frames.feed(input, &socket.limits(), |event| {
            socket.receive(owned(event));
            is_interrupted = socket.poll_read_ready(context).is_pending();
            if is_interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.has_rest = is_interrupted && self.frames.buffered() > 0;
        if let Err(error) = result {
            self.end(Some(error));
        }
    }

    /// The owner decides what becomes of it; its last frames are still written.
    fn end(&mut self, error: Option<FrameError>) {
        self.is_deaf = true;
        self.socket.receive(OwnedEvent::Gone(error));
    }
}

fn owned(event: WsEvent<'_>) -> OwnedEvent {
    let copied = Bytes::copy_from_slice;
    match event {
        WsEvent::Text(text) => OwnedEvent::Text(copied(text.as_bytes())),
        WsEvent::Binary(bytes) => OwnedEvent::Binary(copied(bytes)),
        WsEvent::Ping(bytes) => OwnedEvent::Ping(copied(bytes)),
        WsEvent::Pong => OwnedEvent::Pong,
        WsEvent::Close(code) => OwnedEvent::Close(code),
    }
}

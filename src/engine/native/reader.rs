//! Reads a native socket inside the connection's actor.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use actix::prelude::*;
use bytes::Bytes;

use super::super::connection::Connection;
use super::super::departures;
use super::super::frame::{FrameLimits, FrameReader, WsEvent};
use super::{NativeSocket, with_read_buffer};

/// Reads in a row before other connections of the thread get their turn.
const MAX_READS: usize = 8;

/// See the module's documentation.
pub(in crate::engine) struct Reader {
    socket: Rc<NativeSocket>,
    frames: FrameReader,
    /// Bytes that came with the handshake: rarely any.
    first: Option<Box<Bytes>>,
    /// The actor was paused with whole frames left in `frames`.
    has_rest: bool,
    /// The socket is dead, and its end has waited for its turn.
    is_called: bool,
}

impl Reader {
    pub(in crate::engine) fn new(socket: Rc<NativeSocket>, first: Bytes) -> Self {
        let first = (!first.is_empty()).then(|| Box::new(first));
        Self { socket, frames: FrameReader::default(), first, has_rest: false, is_called: false }
    }

    /// Remembers the actor's task. No `ctx.address()` here or below: dropping an actor's only address wakes it.
    fn remember(&self, waker: &Waker) {
        let mut task = self.socket.task.borrow_mut();
        if task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            return;
        }
        *task = Some(waker.clone());
        if self.socket.is_attached.get() {
            self.socket.shared.outbox.set_owner(waker);
        }
    }

    /// Hands `input` to the connection; false when that was the end.
    fn feed(&mut self, input: &mut [u8], connection: &mut Connection, ctx: &mut Context<Connection>) -> bool {
        let config = &self.socket.shared.engine.config;
        let limits =
            FrameLimits { max_message: config.max_http_buffer_size, max_fragments: config.max_fragments };
        let socket = &self.socket;
        let (read, mut packets) = (input.len(), 0);
        let result = self.frames.feed(input, &limits, |event| {
            packets += usize::from(matches!(event, WsEvent::Text(_) | WsEvent::Binary(_)));
            socket.is_heard_out.set(matches!(event, WsEvent::Close(_)));
            connection.on_native_event(socket, event, ctx)
        });
        socket.shared.engine.counters.here().websocket.received(packets, read);
        if let Err(error) = result {
            connection.native_gone(&self.socket, Some(error), ctx);
            return false;
        }
        self.has_rest = connection.is_paused() && self.frames.buffered() > 0;
        connection.knows(&self.socket)
    }

    /// The socket is dead: the connection is told when its turn has come.
    fn gone(
        &mut self,
        connection: &mut Connection,
        ctx: &mut Context<Connection>,
        task: &TaskContext<'_>,
    ) -> Poll<()> {
        if !std::mem::replace(&mut self.is_called, true) && !departures::may_end(task.waker()) {
            return Poll::Pending;
        }
        connection.native_gone(&self.socket, None, ctx);
        Poll::Ready(())
    }
}

impl ActorFuture<Connection> for Reader {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        connection: &mut Connection,
        ctx: &mut Context<Connection>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = &mut *self;
        this.remember(task.waker());
        if !connection.knows(&this.socket) {
            return Poll::Ready(());
        }
        if this.socket.is_blocked.get() || this.socket.shared.outbox.take_flush_due() {
            let is_blocked = this.socket.write(task).is_pending();
            if is_blocked && this.socket.is_attached.get() && !this.socket.is_watched.replace(true) {
                connection.watch_age(ctx);
            }
        }
        if this.socket.is_dead.get() {
            return this.gone(connection, ctx, task);
        }
        for _ in 0..MAX_READS {
            if connection.is_paused() {
                return Poll::Pending;
            }
            if this.first.is_some() || this.has_rest {
                let mut first = this.first.take().map_or_else(Vec::new, |first| first.to_vec());
                if !this.feed(&mut first, connection, ctx) {
                    return Poll::Ready(());
                }
                continue;
            }
            let goes_on = with_read_buffer(|buffer| {
                let poll = this.socket.stream.borrow_mut().poll_read(task, buffer);
                match poll {
                    Poll::Ready(Ok(read @ 1..)) => Some(this.feed(&mut buffer[..read], connection, ctx)),
                    Poll::Ready(_) => {
                        this.socket.is_dead.set(true);
                        Some(true)
                    }
                    Poll::Pending => None,
                }
            });
            match goes_on {
                Some(true) if this.socket.is_dead.get() => return this.gone(connection, ctx, task),
                Some(true) => {}
                Some(false) => return Poll::Ready(()),
                None => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

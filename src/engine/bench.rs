//! For the benches of this repository only (feature `bench-internals`): what they measure one by one and nobody else can reach.
//!
//! No public API: hidden, and changed without notice.

use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpRequest;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, FirstLink};
use super::handshake::begin;
use super::message::Message;
use super::native::{NativeStream, Taken};
use super::out::{Item, Out};
use super::packet::Revision;
use super::queue::Queue;
use super::turn::Slot;
use super::{ConnectionError, Engine, TransportKind};

/// Opens a session on a stream as if it had been taken over after `request`'s handshake.
pub async fn connect(
    engine: &Engine,
    request: &HttpRequest,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ConnectionError> {
    let engine = &engine.0;
    let shared = begin(engine, request, TransportKind::Websocket, Revision::V4).await?;
    engine.connections.insert(shared.clone());
    let open = engine.open.clone();
    let stream = NativeStream::Other(Box::new(stream));
    let first = FirstLink::Native(Taken { stream, read: Bytes::new(), head: Bytes::new() });
    Connection::start(&shared, move |handle| open(handle), Some(first));
    Ok(())
}

/// An outbox without a connection, drained as a native socket does.
#[derive(Debug)]
pub struct Outbox {
    outbox: super::outbox::Outbox,
    pending: Queue,
}

impl Outbox {
    /// An empty one of this size.
    pub fn new(bytes: usize) -> Self {
        let outbox = super::outbox::Outbox::new(bytes, Revision::V4);
        outbox.attach_native(Slot::nowhere());
        Self { outbox, pending: Queue::default() }
    }

    /// Queues a message.
    pub fn push(&self, message: &Arc<Message>, now: Instant) {
        self.outbox.push(Out::Message(message.clone()), false, now.into());
    }

    /// Takes everything and says that the kernel has it: how many bytes.
    pub fn drain(&mut self) -> usize {
        self.outbox.take_for_native(0, usize::MAX, &mut self.pending);
        let taken = std::mem::take(&mut self.pending).iter().map(Item::size).sum();
        self.outbox.credit(taken, false);
        taken
    }
}

//! What the rest of the server holds of a connection, from any thread.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix::Addr;

use super::connection::{CheckOutbox, Close, Connection, Resume};
use super::message::Message;
use super::moment::Moment;
use super::out::Out;
use super::outbox::{Outbox, Pushed};
use super::packet::{Packet, Revision};
use super::request::HandshakeRequest;
use super::turn::current_thread;
use super::{EngineInner, message};
use crate::counters::Traffic;
use crate::disconnect_reason::DisconnectReason;

/// A connection's transport at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// HTTP long-polling.
    Polling,
    /// A websocket.
    Websocket,
}

impl TransportKind {
    /// `polling` or `websocket`, as in the query of a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(super::packet::Binary<'a>),
}

/// What is waiting to be handled by the layer above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes of received messages that wait for a handler. Those being handled may be counted as long as
    /// `awaits_ack` is not set; with it, the connection is closed at twice the bound.
    pub bytes: usize,
    /// Whether a handler waits for an acknowledgement of this very client: then reading must go on.
    pub awaits_ack: bool,
}

/// The layer above a connection: one value per connection, on the connection's thread.
///
/// Methods are called by the connection's actor and must not block. A panic in one of them ends the connection.
pub trait ConnectionHandler: 'static {
    /// A message came. An error closes the connection with that reason.
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason>;

    /// The connection is over. Called once, last.
    fn on_close(&mut self, reason: DisconnectReason);

    /// What still waits for a handler. Past [`inbox_bytes`](crate::config::EngineConfig::inbox_bytes) the
    /// connection is not read until [`ConnectionHandle::resume`] is called.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// The next moment at which [`on_deadline`](Self::on_deadline) has to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// A deadline has passed. An error closes the connection with that reason.
    fn on_deadline(&mut self) -> Result<(), DisconnectReason> {
        Ok(())
    }
}

/// A connection as seen from outside its actor: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct ConnectionHandle(pub(super) Arc<Shared>);

/// What a [`ConnectionHandle`] points to.
pub(super) struct Shared {
    pub(super) sid: Arc<str>,
    pub(super) outbox: Outbox,
    pub(super) engine: Arc<EngineInner>,
    pub(super) request: HandshakeRequest,
    pub(super) addr: OnceLock<Addr<Connection>>,
    pub(super) thread: NonZeroU64,
    pub(super) is_websocket: AtomicBool,
    /// A websocket probes, or has taken over: no other may.
    pub(super) is_upgrading: AtomicBool,
    pub(super) is_closed: AtomicBool,
    pub(super) is_paused: AtomicBool,
    /// A post is being read: no other may come.
    pub(super) is_posting: AtomicBool,
    check_is_due: AtomicBool,
    /// It was found to read too slowly: said and counted once.
    is_slow: AtomicBool,
    /// Revision 3, opened without `b64`: binary payloads.
    pub(super) supports_binary: bool,
    /// When the session expires, as a [`Moment`]; 0: not while the connection is paused.
    expires_at: AtomicU64,
    /// See [`ConnectionHandle::awaited_acks`].
    awaited_acks: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        sid: Arc<str>,
        revision: Revision,
        transport: TransportKind,
        engine: &Arc<EngineInner>,
        request: HandshakeRequest,
    ) -> Self {
        Self {
            sid,
            outbox: Outbox::new(engine.config.outbox_bytes, revision),
            engine: engine.clone(),
            addr: OnceLock::new(),
            thread: current_thread(),
            is_websocket: AtomicBool::new(transport == TransportKind::Websocket),
            is_upgrading: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            is_posting: AtomicBool::new(false),
            check_is_due: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            supports_binary: revision == Revision::V3 && request.query("b64").is_none(),
            request,
            expires_at: AtomicU64::new(0),
            awaited_acks: AtomicUsize::new(0),
        }
    }

    /// What goes over its transport is counted here.
    pub(super) fn traffic(&self) -> &Traffic {
        let counters = self.engine.counters.here();
        match self.is_websocket.load(Ordering::Relaxed) {
            true => &counters.websocket,
            false => &counters.polling,
        }
    }

    /// Enough of the session id to tell two sessions apart in the logs: all of it is a secret.
    pub(super) fn short_sid(&self) -> &str {
        self.sid.get(..6).unwrap_or(&self.sid)
    }

    /// Whether the actor is there.
    pub(super) fn is_alive(&self) -> bool {
        self.addr.get().is_some_and(actix::Addr::connected)
    }

    pub(super) fn set_expiry(&self, at: Option<Moment>) {
        self.expires_at.store(at.map_or(0, Moment::nanos), Ordering::Relaxed);
    }

    /// Whether the last sign of life is too long ago, to the nanosecond: timers may be a little late.
    pub(super) fn is_expired(&self) -> bool {
        let expires_at = self.expires_at.load(Ordering::Relaxed);
        expires_at != 0 && Moment::now().nanos() >= expires_at
    }

    /// Sends the actor something; silently nothing if it is gone.
    pub(super) fn tell<M>(&self, message: M)
    where
        M: actix::Message + Send + 'static,
        M::Result: Send,
        Connection: actix::Handler<M>,
    {
        if let Some(addr) = self.addr.get() {
            addr.do_send(message);
        }
    }

    /// Queues something to send; a client that does not keep up is judged here.
    pub(super) fn push(&self, out: Out, is_volatile: bool, now: Moment) -> Pushed {
        let pushed = self.outbox.push(out, is_volatile, now);
        match pushed {
            Pushed::Over => {
                self.outbox.flush_if_here();
                if self.outbox.is_over() && !self.check_is_due.swap(true, Ordering::Relaxed) {
                    self.tell(CheckOutbox);
                }
            }
            Pushed::Overflow => self.close_slow(),
            Pushed::Queued | Pushed::Dropped | Pushed::Closed => {}
        }
        pushed
    }

    pub(super) fn checked(&self) {
        self.check_is_due.store(false, Ordering::Relaxed);
    }

    pub(super) fn close_slow(&self) {
        if !self.is_closed.load(Ordering::Relaxed) && !self.is_slow.swap(true, Ordering::Relaxed) {
            self.engine.counters.here().slow_clients.add(1);
            tracing::warn!(
                sid = self.short_sid(),
                bytes = self.outbox.bytes(),
                "closing a client that reads too slowly"
            );
            self.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        }
    }
}

impl ConnectionHandle {
    /// The session id: a bearer secret of this client, never to be shown to another.
    pub fn sid(&self) -> &str {
        &self.0.sid
    }

    /// The request that opened the session.
    pub fn request(&self) -> &HandshakeRequest {
        &self.0.request
    }

    /// The protocol revision the client speaks.
    pub fn revision(&self) -> Revision {
        self.0.outbox.revision
    }

    /// The transport in use.
    pub fn transport(&self) -> TransportKind {
        if self.0.is_websocket.load(Ordering::Relaxed) {
            TransportKind::Websocket
        } else {
            TransportKind::Polling
        }
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }

    /// Queues a message. False if it was not taken: the connection is closed, or the message is volatile and
    /// the client cannot take it at once. A client that falls behind by more than
    /// [`outbox_bytes`](crate::config::EngineConfig::outbox_bytes) is closed.
    pub fn send(&self, message: Arc<Message>, is_volatile: bool) -> bool {
        self.send_at(message, is_volatile, Moment::now())
    }

    pub(crate) fn send_at(&self, message: Arc<Message>, is_volatile: bool, now: Moment) -> bool {
        matches!(self.0.push(Out::Message(message), is_volatile, now), Pushed::Queued | Pushed::Over)
    }

    /// Reads what [`send_at`](Self::send_at) will need, so that it is in a cache by then. What it returns means nothing.
    pub(crate) fn look(&self) -> bool {
        self.0.outbox.look()
    }

    /// Queues text.
    pub fn send_text(&self, text: &str) -> bool {
        self.send(Arc::new(message::Message::text(text)), false)
    }

    /// Queues bytes.
    pub fn send_binary(&self, bytes: &[u8]) -> bool {
        self.send(Arc::new(message::Message::binary(bytes)), false)
    }

    /// Waits until what is queued is below half of the bound. At once if the connection is closed.
    pub async fn room(&self) {
        if !self.0.outbox.has_room(0) {
            self.0.outbox.room(0).await;
        }
    }

    /// Waits until there is room for `message` as well.
    pub(crate) async fn room_for(&self, message: &Message) {
        if !self.0.outbox.has_room(message.size()) {
            self.0.outbox.room(message.size()).await;
        }
    }

    /// Bytes queued and not yet sent.
    pub fn queued_bytes(&self) -> usize {
        self.0.outbox.bytes()
    }

    /// Closes the connection once what is queued has been sent.
    pub fn close(&self, reason: DisconnectReason) {
        self.0.tell(Close { reason, discard: false });
    }

    /// Tells the connection that its [`Backlog`] has become smaller.
    pub fn resume(&self) {
        if self.0.is_paused.load(Ordering::Relaxed) {
            self.0.tell(Resume);
        }
    }

    /// Acknowledgements that handlers of this connection wait for: as long as there are any, its client has to be read.
    pub(crate) fn awaited_acks(&self) -> &AtomicUsize {
        &self.0.awaited_acks
    }

    /// Its endpoint.
    pub(crate) fn engine(&self) -> super::Engine {
        super::Engine(self.0.engine.clone())
    }
}

impl std::fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The sid is a secret: no more of it than tells two connections apart.
        f.debug_struct("ConnectionHandle").field("sid", &self.0.short_sid()).finish_non_exhaustive()
    }
}

/// What a decoded packet means for the layer above, if anything.
pub(super) fn incoming(packet: Packet<'_>) -> Option<Incoming<'_>> {
    match packet {
        Packet::Text(text) => Some(Incoming::Text(text)),
        Packet::Binary(binary) => Some(Incoming::Binary(binary)),
        _ => None,
    }
}

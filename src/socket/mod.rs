//! A socket: one client in one namespace, as handlers and everybody else hold it.

mod operator;
mod own_handlers;
mod room_list;
mod rooms;

use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::operator::SocketOperator;
use self::room_list::RoomList;
use crate::ack::{AckTable, Owed};
use crate::broadcast_operator::{BroadcastOperator, Flags, RoomNames};
use crate::delivery::{Hub, HubRef};
use crate::disconnect_reason::DisconnectReason;
use crate::engine::{ConnectionHandle, Moment};
use crate::error::{AckError, EmitError};
use crate::handler::{Handshake, Membership, Registry, SocketActors, guarded};
use crate::inbox::LocalSocket;
use crate::namespace::{Namespace, NamespaceInner};
use crate::protocol::{Args, FromArgs, Parser, ToArgs};
use crate::server::SocketIo;
use crate::socket_data::SocketData;

const CONNECTING: u8 = 0;
const CONNECTED: u8 = 1;
const DISCONNECTED: u8 = 2;

/// A client in a namespace. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Socket(Arc<SocketInner>);

struct SocketInner {
    id: Arc<str>,
    namespace: Arc<NamespaceInner>,
    connection: ConnectionHandle,
    auth: Args,
    state: AtomicU8,
    /// The hub of its thread, and its slot there.
    hub: OnceLock<Arc<HubRef>>,
    slot: AtomicU32,
    has_own_handlers: AtomicBool,
    extras: Mutex<Extras>,
    data: OnceLock<Box<SocketData>>,
}

/// What most sockets have little of.
#[derive(Default)]
struct Extras {
    rooms: RoomList,
    acks: AckTable,
    registry: Option<Arc<Registry>>,
    actors: Option<Box<SocketActors>>,
}

impl Socket {
    pub(crate) fn new(namespace: Arc<NamespaceInner>, connection: ConnectionHandle, auth: Args) -> Self {
        Self(Arc::new(SocketInner {
            id: namespace.core().ids.random_id(),
            namespace,
            connection,
            auth,
            state: AtomicU8::new(CONNECTING),
            hub: OnceLock::new(),
            slot: AtomicU32::new(0),
            has_own_handlers: AtomicBool::new(false),
            extras: Mutex::default(),
            data: OnceLock::new(),
        }))
    }

    fn extras(&self) -> MutexGuard<'_, Extras> {
        self.0.extras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- who it is -------------------------------------------------------------------------------------

    /// Its id: public, and something else than the connection's session id. Also the name of its own room.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.0.id
    }

    /// Its namespace.
    pub fn namespace(&self) -> Namespace {
        Namespace(self.0.namespace.clone())
    }

    pub(crate) fn namespace_inner(&self) -> &Arc<NamespaceInner> {
        &self.0.namespace
    }

    /// Its server.
    pub fn server(&self) -> SocketIo {
        SocketIo::of_socket(self)
    }

    /// Its connection, which it may share with sockets in other namespaces.
    pub fn connection(&self) -> &ConnectionHandle {
        &self.0.connection
    }

    /// How the client came here: HTTP request and auth.
    pub fn handshake(&self) -> Handshake {
        Handshake { connection: self.0.connection.clone(), auth: self.0.auth.clone() }
    }

    pub(crate) fn auth(&self) -> &Args {
        &self.0.auth
    }

    pub(crate) fn parser(&self) -> Parser {
        self.0.namespace.parser()
    }

    /// Whether it is connected: from the CONNECT reply to its end.
    pub fn is_connected(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == CONNECTED
    }

    /// Whether the server recovered the state of an earlier connection. Not yet: always false.
    pub fn was_recovered(&self) -> bool {
        false
    }

    /// State of the application's own.
    pub fn data(&self) -> &SocketData {
        self.0.data.get_or_init(|| {
            let socket = Arc::downgrade(&self.0);
            Box::new(SocketData::telling(move || {
                let Some(socket) = socket.upgrade().map(Socket).filter(Socket::is_connected) else { return };
                socket.0.namespace.core().observers.tell(|observer| observer.shared(&socket));
            }))
        })
    }

    // ---- emitting --------------------------------------------------------------------------------------

    /// Emits an event to the client: a tuple is several arguments. Waits while the client is too far behind
    /// ([`outbox_bytes`](crate::config::EngineConfig::outbox_bytes)).
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.emit_with(&Flags::default(), event, data).await
    }

    /// Emits the event `message`.
    pub async fn send<T: ToArgs + ?Sized>(&self, data: &T) -> Result<(), EmitError> {
        self.emit("message", data).await
    }

    /// Emits an event and waits for the client's acknowledgement, at most
    /// [`ack_timeout`](crate::config::Config::ack_timeout). Unlike `emit` it needs a tokio runtime, whose clock it uses.
    pub async fn emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<R, AckError> {
        self.emit_with_ack_with(&Flags::default(), event, data).await
    }

    /// The same as [`emit_with_ack`](Self::emit_with_ack), by python-socketio's name.
    pub async fn call<R: FromArgs, T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<R, AckError> {
        self.emit_with_ack(event, data).await
    }

    /// The next event may be dropped if the client cannot take it at once.
    pub fn volatile(&self) -> SocketOperator {
        self.operator().volatile()
    }

    /// Whether polling answers with the next event may be compressed.
    pub fn compress(&self, compress: bool) -> SocketOperator {
        self.operator().compress(compress)
    }

    /// How long to wait for the next acknowledgement.
    pub fn timeout(&self, timeout: Duration) -> SocketOperator {
        self.operator().timeout(timeout)
    }

    fn operator(&self) -> SocketOperator {
        SocketOperator { socket: self.clone(), flags: Flags::default() }
    }

    /// To the members of rooms, but not to this socket.
    pub fn to(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to): Socket.IO's `in`.
    pub fn in_room(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.to(rooms)
    }

    /// To everybody in the namespace but this socket and the members of these rooms.
    pub fn except(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().except(rooms)
    }

    /// To everybody in the namespace but this socket.
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.0.namespace.clone()).except(self.id())
    }

    /// As [`broadcast`](Self::broadcast), on this node only.
    pub fn local(&self) -> BroadcastOperator {
        self.broadcast().local()
    }

    async fn emit_with<T: ToArgs + ?Sized>(
        &self,
        flags: &Flags,
        event: &str,
        data: &T,
    ) -> Result<(), EmitError> {
        let args = data.to_args(self.parser())?;
        let message = Arc::new(self.0.namespace.event(event, &args, None, flags.compress)?);
        if !flags.volatile {
            self.0.connection.room_for(&message).await;
        }
        if self.0.state.load(Ordering::Acquire) == DISCONNECTED {
            return Err(EmitError::Disconnected);
        }
        self.tell_outgoing(event, &args);
        let is_sent = self.0.connection.send_at(message, flags.volatile, Moment::now());
        if is_sent || flags.volatile { Ok(()) } else { Err(EmitError::Disconnected) }
    }

    async fn emit_with_ack_with<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        flags: &Flags,
        event: &str,
        data: &T,
    ) -> Result<R, AckError> {
        let core = self.0.namespace.core();
        let timeout = flags.timeout.unwrap_or(core.config.ack_timeout);
        let args = data.to_args(self.parser())?;
        let id = core.next_ack_id();
        let message = Arc::new(self.0.namespace.event(event, &args, Some(id), flags.compress)?);
        self.0.connection.room_for(&message).await;
        let (sender, receiver) = oneshot::channel();
        self.owe(id, Owed::One(sender))?;
        let _forget = ForgetAck { socket: self, id };
        self.tell_outgoing(event, &args);
        let since = Instant::now();
        if !self.0.connection.send_at(message, flags.volatile, since.into()) {
            return Err(AckError::Disconnected);
        }
        let answer = tokio::time::timeout(timeout, receiver).await;
        let counters = core.counters.here();
        match answer {
            Ok(Ok(args)) => {
                counters.acknowledged(since.elapsed());
                Ok(R::from_args(&args)?)
            }
            Ok(Err(_)) => {
                counters.acks_failed.add(1);
                Err(AckError::Disconnected)
            }
            Err(_) => {
                counters.acks_timed_out.add(1);
                Err(AckError::Timeout(timeout))
            }
        }
    }

    /// Acknowledges an event of the client.
    pub(crate) fn send_ack(&self, id: u64, args: &Args) -> Result<(), AckError> {
        let message = Arc::new(self.0.namespace.ack(id, args)?);
        if self.0.state.load(Ordering::Acquire) == DISCONNECTED
            || !self.0.connection.send_at(message, false, Moment::now())
        {
            return Err(AckError::Disconnected);
        }
        self.0.namespace.core().counters.here().acks_sent.add(1);
        Ok(())
    }

    pub(crate) fn tell_outgoing(&self, event: &str, args: &Args) {
        self.0.namespace.core().observers.tell(|observer| observer.sent(self, event, args));
        let handlers = self.0.namespace.registry.load();
        for listener in &handlers.outgoing {
            guarded("a listener to outgoing events", || listener(self, event, args));
        }
        if let Some(own) = self.own_registry() {
            for listener in &own.load().outgoing {
                guarded("a listener to outgoing events", || listener(self, event, args));
            }
        }
    }

    // ---- acknowledgements it owes ----------------------------------------------------------------------

    pub(crate) fn owe(&self, id: u64, owed: Owed) -> Result<(), AckError> {
        let mut extras = self.extras();
        if self.0.state.load(Ordering::Acquire) == DISCONNECTED {
            return Err(AckError::Disconnected);
        }
        if extras.acks.len() >= self.0.namespace.core().config.max_pending_acks {
            return Err(AckError::TooManyPending);
        }
        let is_awaited = owed.is_awaited();
        extras.acks.insert(id, owed);
        drop(extras);
        if is_awaited && self.0.connection.awaited_acks().fetch_add(1, Ordering::Relaxed) == 0 {
            // A handler waits for its own client: it must be read.
            self.0.connection.resume();
        }
        Ok(())
    }

    /// The client has acknowledged.
    pub(crate) fn acknowledged(&self, id: u64, args: Args) {
        let owed = self.extras().acks.remove(id);
        match owed {
            Some(owed) => {
                self.settled(&owed);
                owed.answer(&self.0.id, args);
            }
            None => tracing::debug!(sid = self.id(), id, "an acknowledgement that nobody waits for"),
        }
    }

    pub(crate) fn forget_ack(&self, id: u64) {
        let owed = self.extras().acks.remove(id);
        if let Some(owed) = owed {
            self.settled(&owed);
        }
    }

    /// It owes one less.
    fn settled(&self, owed: &Owed) {
        if owed.is_awaited() {
            self.0.connection.awaited_acks().fetch_sub(1, Ordering::Relaxed);
        }
    }

    // ---- beginning and end -----------------------------------------------------------------------------

    /// It is connected from now on: broadcasts reach it, in the rooms too that its middlewares had it join.
    pub(crate) fn enter(&self, hub: &Rc<Hub>, local: Rc<LocalSocket>) {
        let namespace = &self.0.namespace;
        let slot = hub.add(namespace.number, self.0.connection.clone(), local);
        self.0.slot.store(slot, Ordering::Release);
        let _ = self.0.hub.set(hub.reference().clone());
        self.0.state.store(CONNECTED, Ordering::Release);
        namespace.entered();
        let rooms = self.extras().rooms.names();
        rooms.iter().for_each(|room| self.enter_room(room));
    }

    /// Leaves its rooms and its hub; what it owes is failed. False if that was done before. On its own thread.
    pub(crate) fn leave_everything(&self) -> bool {
        let (rooms, owed) = {
            let mut extras = self.extras();
            if self.0.state.swap(DISCONNECTED, Ordering::AcqRel) != CONNECTED {
                return false;
            }
            (extras.rooms.names(), extras.acks.drain().collect::<Vec<_>>())
        };
        for owed in owed {
            self.settled(&owed);
            owed.fail(&self.0.id);
        }
        let namespace = &self.0.namespace;
        namespace.left();
        if let Some(hub) = namespace.hubs().here() {
            hub.remove(namespace.number, self.0.slot.load(Ordering::Acquire), &rooms, &namespace.rooms);
        }
        rooms.iter().for_each(|room| self.tell_membership(room, Membership::Left));
        true
    }

    /// The `disconnecting` handlers are done.
    pub(crate) fn forget_rooms(&self) {
        self.extras().rooms = RoomList::default();
    }

    /// All handlers are done.
    pub(crate) fn forget_everything(&self) {
        // Its own handlers too: they may hold this very socket.
        let (actors, own) = {
            let mut extras = self.extras();
            (extras.actors.take(), extras.registry.take())
        };
        if let Some(mut actors) = actors {
            actors.stop();
        }
        drop(own);
        self.0.namespace.release();
    }

    /// Disconnects it: from the namespace, or with `close` its whole connection. The client does not come back by itself.
    pub async fn disconnect(&self, close: bool) {
        let Some(hub) = self.0.hub.get() else {
            // In a middleware: there is nothing to leave yet.
            if close {
                self.0.connection.close(DisconnectReason::ForcedServerClose);
            }
            return;
        };
        BroadcastOperator::new(self.0.namespace.clone()).to(self.id()).disconnect_on(hub, close).await;
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.0.namespace.name()).finish()
    }
}

/// Stops waiting for an acknowledgement, whichever way the waiting ends.
struct ForgetAck<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for ForgetAck<'_> {
    fn drop(&mut self) {
        self.socket.forget_ack(self.id);
    }
}

//! A namespace: its handlers, its rooms, and emitting to all of its sockets.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use actix::Addr;

use crate::broadcast_operator::{BroadcastOperator, FetchedSockets, Flags, broadcasting};
use crate::delivery::{Broadcast, Done, Hubs, Outgoing, RoomName, Rooms, Target};
use crate::engine::{Message, MessageBuilder};
use crate::error::EmitError;
use crate::handler::{Registry, registration};
use crate::namespaces::{Core, Namespaces};
use crate::protocol::{self, Args, ByteString, EncodeError, Parser, ToArgs};
use crate::socket::Socket;

/// What a [`Namespace`] points to.
pub(crate) struct NamespaceInner {
    name: ByteString,
    pub(crate) number: u64,
    core: Arc<Core>,
    directory: Weak<Namespaces>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) rooms: Rooms,
    params: Vec<(String, String)>,
    is_dynamic: bool,
    /// It was taken away: nobody may come in any more.
    is_removed: AtomicBool,
    /// Sockets that are in it or about to be.
    claims: AtomicUsize,
    sockets: AtomicUsize,
}

impl NamespaceInner {
    pub(crate) fn new(
        name: ByteString,
        number: u64,
        core: Arc<Core>,
        directory: Weak<Namespaces>,
        registry: Arc<Registry>,
        params: Vec<(String, String)>,
        is_dynamic: bool,
    ) -> Arc<Self> {
        let rooms = Rooms::new(core.hubs.clone());
        Arc::new(Self {
            name,
            number,
            core,
            directory,
            registry,
            rooms,
            params,
            is_dynamic,
            is_removed: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn hubs(&self) -> &Arc<Hubs> {
        &self.core.hubs
    }

    pub(crate) fn parser(&self) -> Parser {
        self.core.config.parser
    }

    pub(crate) fn directory(&self) -> Option<Arc<Namespaces>> {
        self.directory.upgrade()
    }

    /// A socket is about to come in.
    pub(crate) fn claim(&self) {
        self.claims.fetch_add(1, Ordering::AcqRel);
    }

    /// It did not, or it has left.
    pub(crate) fn release(self: &Arc<Self>) {
        let was_last = self.claims.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last
            && self.is_dynamic
            && !self.core.config.keep_empty_namespaces
            && let Some(directory) = self.directory()
        {
            directory.remove_unused(self);
        }
    }

    pub(crate) fn set_removed(&self) {
        self.is_removed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::SeqCst)
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.claims.load(Ordering::Acquire) == 0
    }

    pub(crate) fn entered(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// An event as a message.
    pub(crate) fn event(
        &self,
        event: &str,
        args: &Args,
        ack: Option<u64>,
        compress: bool,
    ) -> Result<Message, EncodeError> {
        let capacity = event.len() + args.size() + self.name.len() + 32;
        let mut builder = match self.parser() {
            Parser::Json => MessageBuilder::text(capacity),
            Parser::MsgPack => MessageBuilder::binary(capacity),
        };
        let attachments =
            protocol::encode_event(self.parser(), &self.name, event, args, ack, builder.buffer())?;
        Ok(builder.compress(compress).finish(&attachments))
    }

    /// An acknowledgement as a message.
    pub(crate) fn ack(&self, id: u64, args: &Args) -> Result<Message, EncodeError> {
        let capacity = args.size() + self.name.len() + 32;
        let mut builder = match self.parser() {
            Parser::Json => MessageBuilder::text(capacity),
            Parser::MsgPack => MessageBuilder::binary(capacity),
        };
        let attachments = protocol::encode_ack(self.parser(), &self.name, id, args, builder.buffer())?;
        Ok(builder.finish(&attachments))
    }

    /// Delivers an event in this process. After it returns the message is in every outbox it is for.
    pub(crate) async fn broadcast(
        &self,
        target: Target,
        flags: &Flags,
        event: &str,
        args: &Args,
        acks: Option<crate::delivery::AckSink>,
    ) -> Result<(), EmitError> {
        let ack_id = acks.as_ref().map(|sink| sink.id);
        let message = Arc::new(self.event(event, args, ack_id, flags.compress)?);
        let handlers = self.registry.load();
        let watched = handlers.room_actor.is_some();
        let outgoing = (watched || !handlers.outgoing.is_empty() || self.core.has_curious_sockets())
            .then(|| Outgoing { name: event.into(), args: args.clone() });
        drop(handlers);
        let broadcast = Arc::new(Broadcast {
            namespace: self.number,
            target,
            message,
            is_volatile: flags.volatile,
            acks,
            outgoing,
        });
        let (done, finished) = Done::new();
        match broadcast.target.single_room().cloned() {
            Some(room) => self.rooms.send(&room, broadcast, done, watched),
            None => {
                self.hubs().deliver(&broadcast, &done);
                drop((broadcast, done));
            }
        }
        // An error would mean that it was told already.
        let _ = finished.await;
        Ok(())
    }
}

/// A namespace. Cheap to clone.
#[derive(Clone)]
pub struct Namespace(pub(crate) Arc<NamespaceInner>);

impl Namespace {
    fn registry(&self) -> &Registry {
        &self.0.registry
    }

    registration!();
    broadcasting!();

    fn operator(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.0.clone())
    }

    /// Its name, such as `/chat`.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What a dynamic namespace's pattern extracted from its name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.0.params.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Connected sockets on this node.
    pub fn socket_count(&self) -> usize {
        self.0.sockets.load(Ordering::Relaxed)
    }

    /// The rooms that have members, without the sockets' own.
    pub fn room_names(&self) -> Vec<String> {
        self.0.rooms.names().iter().map(ToString::to_string).collect()
    }

    /// How many members a room has.
    pub fn room_size(&self, room: &str) -> usize {
        self.0.rooms.size(room)
    }

    /// The socket of that id, if it is connected to this node.
    pub async fn socket(&self, id: &str) -> Option<Socket> {
        let target = Target { rooms: smallvec::smallvec![id.into()], ..Target::default() };
        self.select(target).await.into_iter().find(|socket| socket.id() == id)
    }

    pub(crate) async fn select(&self, target: Target) -> Vec<Socket> {
        let number = self.0.number;
        let selected = self.0.hubs().collect(move |hub| {
            let locals = hub.select(number, &target).into_iter();
            let locals = locals.filter_map(crate::inbox::LocalSocket::of);
            locals.map(|local| local.socket().clone()).collect::<Vec<_>>()
        });
        selected.await.into_iter().flatten().collect()
    }

    /// Makes every member leave the room, which thereby closes.
    pub async fn close_room(&self, room: &str) {
        self.to(room).sockets_leave([room]).await;
    }

    /// The user's own actor of a room that is open, if [`rooms`](Self::rooms) made one.
    pub async fn room_actor<A: actix::Actor>(&self, room: &str) -> Option<Addr<A>> {
        let address = self.0.rooms.actor(room).await?;
        address.downcast::<Addr<A>>().ok().map(|address| *address)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Namespace").field(&self.name()).finish()
    }
}

/// A room of a namespace, as its actor gets to know it.
#[derive(Clone, Debug)]
pub struct RoomHandle {
    namespace: Namespace,
    name: RoomName,
}

impl RoomHandle {
    pub(crate) fn new(namespace: Namespace, name: RoomName) -> Self {
        Self { namespace, name }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// How many members it has.
    pub fn size(&self) -> usize {
        self.namespace.room_size(&self.name)
    }

    /// Emits to its members.
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.namespace.to(&*self.name).emit(event, data).await
    }

    /// Its members.
    pub async fn fetch_sockets(&self) -> FetchedSockets {
        self.namespace.to(&*self.name).fetch_sockets().await
    }
}

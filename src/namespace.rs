//! A namespace: its handlers, its rooms, and emitting to all of its sockets.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use actix::Addr;
use socketio_cluster::message::{self, AckRequest};

use crate::broadcast_operator::{BroadcastOperator, Flags, broadcasting};
use crate::delivery::{AckSink, Broadcast, Done, Hubs, Outgoing, RoomName, Rooms, Target};
use crate::engine::{Message, MessageBuilder};
use crate::error::EmitError;
use crate::handler::{Registry, registration};
use crate::namespaces::{Core, Namespaces};
use crate::protocol::{self, Args, EncodeError, Parser, ToArgs};
use crate::reached::{FetchedSockets, Reached, RoomList, RoomSize};
use crate::socket::Socket;
use crate::uplink::{self, Asked, Audience, Hold, Uplink};

/// What a [`Namespace`] points to.
pub(crate) struct NamespaceInner {
    name: Arc<str>,
    pub(crate) number: u64,
    core: Arc<Core>,
    directory: Weak<Namespaces>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) rooms: Rooms,
    /// Keeps its subject subscribed, in a cluster.
    hold: OnceLock<Hold>,
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
        name: Arc<str>,
        number: u64,
        core: Arc<Core>,
        directory: Weak<Namespaces>,
        registry: Arc<Registry>,
        params: Vec<(String, String)>,
        is_dynamic: bool,
    ) -> Arc<Self> {
        let rooms = Rooms::new(core.hubs.clone(), core.uplink.as_ref().map(|uplink| uplink.doors(&name)));
        let namespace = Self {
            name,
            number,
            core,
            directory,
            registry,
            rooms,
            hold: OnceLock::new(),
            params,
            is_dynamic,
            is_removed: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        };
        if !is_dynamic {
            namespace.needs_subject();
        }
        Arc::new(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn uplink(&self) -> Option<&Arc<Uplink>> {
        self.core.uplink.as_ref()
    }

    /// Waits until every node knows that sockets of this namespace may be here: only when the namespace is new.
    pub(crate) async fn confirmed(&self) {
        if let Some(hold) = self.needs_subject() {
            hold.confirmed().await;
        }
    }

    /// From now on, what is for the namespace has to come here. A client can make dynamic ones: only when it was let in.
    fn needs_subject(&self) -> Option<&Hold> {
        let uplink = self.uplink()?;
        Some(self.hold.get_or_init(|| uplink.hold(&self.name, [])))
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
        let capacity = event.len() + args.size() + self.name.len() + protocol::OVERHEAD;
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
        let capacity = args.size() + self.name.len() + protocol::OVERHEAD;
        let mut builder = match self.parser() {
            Parser::Json => MessageBuilder::text(capacity),
            Parser::MsgPack => MessageBuilder::binary(capacity),
        };
        let attachments = protocol::encode_ack(self.parser(), &self.name, id, args, builder.buffer())?;
        Ok(builder.finish(&attachments))
    }

    /// Delivers an event to its sockets, here and on other nodes. After it returns the message is in every outbox of this node
    /// that it is for; with `acks`, who will tell the other nodes' answers.
    pub(crate) async fn broadcast(
        &self,
        target: Target,
        flags: &Flags,
        event: &str,
        args: &Args,
        acks: Option<(AckSink, Duration)>,
    ) -> Result<Option<Asked>, EmitError> {
        let audience = match self.uplink() {
            Some(uplink) if !flags.local => uplink.audience(&target),
            _ => Audience::Here,
        };
        // Before it is published: what cannot be encoded is sent to nobody.
        let sink = acks.as_ref().map(|(sink, _)| sink.clone());
        let broadcast = self.prepare(target, flags, event, args, sink)?;
        let asked =
            self.publish(audience, &broadcast.target, flags, event, args, acks.map(|(_, time)| time))?;
        if !matches!(audience, Audience::Node(_)) {
            self.deliver(Arc::new(broadcast)).await;
        }
        Ok(asked)
    }

    fn publish(
        &self,
        audience: Audience,
        target: &Target,
        flags: &Flags,
        event: &str,
        args: &Args,
        ack_timeout: Option<Duration>,
    ) -> Result<Option<Asked>, EmitError> {
        let Some(uplink) = self.uplink() else { return Ok(None) };
        if audience == Audience::Here {
            return Ok(None);
        }
        let asked = ack_timeout.map(|_| uplink.expect(audience));
        let ack = asked.as_ref().zip(ack_timeout).map(|(asked, timeout)| AckRequest {
            id: asked.gather.id(),
            timeout: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        });
        let broadcast = message::Broadcast {
            target: uplink::to_target(&self.name, target),
            flags: message::Flags { volatile: flags.volatile, compress: flags.compress },
            ack,
            event: event.into(),
            args: uplink::to_payload(args),
        };
        uplink.broadcast(broadcast, audience).map_err(|error| EmitError::Cluster(error.to_string()))?;
        Ok(asked)
    }

    /// Everything that the delivery of an event in this process needs.
    pub(crate) fn prepare(
        &self,
        target: Target,
        flags: &Flags,
        event: &str,
        args: &Args,
        acks: Option<AckSink>,
    ) -> Result<Broadcast, EmitError> {
        let ack_id = acks.as_ref().map(|sink| sink.id);
        let message = Arc::new(self.event(event, args, ack_id, flags.compress)?);
        let is_heard = self.has_room_actors()
            || !self.registry.load().outgoing.is_empty()
            || self.core.has_curious_sockets()
            || self.core.observers.is_any();
        let outgoing = is_heard.then(|| Outgoing { name: event.into(), args: args.clone() });
        Ok(Broadcast {
            namespace: self.number,
            target,
            message,
            is_volatile: flags.volatile,
            acks,
            reached: None,
            outgoing,
        })
    }

    fn has_room_actors(&self) -> bool {
        self.registry.load().room_actor.is_some()
    }

    /// Delivers in this process. After it returns the message is in every outbox it is for.
    async fn deliver(&self, broadcast: Arc<Broadcast>) {
        self.core.counters.here().broadcasts.add(1);
        let (done, finished) = Done::new();
        match broadcast.target.single_room().cloned() {
            Some(room) => self.rooms.send(&room, broadcast, done, self.has_room_actors()),
            None => {
                self.hubs().deliver(&broadcast, &done);
                drop((broadcast, done));
            }
        }
        // An error would mean that it was told already.
        let _ = finished.await;
    }

    /// Delivers what another node sent. What is handed in first reaches each socket first, whatever the rooms: past the rooms'
    /// actors, which are only shown it. The result ends when it is in every outbox.
    pub(crate) fn deliver_in_order(&self, broadcast: Arc<Broadcast>) -> tokio::sync::oneshot::Receiver<()> {
        self.core.counters.here().broadcasts_received.add(1);
        let (done, finished) = Done::new();
        self.hubs().deliver(&broadcast, &done);
        if self.has_room_actors()
            && let Some(room) = broadcast.target.single_room().cloned()
        {
            self.rooms.show(&room, broadcast);
        }
        finished
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

    /// How many rooms have members on this node, without the sockets' own.
    pub fn room_count_here(&self) -> usize {
        self.0.rooms.count()
    }

    /// The rooms that have members on this node, without the sockets' own.
    pub fn room_names_here(&self) -> Vec<String> {
        self.0.rooms.sizes().iter().map(|(room, _)| room.to_string()).collect()
    }

    /// The rooms that have members on any node, and how many, without the sockets' own.
    pub async fn room_names(&self) -> RoomList {
        let mut rooms = std::collections::BTreeMap::new();
        let operator = self.operator();
        let asked = operator.ask(message::Action::Rooms);
        let here = self.0.rooms.sizes().into_iter().map(|(room, size)| (room, size as u64));
        let mut answers = operator.answers(asked).await;
        answers.check_parts();
        let elsewhere = answers.answers.into_iter().flat_map(|(_, answer)| match answer {
            message::Answer::Rooms(rooms) => rooms,
            _ => Vec::new(),
        });
        for (room, members) in here.chain(elsewhere) {
            let known = rooms.entry(room.to_string()).or_insert(0_u64);
            *known = known.saturating_add(members);
        }
        RoomList { rooms: rooms.into_iter().collect(), missing_nodes: answers.missing }
    }

    /// How many members a room has on all nodes.
    pub async fn room_size(&self, room: &str) -> RoomSize {
        let reached = self.to(room).count_sockets().await;
        RoomSize { members: reached.sockets, missing_nodes: reached.missing_nodes }
    }

    /// How many members a room has on this node.
    pub fn room_size_here(&self, room: &str) -> usize {
        self.0.rooms.size(room)
    }

    /// The socket of that id, if it is connected to this node.
    pub async fn socket(&self, id: &str) -> Option<Socket> {
        let target = Target { rooms: smallvec::smallvec![id.into()], ..Target::default() };
        self.select(target).await.into_iter().find(|socket| socket.id() == id)
    }

    /// Its sockets that are connected to this node.
    pub async fn sockets_here(&self) -> Vec<Socket> {
        self.select(Target::default()).await
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
    pub async fn close_room(&self, room: &str) -> Reached {
        self.to(room).sockets_leave([room]).await
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

    /// How many members it has on this node.
    pub fn size_here(&self) -> usize {
        self.namespace.room_size_here(&self.name)
    }

    /// How many members it has on all nodes: see [`Namespace::room_size`].
    pub async fn size(&self) -> RoomSize {
        self.namespace.room_size(&self.name).await
    }

    /// The other nodes that told of members in this room, with how many: what is known without asking, so it may be late.
    pub fn other_nodes(&self) -> Vec<(String, u64)> {
        let Some(uplink) = self.namespace.0.uplink() else { return Vec::new() };
        let elsewhere = uplink.elsewhere(self.namespace.name(), &self.name).into_iter();
        elsewhere.map(|(node, members)| (node.to_string(), members)).collect()
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

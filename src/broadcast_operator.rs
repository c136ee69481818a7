//! Emitting to many: whom, how, and what for. Immutable and chained.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socketio_cluster::message::{self as cluster, Action};
use socketio_cluster::node::NodeId;

use crate::ack::{AckStream, Answer, BroadcastAcks, sink};
use crate::delivery::{Hub, HubRef, RoomName, Target};
use crate::error::{AckError, EmitError};
use crate::inbox::LocalSocket;
use crate::namespace::{Namespace, NamespaceInner};
use crate::protocol::{FromArgs, ToArgs};
use crate::reached::{FetchedSockets, Reached, names};
use crate::remote_socket::RemoteSocket;
use crate::socket::Socket;
use crate::uplink::{self, Answers, Asked, Audience};

/// How something is emitted.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    pub(crate) volatile: bool,
    pub(crate) compress: bool,
    pub(crate) local: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { volatile: false, compress: true, local: false, timeout: None }
    }
}

/// Names of rooms: one, or several.
pub trait RoomNames {
    /// The names.
    fn names(self) -> impl Iterator<Item = String>;
}

impl RoomNames for &str {
    fn names(self) -> impl Iterator<Item = String> {
        std::iter::once(self.to_owned())
    }
}

impl RoomNames for String {
    fn names(self) -> impl Iterator<Item = String> {
        std::iter::once(self)
    }
}

impl RoomNames for &String {
    fn names(self) -> impl Iterator<Item = String> {
        std::iter::once(self.clone())
    }
}

impl<T: Into<String>> RoomNames for Vec<T> {
    fn names(self) -> impl Iterator<Item = String> {
        self.into_iter().map(Into::into)
    }
}

impl<T: AsRef<str>> RoomNames for &[T] {
    fn names(self) -> impl Iterator<Item = String> {
        self.iter().map(|name| name.as_ref().to_owned())
    }
}

impl<T: AsRef<str>> RoomNames for &Vec<T> {
    fn names(self) -> impl Iterator<Item = String> {
        self.iter().map(|name| name.as_ref().to_owned())
    }
}

impl<T: Into<String>, const N: usize> RoomNames for [T; N] {
    fn names(self) -> impl Iterator<Item = String> {
        self.into_iter().map(Into::into)
    }
}

/// Emits to the sockets it was narrowed down to. Made by [`Namespace`], [`SocketIo`](crate::SocketIo) and
/// [`Socket`]; every step returns a new one.
#[derive(Clone)]
pub struct BroadcastOperator {
    namespace: Arc<NamespaceInner>,
    target: Target,
    flags: Flags,
}

impl BroadcastOperator {
    pub(crate) fn new(namespace: Arc<NamespaceInner>) -> Self {
        Self { namespace, target: Target::default(), flags: Flags::default() }
    }

    pub(crate) fn of_target(namespace: Arc<NamespaceInner>, target: Target) -> Self {
        Self { namespace, target, flags: Flags::default() }
    }

    pub(crate) fn with_flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// To the members of these rooms; called again, to the members of those too. A socket id is the room of that socket.
    pub fn to(mut self, rooms: impl RoomNames) -> Self {
        self.target.rooms.extend(rooms.names().map(RoomName::from));
        self
    }

    /// The same as [`to`](Self::to): Socket.IO's `in`.
    pub fn in_room(self, rooms: impl RoomNames) -> Self {
        self.to(rooms)
    }

    /// Not to the members of these rooms, whatever other rooms they are in.
    pub fn except(mut self, rooms: impl RoomNames) -> Self {
        self.target.except.extend(rooms.names().map(RoomName::from));
        self
    }

    /// Only to sockets of this node.
    pub fn local(mut self) -> Self {
        self.flags.local = true;
        self
    }

    /// May be dropped for clients that cannot take it at once.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether polling answers with it may be compressed. Without effect on websockets. Default true.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// How long to wait for acknowledgements. Default [`ack_timeout`](crate::config::Config::ack_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Emits an event: a tuple is several arguments. When it returns, the message is in the outbox of every
    /// matching socket of this process: what is emitted later arrives later.
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let args = data.to_args(self.namespace.parser())?;
        self.namespace.broadcast(self.target.clone(), &self.flags, event, &args, None).await?;
        Ok(())
    }

    /// Emits the event `message`.
    pub async fn send<T: ToArgs + ?Sized>(&self, data: &T) -> Result<(), EmitError> {
        self.emit("message", data).await
    }

    /// Emits an event and collects the acknowledgements until all have come, or the timeout has passed. Unlike
    /// `emit` it needs a tokio runtime, whose clock it uses.
    pub async fn emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<BroadcastAcks<R>, EmitError> {
        use futures_util::StreamExt as _;

        let mut stream = self.emit_with_ack_stream::<R, T>(event, data).await?;
        let mut acks = BroadcastAcks {
            answers: Vec::new(),
            missing: Vec::new(),
            invalid: Vec::new(),
            missing_nodes: Vec::new(),
        };
        while let Some((socket, answer)) = stream.next().await {
            match answer {
                Ok(data) => acks.answers.push(Answer { socket, data }),
                Err(AckError::Args(error)) => acks.invalid.push((socket, error)),
                Err(_) => acks.missing.push(socket),
            }
        }
        acks.missing_nodes = stream.missing_nodes();
        Ok(acks)
    }

    /// As [`emit_with_ack`](Self::emit_with_ack), each acknowledgement as it comes.
    pub async fn emit_with_ack_stream<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<AckStream<R>, EmitError> {
        let core = self.namespace.core();
        let timeout = self.flags.timeout.unwrap_or(core.config.ack_timeout);
        let args = data.to_args(self.namespace.parser())?;
        let (sink, receiver) = sink(core.next_ack_id());
        let id = sink.id;
        let (acks, since) = (Some((sink, timeout)), Instant::now());
        let asked = self.namespace.broadcast(self.target.clone(), &self.flags, event, &args, acks).await?;
        Ok(AckStream::new(self.namespace.clone(), id, receiver, timeout, asked).counted(since))
    }

    /// The matching sockets.
    pub async fn fetch_sockets(&self) -> FetchedSockets {
        let asked = self.ask(Action::FetchSockets);
        let mut found = FetchedSockets::default();
        if self.concerns_this_node() {
            let here = self.namespace().select(self.target.clone()).await;
            found.sockets.extend(here.into_iter().map(RemoteSocket::here));
        }
        let mut answers = self.answers(asked).await;
        answers.check_parts();
        found.missing_nodes = answers.missing;
        for (_, answer) in answers.answers {
            if let cluster::Answer::Sockets(sockets) = answer {
                let sockets = sockets.into_iter();
                found.sockets.extend(sockets.map(|socket| RemoteSocket::elsewhere(&self.namespace, socket)));
            }
        }
        found
    }

    /// How many sockets match.
    pub async fn count_sockets(&self) -> Reached {
        let asked = self.ask(Action::CountSockets);
        let mut reached = Reached::default();
        if self.concerns_this_node() {
            reached.sockets = self.each(|_, _| {}).await;
        }
        self.reached(asked, reached).await
    }

    /// Makes the matching sockets join rooms. When it returns they are members, and every live node that is not named as
    /// missing knows it: what is emitted to the rooms from then on reaches them.
    pub async fn sockets_join(&self, rooms: impl RoomNames) -> Reached {
        let rooms: Vec<Arc<str>> = rooms.names().map(Arc::from).collect();
        let asked = self.ask(Action::Join(rooms.clone()));
        let mut reached = Reached::default();
        if self.concerns_this_node() {
            let (sockets, missing) = self.join_here(rooms).await;
            reached = Reached { sockets, missing_nodes: names(missing) };
        }
        self.reached(asked, reached).await
    }

    /// Makes the matching sockets of this node join rooms: how many there are, and the nodes that did not confirm it in time.
    pub(crate) async fn join_here(&self, rooms: Vec<Arc<str>>) -> (u64, Vec<NodeId>) {
        let joined = rooms.clone();
        let join = move |socket: &Socket, _: &Rc<LocalSocket>| {
            for room in &joined {
                if let Err(error) = socket.join_here(room) {
                    tracing::warn!(sid = socket.id(), %error, "a socket cannot join a room");
                }
            }
        };
        let sockets = self.each(join).await;
        let missing = match self.namespace.uplink() {
            Some(uplink) if sockets > 0 => uplink.rooms_confirmed(self.namespace.name(), &rooms).await,
            _ => Vec::new(),
        };
        (sockets, missing)
    }

    /// Makes the matching sockets leave rooms.
    pub async fn sockets_leave(&self, rooms: impl RoomNames) -> Reached {
        let rooms: Vec<Arc<str>> = rooms.names().map(Arc::from).collect();
        let asked = self.ask(Action::Leave(rooms.clone()));
        let mut reached = Reached::default();
        if self.concerns_this_node() {
            reached.sockets = self.leave_here(rooms).await;
        }
        self.reached(asked, reached).await
    }

    /// Makes the matching sockets of this node leave rooms.
    pub(crate) async fn leave_here(&self, rooms: Vec<Arc<str>>) -> u64 {
        self.each(move |socket, _| rooms.iter().for_each(|room| socket.leave_here(room))).await
    }

    /// Disconnects the matching sockets: from the namespace, or with `close` their whole connections.
    pub async fn disconnect_sockets(&self, close: bool) -> Reached {
        let asked = self.ask(Action::Disconnect(close));
        let mut reached = Reached::default();
        if self.concerns_this_node() {
            reached.sockets = self.disconnect_here(close).await;
        }
        self.reached(asked, reached).await
    }

    /// Disconnects the matching sockets of this node.
    pub(crate) async fn disconnect_here(&self, close: bool) -> u64 {
        self.each(move |_, local| local.disconnect(close)).await
    }

    // ---- other nodes -----------------------------------------------------------------------------------

    fn audience(&self) -> Audience {
        match self.namespace.uplink() {
            Some(uplink) if !self.flags.local => uplink.audience(&self.target),
            _ => Audience::Here,
        }
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace(self.namespace.clone())
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn concerns_this_node(&self) -> bool {
        !matches!(self.audience(), Audience::Node(_))
    }

    /// Asks the other nodes that are concerned.
    pub(crate) fn ask(&self, action: Action) -> Option<Asked> {
        let audience = self.audience();
        let uplink = self.namespace.uplink().filter(|_| audience != Audience::Here)?;
        let target = uplink::to_target(self.namespace.shared_name(), &self.target);
        Some(uplink.ask(target, action, audience))
    }

    /// What they answer.
    pub(crate) async fn answers(&self, asked: Option<Asked>) -> Answers {
        match self.namespace.uplink().zip(asked) {
            Some((uplink, asked)) => asked.answers(uplink.config().request_timeout).await,
            None => Answers::default(),
        }
    }

    async fn reached(&self, asked: Option<Asked>, mut reached: Reached) -> Reached {
        let answers = self.answers(asked).await;
        reached.missing_nodes.extend(answers.missing);
        for (_, answer) in answers.answers {
            let sockets = match answer {
                cluster::Answer::Done(sockets) => sockets,
                cluster::Answer::Joined { sockets, missing } => {
                    reached.missing_nodes.extend(names(missing));
                    sockets
                }
                _ => 0,
            };
            reached.sockets = reached.sockets.saturating_add(sockets);
        }
        reached.missing_nodes.sort();
        reached.missing_nodes.dedup();
        reached
    }

    /// Disconnects the matching sockets of one hub.
    pub(crate) async fn disconnect_on(&self, hub: &Arc<HubRef>, close: bool) {
        let (number, target) = (self.namespace.number, self.target.clone());
        let act = move |hub: &Rc<Hub>| {
            let locals = hub.select(number, &target).into_iter().filter_map(LocalSocket::of);
            locals.for_each(|local| local.disconnect(close));
        };
        if hub.is_here()
            && let Some(here) = self.namespace.hubs().here()
        {
            return act(&here);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        hub.visit(move |hub| {
            act(hub);
            let _ = sender.send(());
        });
        // An error is a thread that has ended, and its sockets with it.
        let _ = receiver.await;
    }

    /// Does something to each matching socket of this node, on its own thread: how many there were.
    async fn each<F>(&self, act: F) -> u64
    where
        F: Fn(&Socket, &Rc<LocalSocket>) + Send + Sync + 'static,
    {
        let (number, target) = (self.namespace.number, self.target.clone());
        let visits = self.namespace.hubs().collect(move |hub| {
            let selected = hub.select(number, &target);
            let count = selected.len() as u64;
            for local in selected.into_iter().filter_map(LocalSocket::of) {
                act(local.socket(), &local);
            }
            count
        });
        visits.await.into_iter().sum()
    }
}

impl std::fmt::Debug for BroadcastOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BroadcastOperator")
            .field("namespace", &self.namespace.name())
            .field("target", &self.target)
            .field("flags", &self.flags)
            .finish()
    }
}

/// The steps of a [`BroadcastOperator`], for whatever it can begin at. `self.operator()` must give a fresh one.
macro_rules! broadcasting {
    () => {
        /// To the members of these rooms only. A socket id is the room of that socket.
        pub fn to(&self, rooms: impl crate::broadcast_operator::RoomNames) -> BroadcastOperator {
            self.operator().to(rooms)
        }

        /// The same as [`to`](Self::to): Socket.IO's `in`.
        pub fn in_room(&self, rooms: impl crate::broadcast_operator::RoomNames) -> BroadcastOperator {
            self.operator().to(rooms)
        }

        /// Not to the members of these rooms.
        pub fn except(&self, rooms: impl crate::broadcast_operator::RoomNames) -> BroadcastOperator {
            self.operator().except(rooms)
        }

        /// Only to sockets of this node.
        pub fn local(&self) -> BroadcastOperator {
            self.operator().local()
        }

        /// May be dropped for clients that cannot take it at once.
        pub fn volatile(&self) -> BroadcastOperator {
            self.operator().volatile()
        }

        /// Whether polling answers with it may be compressed.
        pub fn compress(&self, compress: bool) -> BroadcastOperator {
            self.operator().compress(compress)
        }

        /// How long to wait for acknowledgements.
        pub fn timeout(&self, timeout: std::time::Duration) -> BroadcastOperator {
            self.operator().timeout(timeout)
        }

        /// Emits an event to every socket: see [`BroadcastOperator::emit`].
        pub async fn emit<T: crate::protocol::ToArgs + ?Sized>(
            &self,
            event: &str,
            data: &T,
        ) -> Result<(), crate::error::EmitError> {
            self.operator().emit(event, data).await
        }

        /// Emits the event `message` to every socket.
        pub async fn send<T: crate::protocol::ToArgs + ?Sized>(
            &self,
            data: &T,
        ) -> Result<(), crate::error::EmitError> {
            self.operator().send(data).await
        }

        /// Emits to every socket and collects the acknowledgements: see [`BroadcastOperator::emit_with_ack`].
        pub async fn emit_with_ack<R: crate::protocol::FromArgs, T: crate::protocol::ToArgs + ?Sized>(
            &self,
            event: &str,
            data: &T,
        ) -> Result<crate::ack::BroadcastAcks<R>, crate::error::EmitError> {
            self.operator().emit_with_ack(event, data).await
        }

        /// All sockets.
        pub async fn fetch_sockets(&self) -> crate::reached::FetchedSockets {
            self.operator().fetch_sockets().await
        }

        /// Some of them, in the order of their ids: see [`BroadcastOperator::fetch_page`].
        pub async fn fetch_page(&self, after: Option<&str>, limit: usize) -> crate::socket_page::SocketPage {
            self.operator().fetch_page(after, limit).await
        }

        /// Makes all sockets join rooms: see [`BroadcastOperator::sockets_join`].
        pub async fn sockets_join(
            &self,
            rooms: impl crate::broadcast_operator::RoomNames,
        ) -> crate::reached::Reached {
            self.operator().sockets_join(rooms).await
        }

        /// Makes all sockets leave rooms.
        pub async fn sockets_leave(
            &self,
            rooms: impl crate::broadcast_operator::RoomNames,
        ) -> crate::reached::Reached {
            self.operator().sockets_leave(rooms).await
        }

        /// Disconnects all sockets: from the namespace, or with `close` their whole connections.
        pub async fn disconnect_sockets(&self, close: bool) -> crate::reached::Reached {
            self.operator().disconnect_sockets(close).await
        }
    };
}
pub(crate) use broadcasting;

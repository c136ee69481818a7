//! The handlers of a namespace, registered once for all its sockets.
//!
//! Copied on write: a socket reads them without a lock and sees a registration from its next event on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::{ActorFactory, Erased, ErasedMiddleware, LocalFuture, Refusal, RoomActorFactory, RoomEvent};
use crate::protocol::Args;
use crate::room_message::RoomMessageForwarder;
use crate::server_side::ServerSideListener;
use crate::socket::Socket;

/// A listener to what goes out: the socket, the event's name and its arguments. Must not block.
pub(crate) type OutgoingListener = Arc<dyn Fn(&Socket, &str, &Args) + Send + Sync>;
/// A packet middleware: sees each event before its handlers; an error keeps it from them.
pub(crate) type IncomingFilter =
    Arc<dyn Fn(Socket, &str, &Args) -> LocalFuture<Result<(), Refusal>> + Send + Sync>;
/// Which names of events are wanted.
pub(crate) type NameTest = Arc<dyn Fn(&str) -> bool + Send + Sync>;
type RoomListener = Arc<dyn Fn(&RoomEvent) + Send + Sync>;
type MembershipListener = Arc<dyn Fn(&Socket, &str, Membership) + Send + Sync>;

/// What a socket did to a room: see [`on_membership`](crate::Namespace::on_membership).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is a member now.
    Joined,
    /// It is none any more: it left, or it has disconnected.
    Left,
}

/// Everything that is registered for a namespace (or, for those who need it, a single socket).
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) middlewares: Vec<ErasedMiddleware>,
    pub(crate) connect: Vec<Erased>,
    pub(crate) events: HashMap<Box<str>, Vec<Registered>>,
    pub(crate) any: Vec<Erased>,
    /// Called for events without handlers of their own.
    pub(crate) matching: Vec<(NameTest, Erased)>,
    pub(crate) fallback: Option<Erased>,
    /// Asked before everything else, an error keeps the event from all of it.
    pub(crate) guards: Vec<ErasedMiddleware>,
    pub(crate) filters: Vec<IncomingFilter>,
    pub(crate) outgoing: Vec<OutgoingListener>,
    pub(crate) disconnecting: Vec<Erased>,
    pub(crate) disconnect: Vec<Erased>,
    pub(crate) rooms: Vec<RoomListener>,
    pub(crate) memberships: Vec<MembershipListener>,
    pub(crate) room_actor: Option<RoomActorFactory>,
    pub(crate) actors: Vec<ActorFactory>,
    pub(crate) server_side: Vec<(Box<str>, ServerSideListener)>,
    pub(crate) room_messages: HashMap<Box<str>, RoomMessageForwarder>,
}

/// A handler of an event.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) handler: Erased,
    /// Called for the next event only.
    pub(crate) once: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Registry {
    current: ArcSwap<Handlers>,
    /// Held while a change is made, so that two do not undo each other.
    changing: Mutex<()>,
}

impl Registry {
    /// One that begins with these handlers.
    pub(crate) fn new(handlers: Arc<Handlers>) -> Self {
        Self { current: ArcSwap::new(handlers), changing: Mutex::default() }
    }

    /// The handlers at this moment.
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Handlers>> {
        self.current.load()
    }

    /// Changes the handlers.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Handlers) -> T) -> T {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut handlers = (**self.current.load()).clone();
        let result = change(&mut handlers);
        self.current.store(Arc::new(handlers));
        result
    }

    /// Takes the handlers of an event, those for one event only out for good.
    pub(crate) fn take(&self, event: &str) -> Vec<Erased> {
        let handlers = self.load();
        let Some(registered) = handlers.events.get(event) else { return Vec::new() };
        if registered.iter().any(|registered| registered.once) {
            return self.change(|handlers| handlers.take(event));
        }
        registered.iter().map(|registered| registered.handler.clone()).collect()
    }
}

impl Handlers {
    pub(crate) fn add(&mut self, event: &str, handler: Erased, once: bool) {
        self.events.entry(event.into()).or_default().push(Registered { handler, once });
    }

    fn take(&mut self, event: &str) -> Vec<Erased> {
        let Some(registered) = self.events.get_mut(event) else { return Vec::new() };
        let all = registered.iter().map(|registered| registered.handler.clone()).collect();
        registered.retain(|registered| !registered.once);
        if registered.is_empty() {
            self.events.remove(event);
        }
        all
    }
}

/// The registration methods, which a namespace and a family of dynamic ones have in common. `self.registry()`
/// must give the [`Registry`].
macro_rules! registration {
    () => {
        /// Asked before a socket is connected, in the order of registration: an error refuses it
        /// (CONNECT_ERROR with the message and data of the [`Refusal`](crate::Refusal)).
        pub fn middleware<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::Admission,
        {
            let handler = crate::handler::erase_middleware(handler, "invalid auth");
            self.registry().change(|handlers| handlers.middlewares.push(handler));
            self
        }

        /// Called for each new socket, after the client has been told, before any of its events.
        pub fn on_connect<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.connect.push(handler));
            self
        }

        /// Called for each event of that name. The events of a socket are handled one at a time, in the order
        /// in which they came; wrap the handler in [`concurrent`](crate::concurrent) to opt out. Several handlers of one
        /// event are called in the order of registration.
        pub fn on<P, H>(self, event: &str, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.add(event, handler, false));
            self
        }

        /// As [`on`](Self::on), for the next event of that name only, whichever socket it comes from.
        pub fn once<P, H>(self, event: &str, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.add(event, handler, true));
            self
        }

        /// Has workers handle an event: processes that listen on NATS, as PROTOCOL.md says. One of them gets it, and what it answers
        /// is the acknowledgement; if there is no answer, that is `{"error":"…"}`: `no worker`, `timeout`, `unavailable` (there is
        /// no bus, or it is away), `too large`, `not JSON`, `bad answer`, or what the worker says. An event without acknowledgement
        /// is published, and nobody waits. The user's claims are what
        /// [`SocketData::share`](crate::SocketData::share) was given.
        pub fn hand_to_workers(self, event: &str, options: crate::worker::WorkerOptions) -> Self {
            let handler = crate::worker::handler(options);
            self.registry().change(|handlers| handlers.add(event, handler, false));
            self
        }

        /// As [`hand_to_workers`](Self::hand_to_workers), for every event without handlers of its own whose name `is_wanted`: see
        /// [`on_matching`](Self::on_matching).
        pub fn hand_matching_to_workers(
            self,
            is_wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
            options: crate::worker::WorkerOptions,
        ) -> Self {
            let (is_wanted, handler) = (std::sync::Arc::new(is_wanted), crate::worker::handler(options));
            self.registry().change(|handlers| handlers.matching.push((is_wanted, handler)));
            self
        }

        /// Forgets all handlers of an event.
        pub fn off(self, event: &str) -> Self {
            self.registry().change(|handlers| handlers.events.remove(event));
            self
        }

        /// Called for every event, before its own handlers.
        pub fn on_any<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.any.push(handler));
            self
        }

        /// Called for events that have no handlers of their own and whose name `is_wanted`; several such handlers in the order of
        /// registration. `is_wanted` must not block.
        pub fn on_matching<P, H>(
            self,
            is_wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
            handler: H,
        ) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let (is_wanted, handler) = (std::sync::Arc::new(is_wanted), crate::handler::erase(handler));
            self.registry().change(|handlers| handlers.matching.push((is_wanted, handler)));
            self
        }

        /// Called for events that have no handler of their own, nor a [matching](Self::on_matching) one.
        pub fn fallback<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.fallback = Some(handler));
            self
        }

        /// Asked before each event of each socket is shown to anybody, with whatever parameters a handler may have: an error keeps
        /// the event from all handlers, is logged, and is the acknowledgement, `{"error":"…"}`, if the client asked for one and
        /// got none (with the `data` of the [`Refusal`](crate::Refusal), if it has some).
        pub fn guard<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::Admission,
        {
            let handler = crate::handler::erase_middleware(handler, "not understood");
            self.registry().change(|handlers| handlers.guards.push(handler));
            self
        }

        /// A packet middleware: sees each event of each socket before its handlers. An error keeps the event
        /// from them and is logged; acknowledging is the filter's own affair.
        pub fn filter<F, R>(self, filter: F) -> Self
        where
            F: Fn(crate::socket::Socket, String, crate::protocol::Args) -> R + Send + Sync + 'static,
            R: std::future::Future<Output = Result<(), crate::handler::Refusal>> + 'static,
        {
            let filter: crate::handler::IncomingFilter = std::sync::Arc::new(move |socket, event, args| {
                Box::pin(filter(socket, event.to_owned(), args.clone()))
            });
            self.registry().change(|handlers| handlers.filters.push(filter));
            self
        }

        /// Called for every event that goes out to a socket, broadcasts included. Must not block.
        pub fn on_any_outgoing(
            self,
            listener: impl Fn(&crate::socket::Socket, &str, &crate::protocol::Args) + Send + Sync + 'static,
        ) -> Self {
            let listener: crate::handler::OutgoingListener = std::sync::Arc::new(listener);
            self.registry().change(|handlers| handlers.outgoing.push(listener));
            self
        }

        /// Called when a socket is about to leave: [`rooms`](crate::Socket::rooms) still has its rooms.
        pub fn on_disconnecting<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.disconnecting.push(handler));
            self
        }

        /// Called when a socket has left, after all of its events.
        pub fn on_disconnect<P, H>(self, handler: H) -> Self
        where
            H: crate::handler::Handler<P>,
            H::Output: crate::handler::IntoReply,
        {
            let handler = crate::handler::erase(handler);
            self.registry().change(|handlers| handlers.disconnect.push(handler));
            self
        }

        /// Called when a room of this namespace opens, closes, is joined or left. Must not block. Rooms that are
        /// open already are watched from their next opening on. A socket's own room has no life of its own.
        pub fn on_room_event(
            self,
            listener: impl Fn(&crate::handler::RoomEvent) + Send + Sync + 'static,
        ) -> Self {
            let listener = std::sync::Arc::new(listener);
            self.registry().change(|handlers| handlers.rooms.push(listener));
            self
        }

        /// Called when a socket of this node has joined or left a room, its own excepted, on the socket's thread and in the order in
        /// which it did so; a socket that disconnects leaves all of its rooms. Must not block. Unlike
        /// [`on_room_event`](Self::on_room_event) it is shown the socket itself.
        pub fn on_membership(
            self,
            listener: impl Fn(&crate::socket::Socket, &str, crate::handler::Membership) + Send + Sync + 'static,
        ) -> Self {
            let listener = std::sync::Arc::new(listener);
            self.registry().change(|handlers| handlers.memberships.push(listener));
            self
        }

        /// One actor of the user's for each socket: started when it connects, stopped when it leaves.
        /// [`forward`](Self::forward) names the events it gets; [`Socket::actor`](crate::Socket::actor) finds it.
        pub fn actor<A, F>(self, make: F) -> Self
        where
            A: actix::Actor<Context = actix::Context<A>>,
            F: Fn(crate::socket::Socket) -> A + Send + Sync + 'static,
        {
            let factory = crate::handler::actor_factory(make);
            self.registry().change(|handlers| handlers.actors.push(factory));
            self
        }

        /// Sends an event to the socket's own actor `A` as [`FromSocket<T>`](crate::FromSocket); the actor's
        /// result is the acknowledgement.
        pub fn forward<A, T>(self, event: &str) -> Self
        where
            A: actix::Actor<Context = actix::Context<A>> + actix::Handler<crate::handler::FromSocket<T>>,
            T: actix::Message + crate::protocol::FromArgs + Send + 'static,
            T::Result: crate::handler::IntoReply + Send + 'static,
        {
            let handler = crate::handler::forward::<A, T>();
            self.registry().change(|handlers| handlers.add(event, handler, false));
            self
        }

        /// One actor of the user's for each room: started when the room opens, stopped when it closes. It is
        /// told of the room's life, and of what is broadcast to it, by [`RoomEvent`](crate::RoomEvent) messages;
        /// [`room_actor`](crate::Namespace::room_actor) finds it.
        pub fn rooms<A, F>(self, make: F) -> Self
        where
            A: actix::Actor<Context = actix::Context<A>> + actix::Handler<crate::handler::RoomEvent>,
            F: Fn(crate::namespace::RoomHandle) -> A + Send + Sync + 'static,
        {
            let factory = crate::handler::room_actor_factory(make);
            self.registry().change(|handlers| handlers.room_actor = Some(factory));
            self
        }

        /// Lets the actors of rooms, which are of type `A`, be sent messages of type `M` from any node: see
        /// [`tell_room`](crate::Namespace::tell_room).
        pub fn room_message<A, M>(self) -> Self
        where
            A: actix::Actor<Context = actix::Context<A>> + actix::Handler<M>,
            M: crate::room_message::RoomMessage,
        {
            let forward = crate::room_message::forwarder::<A, M>();
            self.registry().change(|handlers| handlers.room_messages.insert(M::NAME.into(), forward));
            self
        }

        /// Called for each event of that name that another server of the cluster sent with
        /// [`server_side_emit`](crate::Namespace::server_side_emit). Its result is the answer, if one is asked for; of several
        /// listeners the first one's. Runs beside everything else, in no particular thread.
        pub fn on_server_side_emit<F, R>(self, event: &str, listener: F) -> Self
        where
            F: Fn(crate::server_side::ServerSideEvent) -> R + Send + Sync + 'static,
            R: std::future::Future + Send + 'static,
            R::Output: crate::protocol::ToArgs,
        {
            let listener = crate::server_side::erase_listener(listener);
            self.registry().change(|handlers| handlers.server_side.push((event.into(), listener)));
            self
        }
    };
}
pub(crate) use registration;

//! The life of rooms as an application sees it: listeners, and one actor of the user's per room.

use std::any::Any;
use std::sync::{Arc, Weak};

use actix::dev::ToEnvelope;
use actix::prelude::*;
use tokio::sync::oneshot;

use super::actor::start_until;
use super::guarded;
use crate::delivery::{RoomLife, RoomName, RoomWatcher};
use crate::namespace::{Namespace, NamespaceInner, RoomHandle};
use crate::protocol::{Args, ByteString};

/// What happens to a room on this node.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub enum RoomEvent {
    /// The first socket is about to join.
    Created {
        /// The room.
        room: String,
    },
    /// A socket has joined.
    Joined {
        /// The room.
        room: String,
        /// The socket's id.
        socket: String,
    },
    /// A socket has left.
    Left {
        /// The room.
        room: String,
        /// The socket's id.
        socket: String,
    },
    /// Something was broadcast to this room alone. Only a room's own actor sees it.
    Message {
        /// The room.
        room: String,
        /// The event's name.
        event: ByteString,
        /// Its arguments.
        args: Args,
    },
    /// The last socket has left.
    Deleted {
        /// The room.
        room: String,
    },
}

/// Watches a room for its namespace.
pub(crate) struct Watcher {
    namespace: Weak<NamespaceInner>,
    actor: Option<Box<dyn RunningActor>>,
}

impl Watcher {
    /// The watcher of a room that opens, if anybody wants to know.
    pub(crate) fn of(namespace: &Arc<NamespaceInner>) -> Option<Box<dyn RoomWatcher>> {
        let handlers = namespace.registry.load();
        if handlers.rooms.is_empty() && handlers.room_actor.is_none() {
            return None;
        }
        Some(Box::new(Self { namespace: Arc::downgrade(namespace), actor: None }))
    }
}

impl RoomWatcher for Watcher {
    fn watch(&mut self, room: &RoomName, life: RoomLife) {
        let Some(namespace) = self.namespace.upgrade() else { return };
        let room_name = room.to_string();
        let event = match life {
            RoomLife::Opened => {
                let factory = namespace.registry.load().room_actor.clone();
                let handle = RoomHandle::new(Namespace(namespace.clone()), room.clone());
                self.actor = factory.and_then(|make| guarded("the maker of a room's actor", || make(handle)));
                RoomEvent::Created { room: room_name }
            }
            RoomLife::Joined(socket) => RoomEvent::Joined { room: room_name, socket: socket.to_string() },
            RoomLife::Left(socket) => RoomEvent::Left { room: room_name, socket: socket.to_string() },
            RoomLife::Traffic(broadcast) => {
                let Some(outgoing) = &broadcast.outgoing else { return };
                let (event, args) = (outgoing.name.clone(), outgoing.args.clone());
                if let Some(actor) = &self.actor {
                    actor.tell(RoomEvent::Message { room: room_name, event, args });
                }
                return;
            }
            RoomLife::Closed => RoomEvent::Deleted { room: room_name },
        };
        for listener in &namespace.registry.load().rooms {
            guarded("a room listener", || listener(&event));
        }
        if let Some(actor) = &self.actor {
            actor.tell(event);
        }
    }

    fn wants_traffic(&self) -> bool {
        self.actor.is_some()
    }

    fn actor(&self) -> Option<Box<dyn Any + Send>> {
        self.actor.as_ref().map(|actor| actor.address())
    }
}

/// Starts a room's actor.
pub(crate) type RoomActorFactory = Arc<dyn Fn(RoomHandle) -> Box<dyn RunningActor> + Send + Sync>;

/// A room's actor, whatever its type. Dropping it lets the actor handle what it was told, then stops it.
pub(crate) trait RunningActor: Send {
    fn tell(&self, event: RoomEvent);
    fn address(&self) -> Box<dyn Any + Send>;
}

struct Running<A: Actor<Context = Context<A>>> {
    address: Addr<A>,
    stop: Option<oneshot::Sender<()>>,
}

impl<A> RunningActor for Running<A>
where
    A: Actor<Context = Context<A>> + Handler<RoomEvent>,
    A::Context: ToEnvelope<A, RoomEvent>,
{
    fn tell(&self, event: RoomEvent) {
        if let Err(SendError::Full(_)) = self.address.try_send(event) {
            tracing::warn!("the actor of a room is too slow and misses an event");
        }
    }

    fn address(&self) -> Box<dyn Any + Send> {
        Box::new(self.address.clone())
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Running<A> {
    fn drop(&mut self) {
        // The mailbox is handled before what runs beside it: the last event gets through.
        drop(self.stop.take());
    }
}

pub(crate) fn room_actor_factory<A, F>(make: F) -> RoomActorFactory
where
    A: Actor<Context = Context<A>> + Handler<RoomEvent>,
    F: Fn(RoomHandle) -> A + Send + Sync + 'static,
{
    Arc::new(move |room| {
        let (stop, stopped) = oneshot::channel();
        let make = &make;
        let address = start_until(
            // Room for what a burst of joins brings; past it events are dropped, with a log line.
            || make(room),
            stopped,
        );
        Box::new(Running { address, stop: Some(stop) })
    })
}

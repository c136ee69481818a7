//! Fan-out inside one process: a message encoded once reaches every matching socket at most once.
//!
//! A [`Broadcast`] goes to the [`Room`](room::Room) actor of its room, which knows the hubs that have members, or to
//! all hubs when it names several rooms or none. A [`Hub`] is a worker thread's list of local sockets: it gets one
//! message per broadcast and pushes to the outboxes of its members itself.
//!
//! Called by namespaces and broadcast operators. Must never import them, nor anything of what a user touches.

mod broadcast;
mod hub;
mod lowest;
mod room;
mod rooms;

pub(crate) use self::broadcast::{AckSink, Answered, Broadcast, Done, Gone, Outgoing, Target};
pub(crate) use self::hub::{Hub, HubRef, Hubs, Local};
pub(crate) use self::room::{RoomLife, RoomWatcher};
pub(crate) use self::rooms::{Doors, Rooms};

/// The name of a room.
pub(crate) type RoomName = std::sync::Arc<str>;

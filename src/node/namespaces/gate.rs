//! Who may do what, as the events of clients ask for it.

use actix_socketio::Socket;

use crate::node::permissions::{Claims, LivePermissions};

/// Asked before anything is done for a client.
pub(in crate::node) trait Gate: Send + Sync {
    /// Whether it may join the room, leave it, and see who is there.
    fn may_join(&self, socket: &Socket, room: &str) -> bool;
    /// Whether it may emit to the room.
    fn may_emit(&self, socket: &Socket, room: &str) -> bool;
    /// Whether it may send the event at all.
    fn may_send(&self, socket: &Socket, event: &str) -> bool;
}

impl Gate for LivePermissions {
    fn may_join(&self, socket: &Socket, room: &str) -> bool {
        self.now().may_join(&Claims::of(socket), socket.namespace().name(), room)
    }

    fn may_emit(&self, socket: &Socket, room: &str) -> bool {
        self.now().may_emit(&Claims::of(socket), socket.namespace().name(), room)
    }

    fn may_send(&self, socket: &Socket, event: &str) -> bool {
        self.now().may_send(&Claims::of(socket), socket.namespace().name(), event)
    }
}

//! The rooms of a socket.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{DISCONNECTED, Socket};
use crate::broadcast_operator::RoomNames;
use crate::delivery::RoomName;
use crate::error::JoinError;
use crate::handler::{Membership, Watcher, guarded};
use crate::reached::{Joined, names};
use crate::uplink::Hold;

impl Socket {
    /// The rooms it is in, its own id first.
    pub fn rooms(&self) -> Vec<String> {
        self.shared_rooms().iter().map(|room| room.to_string()).collect()
    }

    pub(crate) fn shared_rooms(&self) -> Vec<RoomName> {
        let rooms = self.extras().rooms.names();
        std::iter::once(self.shared_id().clone()).chain(rooms).collect()
    }

    /// Joins rooms. When it returns, whatever is emitted to them on any node reaches this socket; if there are other nodes, it waits
    /// until each of them has confirmed it, at most
    /// [`request_timeout`](crate::config::ClusterConfig::request_timeout), and names those that did not. In a middleware: when it is
    /// connected.
    pub async fn join(&self, rooms: impl RoomNames) -> Result<Joined, JoinError> {
        let rooms: Vec<String> = rooms.names().collect();
        match self.0.hub.get() {
            Some(hub) if !hub.is_here() => {
                let (sender, receiver) = oneshot::channel();
                let (socket, rooms) = (self.clone(), rooms.clone());
                hub.visit(move |_| {
                    let _ = sender.send(rooms.iter().try_for_each(|room| socket.join_here(room)));
                });
                receiver.await.unwrap_or(Err(JoinError::Disconnected))?;
            }
            _ => rooms.iter().try_for_each(|room| self.join_here(room))?,
        }
        let namespace = &self.0.namespace;
        let missing = match namespace.uplink() {
            Some(uplink) if self.is_connected() => uplink.rooms_confirmed(namespace.name(), &rooms).await,
            _ => Vec::new(),
        };
        Ok(Joined { missing_nodes: names(missing) })
    }

    /// Before it enters: waits until the other nodes know that its namespace, and the rooms that its middlewares had it join, are
    /// open here. What keeps them open is to be held until it has entered.
    pub(crate) async fn prepare_to_enter(&self) -> Option<Hold> {
        let namespace = &self.0.namespace;
        let uplink = namespace.uplink()?;
        namespace.confirmed().await;
        let rooms = self.extras().rooms.names();
        if rooms.is_empty() {
            return None;
        }
        let hold = uplink.hold(namespace.name(), &rooms);
        hold.confirmed().await;
        Some(hold)
    }

    /// On its own thread.
    pub(crate) fn join_here(&self, room: &str) -> Result<(), JoinError> {
        if room == self.id() {
            return Ok(());
        }
        let core = self.0.namespace.core();
        if core.ids.looks_like_own(room) || core.uplink.as_ref().is_some_and(|other| other.is_socket_id(room))
        {
            return Err(JoinError::ForeignId);
        }
        let room: RoomName = {
            let mut extras = self.extras();
            if self.0.state.load(Ordering::Acquire) == DISCONNECTED {
                return Err(JoinError::Disconnected);
            }
            let Some(room) = extras.rooms.add(room) else { return Ok(()) };
            room
        };
        self.enter_room(&room);
        Ok(())
    }

    pub(super) fn enter_room(&self, room: &RoomName) {
        let namespace = &self.0.namespace;
        // In a middleware it has no hub yet: `enter` does it. Not by another thread's: its slots are other sockets.
        if self.is_connected()
            && self.0.hub.get().is_some_and(|hub| hub.is_here())
            && let Some(hub) = namespace.hubs().here()
        {
            let slot = self.0.slot.load(Ordering::Acquire);
            hub.join(namespace.number, slot, room, &namespace.rooms, || Watcher::of(namespace));
            self.tell_membership(room, Membership::Joined);
        }
    }

    pub(super) fn tell_membership(&self, room: &str, change: Membership) {
        for listener in &self.0.namespace.registry.load().memberships {
            guarded("a listener to memberships", || listener(self, room, change));
        }
        self.0.namespace.core().observers.tell(|observer| observer.membership(self, room, change));
    }

    /// Leaves a room.
    pub async fn leave(&self, room: &str) {
        match self.0.hub.get() {
            Some(hub) if !hub.is_here() => {
                let (sender, receiver) = oneshot::channel();
                let (socket, room) = (self.clone(), room.to_owned());
                hub.visit(move |_| {
                    socket.leave_here(&room);
                    let _ = sender.send(());
                });
                // An error is a thread that has ended, and the socket with it.
                let _ = receiver.await;
            }
            _ => self.leave_here(room),
        }
    }

    /// On its own thread.
    pub(crate) fn leave_here(&self, room: &str) {
        let Some(room) = self.extras().rooms.remove(room) else { return };
        let namespace = &self.0.namespace;
        if self.is_connected()
            && self.0.hub.get().is_some_and(|hub| hub.is_here())
            && let Some(hub) = namespace.hubs().here()
        {
            hub.leave(namespace.number, self.0.slot.load(Ordering::Acquire), &room, &namespace.rooms);
            self.tell_membership(&room, Membership::Left);
        }
    }
}

//! The rooms of a socket.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{DISCONNECTED, Socket};
use crate::broadcast_operator::RoomNames;
use crate::delivery::RoomName;
use crate::error::JoinError;
use crate::handler::Watcher;

impl Socket {
    /// The rooms it is in, its own id first.
    pub fn rooms(&self) -> Vec<String> {
        let extras = self.extras();
        std::iter::once(self.id()).chain(extras.rooms.iter().map(|room| &**room)).map(str::to_owned).collect()
    }

    /// Joins rooms. When it returns, whatever is emitted to them reaches this socket. In a middleware: when it
    /// is connected.
    pub async fn join(&self, rooms: impl RoomNames) -> Result<(), JoinError> {
        let rooms: Vec<String> = rooms.names().collect();
        match self.0.hub.get() {
            Some(hub) if !hub.is_here() => {
                let (sender, receiver) = oneshot::channel();
                let socket = self.clone();
                hub.visit(move |_| {
                    let _ = sender.send(rooms.iter().try_for_each(|room| socket.join_here(room)));
                });
                receiver.await.unwrap_or(Err(JoinError::Disconnected))
            }
            _ => rooms.iter().try_for_each(|room| self.join_here(room)),
        }
    }

    /// On its own thread.
    pub(crate) fn join_here(&self, room: &str) -> Result<(), JoinError> {
        if room == self.id() {
            return Ok(());
        }
        if self.0.namespace.core().ids.looks_like_own(room) {
            return Err(JoinError::ForeignId);
        }
        let room: RoomName = {
            let mut extras = self.extras();
            if self.0.state.load(Ordering::Acquire) == DISCONNECTED {
                return Err(JoinError::Disconnected);
            }
            if extras.rooms.iter().any(|known| **known == *room) {
                return Ok(());
            }
            let room = RoomName::from(room);
            extras.rooms.push(room.clone());
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
        }
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
        let room = {
            let mut extras = self.extras();
            let Some(at) = extras.rooms.iter().position(|known| **known == *room) else { return };
            extras.rooms.remove(at)
        };
        let namespace = &self.0.namespace;
        if self.is_connected()
            && self.0.hub.get().is_some_and(|hub| hub.is_here())
            && let Some(hub) = namespace.hubs().here()
        {
            hub.leave(namespace.number, self.0.slot.load(Ordering::Acquire), &room, &namespace.rooms);
        }
    }
}

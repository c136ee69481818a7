//! The directory of a namespace's rooms: name → the room's actor.
//!
//! It counts the members itself, under its lock, so that no join can be sent to an actor that is closing.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;

use super::broadcast::{Broadcast, Done};
use super::hub::{HubRef, Hubs};
use super::room::{Close, FindActor, Join, Leave, Room, SendAll, Show};
use super::{RoomName, RoomWatcher};

struct Entry {
    addr: Addr<Room>,
    members: usize,
}

/// Somebody who wants to know which rooms are open in this process. Called under the directory's lock, so the calls for a room come
/// in the order of what happened; must not block, nor ask the directory.
pub(crate) trait Doors: Send + Sync {
    /// The room has its first member.
    fn opened(&self, room: &RoomName);
    /// The last member has left.
    fn closed(&self, room: &RoomName);
}

/// See the module's documentation.
pub(crate) struct Rooms {
    hubs: Arc<Hubs>,
    doors: Option<Box<dyn Doors>>,
    open: Mutex<HashMap<RoomName, Entry>>,
}

impl Rooms {
    pub(crate) fn new(hubs: Arc<Hubs>, doors: Option<Box<dyn Doors>>) -> Self {
        Self { hubs, doors, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket of `hub`, which is this thread's, is in `room` now; the first opens it.
    pub(super) fn join(
        &self,
        room: &RoomName,
        hub: &Arc<HubRef>,
        socket: &Arc<str>,
        watcher: impl FnOnce() -> Option<Box<dyn RoomWatcher>>,
    ) {
        let join = Join { hub: hub.clone(), socket: socket.clone() };
        let mut open = self.lock();
        match open.get_mut(room) {
            Some(entry) => {
                entry.members += 1;
                if !entry.addr.connected() {
                    tracing::error!("the actor of a room is gone; it is opened again");
                    entry.addr = Room::open(room.clone(), self.hubs.clone(), watcher(), true);
                }
                entry.addr.do_send(join);
            }
            None => {
                let addr = Room::open(room.clone(), self.hubs.clone(), watcher(), false);
                addr.do_send(join);
                open.insert(room.clone(), Entry { addr, members: 1 });
                if let Some(doors) = &self.doors {
                    doors.opened(room);
                }
            }
        }
    }

    /// A socket of `hub` has left `room`; the last closes it.
    pub(super) fn leave(&self, room: &RoomName, hub: &Arc<HubRef>, socket: &Arc<str>) {
        let mut open = self.lock();
        let Some(entry) = open.get_mut(room) else { return };
        entry.members -= 1;
        entry.addr.do_send(Leave { hub: hub.clone(), socket: socket.clone() });
        if entry.members == 0 {
            entry.addr.do_send(Close);
            open.remove(room);
            if let Some(doors) = &self.doors {
                doors.closed(room);
            }
        }
    }

    /// Delivers a broadcast that is for the members of this one room.
    pub(crate) fn send(&self, room: &str, broadcast: Arc<Broadcast>, done: Arc<Done>, is_watched: bool) {
        if !is_watched && let Some(hub) = self.hubs.only_here() {
            // One thread, and it is this one: its order is the order of the room.
            hub.deliver(&broadcast);
            return;
        }
        let open = self.lock();
        match open.get(room) {
            Some(entry) if entry.addr.connected() => entry.addr.do_send(SendAll { broadcast, done }),
            // No room of that name, but perhaps a socket; or the room's actor died and nobody knows its members.
            _ => {
                drop(open);
                self.hubs.deliver(&broadcast, &done);
            }
        }
    }

    /// Shows a room's actor a broadcast that is delivered past it.
    pub(crate) fn show(&self, room: &str, broadcast: Arc<Broadcast>) {
        if let Some(entry) = self.lock().get(room) {
            entry.addr.do_send(Show(broadcast));
        }
    }

    /// How many rooms have members.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// All rooms with members, and how many each has.
    pub(crate) fn sizes(&self) -> Vec<(RoomName, usize)> {
        self.lock().iter().map(|(room, entry)| (room.clone(), entry.members)).collect()
    }

    /// How many members a room has.
    pub(crate) fn size(&self, room: &str) -> usize {
        self.lock().get(room).map_or(0, |entry| entry.members)
    }

    /// The user's actor of a room.
    pub(crate) async fn actor(&self, room: &str) -> Option<Box<dyn Any + Send>> {
        let addr = self.lock().get(room)?.addr.clone();
        addr.send(FindActor).await.ok().flatten()
    }
}

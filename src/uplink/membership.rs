//! Which rooms are open here, and which other nodes say that they hold them, too.
//!
//! The numbers of others are hints: whoever needs to know asks the nodes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socketio_cluster::node::NodeId;

use crate::delivery::RoomName;

type Namespace = Arc<str>;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Membership {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rooms that are open here, with the members that other nodes told of.
    rooms: HashMap<Namespace, HashMap<RoomName, Vec<(NodeId, u64)>>>,
    /// Rooms that have opened or closed since this was last said.
    changed: HashMap<Namespace, HashSet<RoomName>>,
}

impl Membership {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A room has opened here.
    pub(crate) fn opened(&self, namespace: &Namespace, room: &RoomName) {
        let mut state = self.lock();
        state.rooms.entry(namespace.clone()).or_default().insert(room.clone(), Vec::new());
        state.changed.entry(namespace.clone()).or_default().insert(room.clone());
    }

    /// A room has closed here.
    pub(crate) fn closed(&self, namespace: &Namespace, room: &RoomName) {
        let mut state = self.lock();
        if let Some(rooms) = state.rooms.get_mut(namespace) {
            rooms.remove(room);
            if rooms.is_empty() {
                state.rooms.remove(namespace);
            }
        }
        state.changed.entry(namespace.clone()).or_default().insert(room.clone());
    }

    /// A node says how many members it has in rooms: those of them that are open here.
    pub(crate) fn told(&self, from: NodeId, namespace: &str, told: &[(RoomName, u64)]) -> Vec<RoomName> {
        let mut state = self.lock();
        let Some(rooms) = state.rooms.get_mut(namespace) else { return Vec::new() };
        let mut shared = Vec::new();
        for (room, members) in told {
            let Some(elsewhere) = rooms.get_mut(room) else { continue };
            elsewhere.retain(|(node, _)| *node != from);
            if *members > 0 {
                elsewhere.push((from, *members));
            }
            shared.push(room.clone());
        }
        shared
    }

    /// The nodes that said they hold a room that is open here, too.
    pub(crate) fn elsewhere(&self, namespace: &str, room: &str) -> Vec<(NodeId, u64)> {
        let state = self.lock();
        state.rooms.get(namespace).and_then(|rooms| rooms.get(room)).cloned().unwrap_or_default()
    }

    /// A node is gone, and what it said.
    pub(crate) fn forget(&self, node: NodeId) {
        for elsewhere in self.lock().rooms.values_mut().flat_map(HashMap::values_mut) {
            elsewhere.retain(|(known, _)| *known != node);
        }
    }

    /// What a node said of the rooms for which `concerns` holds may be out of date.
    pub(crate) fn doubt(&self, node: NodeId, concerns: impl Fn(&str, &str) -> bool) {
        for (namespace, rooms) in &mut self.lock().rooms {
            for (room, elsewhere) in rooms {
                if elsewhere.iter().any(|(known, _)| *known == node) && concerns(namespace, room) {
                    elsewhere.retain(|(known, _)| *known != node);
                }
            }
        }
    }

    /// What has to be said: rooms that opened or closed.
    pub(crate) fn take_changed(&self) -> Vec<(Namespace, RoomName)> {
        let changed = std::mem::take(&mut self.lock().changed);
        let pairs = |(namespace, rooms): (Namespace, HashSet<RoomName>)| {
            rooms.into_iter().map(move |room| (namespace.clone(), room))
        };
        changed.into_iter().flat_map(pairs).collect()
    }

    /// All rooms that are open here have to be said again, or those for which `concerns` holds.
    pub(crate) fn say_again(&self, concerns: impl Fn(&str, &str) -> bool) {
        let mut state = self.lock();
        let State { rooms, changed } = &mut *state;
        for (namespace, rooms) in rooms {
            let concerned = rooms.keys().filter(|room| concerns(namespace, room)).cloned();
            let concerned: Vec<_> = concerned.collect();
            if !concerned.is_empty() {
                changed.entry(namespace.clone()).or_default().extend(concerned);
            }
        }
    }
}

//! Rooms and namespaces that open and close here: their subjects are needed from then on, and others are told.

use std::sync::Arc;

use socketio_cluster::node::NodeId;
use socketio_cluster::subject::Subject;

use super::Uplink;
use crate::delivery::{Doors, RoomName};

impl Uplink {
    /// What watches the rooms of a namespace open and close.
    pub(crate) fn doors(self: &Arc<Self>, namespace: &Arc<str>) -> Box<dyn Doors> {
        Box::new(NamespaceDoors { uplink: self.clone(), namespace: namespace.clone() })
    }

    /// Needs the subjects of rooms, or of the namespace if there are none, for as long as the result lives.
    pub(crate) fn hold<'a>(
        self: &Arc<Self>,
        namespace: &str,
        rooms: impl IntoIterator<Item = &'a RoomName>,
    ) -> Hold {
        let mut subjects: Vec<Subject> =
            rooms.into_iter().map(|room| self.subjects.room(namespace, room).clone()).collect();
        if subjects.is_empty() {
            subjects.push(self.subjects.namespace(namespace).clone());
        }
        subjects.iter().for_each(|subject| self.opening.open(subject));
        Hold { uplink: self.clone(), subjects }
    }

    /// Waits until every live node knows that rooms of a namespace are open here: who did not confirm it in time.
    pub(crate) async fn rooms_confirmed(&self, namespace: &str, rooms: &[impl AsRef<str>]) -> Vec<NodeId> {
        let subjects: Vec<_> =
            rooms.iter().map(|room| self.subjects.room(namespace, room.as_ref())).collect();
        let mut missing = self.confirmed(&subjects).await;
        // Those could not be asked.
        missing.extend(self.members.unreachable());
        missing
    }

    async fn confirmed(&self, subjects: &[&Subject]) -> Vec<NodeId> {
        let limit = self.config.fence_interval() + self.config.fence_timeout();
        match tokio::time::timeout(limit, self.opening.confirmed(subjects)).await {
            Ok(missing) => missing,
            // Nobody confirmed it.
            Err(_) => self.members.split().0,
        }
    }

    /// The other nodes that said they have members in a room that is open here.
    pub(crate) fn elsewhere(&self, namespace: &str, room: &str) -> Vec<(NodeId, u64)> {
        self.membership.elsewhere(namespace, room)
    }

    /// How many subjects of rooms and namespaces are subscribed.
    pub(crate) fn subscribed(&self) -> usize {
        self.opening.subscribed()
    }
}

/// Subjects that are needed.
pub(crate) struct Hold {
    uplink: Arc<Uplink>,
    subjects: Vec<Subject>,
}

impl Hold {
    /// Waits until every live node knows: who did not confirm it in time.
    pub(crate) async fn confirmed(&self) -> Vec<NodeId> {
        let subjects: Vec<_> = self.subjects.iter().collect();
        self.uplink.confirmed(&subjects).await
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for subject in &self.subjects {
            self.uplink.opening.close(subject);
        }
    }
}

struct NamespaceDoors {
    uplink: Arc<Uplink>,
    namespace: Arc<str>,
}

impl Doors for NamespaceDoors {
    fn opened(&self, room: &RoomName) {
        self.uplink.opening.open(self.uplink.subjects.room(&self.namespace, room));
        self.uplink.membership.opened(&self.namespace, room);
    }

    fn closed(&self, room: &RoomName) {
        self.uplink.membership.closed(&self.namespace, room);
        self.uplink.opening.close(self.uplink.subjects.room(&self.namespace, room));
    }
}

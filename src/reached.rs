//! What calls that concern many nodes return: what came, and which nodes did not answer.

use socketio_cluster::node::NodeId;

use crate::remote_socket::RemoteSocket;

/// What [`fetch_sockets`](crate::BroadcastOperator::fetch_sockets) found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchedSockets {
    /// The sockets.
    pub sockets: Vec<RemoteSocket>,
    /// The nodes that did not answer, by id: sockets of theirs may be missing.
    pub missing_nodes: Vec<String>,
}

impl IntoIterator for FetchedSockets {
    type Item = RemoteSocket;
    type IntoIter = std::vec::IntoIter<RemoteSocket>;

    fn into_iter(self) -> Self::IntoIter {
        self.sockets.into_iter()
    }
}

/// What a call did to sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// How many sockets it concerned, on the nodes that answered.
    pub sockets: u64,
    /// The nodes that did not answer, by id: it may or may not have happened there. Of a join, also those that did not confirm in time
    /// to the node of a socket that they know of it: what is emitted there may be missed.
    pub missing_nodes: Vec<String>,
}

/// The members of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomSize {
    /// How many there are on the nodes that answered.
    pub members: u64,
    /// The nodes that did not answer, by id.
    pub missing_nodes: Vec<String>,
}

/// The rooms of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomList {
    /// The rooms with members on the nodes that answered, in order, each with how many; without the sockets' own.
    pub rooms: Vec<(String, u64)>,
    /// The nodes that did not answer, by id.
    pub missing_nodes: Vec<String>,
}

/// What a socket has joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The nodes that did not confirm in time that they know of it, by id: what is emitted there may be missed. It is a member all
    /// the same.
    pub missing_nodes: Vec<String>,
}

/// Ids of nodes, in order, each once.
pub(crate) fn names(nodes: impl IntoIterator<Item = NodeId>) -> Vec<String> {
    let mut names: Vec<_> = nodes.into_iter().map(|node| node.to_string()).collect();
    names.sort();
    names.dedup();
    names
}

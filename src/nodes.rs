//! The nodes of the cluster, as this one knows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::config::ClusterConfig;
use crate::error::EmitError;
use crate::protocol::{FromArgs, ToArgs};
use crate::server::SocketIo;
use crate::server_side::ServerSideAcks;

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its id for as long as it runs: the end of the ids of its sockets.
    pub id: String,
    /// What people call it; empty for one that has not introduced itself yet.
    pub name: String,
    /// When it started, as far as this node's clock tells.
    pub since: SystemTime,
    /// How many sockets it has, as of its last sign of life.
    pub sockets: u64,
    /// How many rooms have members there, as of its last sign of life; without the sockets' own. A room with members on several nodes
    /// counts on each.
    pub rooms: u64,
    /// How many cores its process uses, as of its last sign of life: 0.5 is half of one.
    pub load: f64,
    /// Whether it is this node.
    pub is_here: bool,
    /// Whether it was heard lately. One that was not, while this node's own connection was away, is still listed.
    pub is_reachable: bool,
}

/// What happened on the way between nodes, counted since the server was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Messages of other nodes that did not arrive.
    pub lost: u64,
    /// Messages that were none: garbage, another version of the protocol, what an external process did not write as it should.
    pub refused: u64,
    /// Messages of this node that were not sent: the broker was away, or too slow, for too long.
    pub unsent: u64,
    /// Times the connection to the broker came back.
    pub reconnects: u64,
    /// How long this node's last heartbeat took to the broker and back to this node, through all queues on the way; as long as it is away,
    /// how long it has been. Zero before the first.
    pub round_trip: Duration,
    /// Subjects of rooms and namespaces that are subscribed.
    pub subscriptions: u64,
}

impl SocketIo {
    /// What happened on the way to and from other nodes. All zero for a server without a bus.
    pub fn cluster_stats(&self) -> ClusterStats {
        let Some(uplink) = self.uplink() else { return ClusterStats::default() };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &uplink.counters;
        ClusterStats {
            lost: load(&counters.lost),
            refused: load(&counters.refused) + load(&counters.refused_external),
            unsent: load(&counters.unsent),
            reconnects: load(&counters.reconnects),
            round_trip: Duration::from_micros(load(&counters.round_trip)),
            subscriptions: uplink.subscribed() as u64,
        }
    }

    /// The id of this node: the end of the ids of its sockets.
    pub fn node_id(&self) -> &str {
        self.token().as_str()
    }

    /// The nodes of the cluster, this one first; only this one if there is no bus.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let holding = self.holding();
        let Some(uplink) = self.uplink() else {
            return vec![NodeInfo {
                id: self.node_id().to_owned(),
                name: ClusterConfig::default().name,
                since: self.started(),
                sockets: holding.sockets,
                rooms: holding.rooms,
                load: 0.0,
                is_here: true,
                is_reachable: true,
            }];
        };
        let own = uplink.own_heartbeat(holding);
        let mut members = uplink.members();
        members.sort_by_key(|member| member.id);
        std::iter::once(own)
            .chain(members)
            .map(|member| NodeInfo {
                id: member.id.to_string(),
                name: member.name.to_string(),
                since: member.since,
                sockets: member.sockets,
                rooms: member.rooms,
                load: member.load as f64 / 1000.0,
                is_here: member.id == uplink.node().id,
                is_reachable: member.is_reachable,
            })
            .collect()
    }

    /// Whether the other nodes can be reached now, as far as is known. True for a server without a bus.
    pub fn is_cluster_connected(&self) -> bool {
        self.uplink().is_none_or(|uplink| uplink.is_connected())
    }

    /// Waits until the connection to the broker is there and the nodes that live have been heard, at most `timeout`: false if there is
    /// no connection by then. At once for a server without a bus. To be called before clients are let in, so that the first of them find
    /// everybody.
    pub async fn cluster_ready(&self, timeout: Duration) -> bool {
        match self.uplink() {
            Some(uplink) => uplink.ready(timeout).await,
            None => true,
        }
    }

    /// Sends an event to the other servers of the cluster, in the namespace `/`: see
    /// [`Namespace::server_side_emit`](crate::Namespace::server_side_emit).
    pub async fn server_side_emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.of("/").server_side_emit(event, data).await
    }

    /// As [`server_side_emit`](Self::server_side_emit), and collects what the servers answer.
    pub async fn server_side_emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<ServerSideAcks<R>, EmitError> {
        self.of("/").server_side_emit_with_ack(event, data).await
    }
}

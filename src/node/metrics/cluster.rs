//! What the node tells of the others, and of the way to them.

use std::fmt;

use actix_socketio::SocketIo;

use super::{Sheet, Source};

/// See the module's documentation.
pub(super) struct Cluster(SocketIo);

impl Cluster {
    pub(super) fn new(io: &SocketIo) -> Self {
        Self(io.clone())
    }
}

impl Source for Cluster {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let nodes = self.0.nodes();
        let reachable = nodes.iter().filter(|node| node.is_reachable).count();
        let states = [(["reachable"], reachable), (["unreachable"], nodes.len() - reachable)];
        sheet.gauge("socketio_nodes", "Nodes of the cluster, this one included", ["state"], states)?;
        let is_connected = u64::from(self.0.is_cluster_connected());
        let help = "1 unless NATS is away from a node that is part of a cluster";
        sheet.gauge("socketio_nats_connected", help, [], [([], is_connected)])?;
        let stats = self.0.cluster_stats();
        let help = "How long the last heartbeat took to NATS and back, through all queues on the way";
        sheet.gauge("socketio_nats_lag_seconds", help, [], [([], stats.round_trip.as_secs_f64())])?;
        sheet.gauge("socketio_nats_subscriptions", "Subscribed subjects", [], [([], stats.subscriptions)])?;
        let reconnects = [([], stats.reconnects)];
        sheet.counter("socketio_nats_reconnects", "Times that NATS came back", [], reconnects)?;
        let help = "Messages of other nodes that did not arrive";
        sheet.counter("socketio_nats_lost_messages", help, [], [([], stats.lost)])?;
        let help = "Messages that were none of a node, nor of an external process";
        sheet.counter("socketio_nats_refused_messages", help, [], [([], stats.refused)])?;
        let help = "Messages of this node that NATS did not take in time";
        sheet.counter("socketio_nats_unsent_messages", help, [], [([], stats.unsent)])
    }
}

//! The endpoint's relayed sessions over the bus: where [`engine`](crate::engine) and the cluster meet.

use std::sync::{Arc, Weak};

use socketio_cluster::message::Message;
use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{End, Part, Refusal, Relay};

use super::Uplink;
use crate::engine::{Engine, RelayBus};

/// The endpoint's way to other nodes. It does not keep the uplink alive: the endpoint outlives it.
struct OverUplink(Weak<Uplink>);

impl RelayBus for OverUplink {
    fn live_node(&self, token: &str) -> Option<NodeId> {
        let uplink = self.0.upgrade()?;
        if uplink.is_connected() { uplink.live_node(token) } else { None }
    }

    fn send(&self, node: NodeId, message: Relay) -> bool {
        let sent = self.0.upgrade().map(|uplink| uplink.send_to(node, Message::Relay(message)));
        match sent {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::debug!(%node, %error, "part of a relayed session could not be sent");
                false
            }
            None => false,
        }
    }
}

impl Uplink {
    /// Relays the sessions of an endpoint from now on.
    pub(crate) fn relay(self: &Arc<Self>, engine: &Engine) {
        let _ = self.relay.set(engine.relay_over(Arc::new(OverUplink(Arc::downgrade(self)))));
    }

    /// Something about a relayed session came.
    pub(super) fn relayed(&self, from: NodeId, message: Relay) {
        match (self.relay.get(), message) {
            (Some(inbox), message) => inbox.receive(from, message),
            // This node does not take part.
            (None, Relay::Stream { id, sender: End::Edge, sequence: 0, .. }) => {
                let part = Part::Refused(Refusal::SessionUnknown);
                let refused = Relay::Stream { id, sender: End::Owner, sequence: 0, part };
                let _ = self.send_to(from, Message::Relay(refused));
            }
            (None, _) => {}
        }
    }

    /// Streams with a node cannot go on.
    pub(super) fn relay_gone(&self, node: NodeId) {
        if let Some(inbox) = self.relay.get() {
            inbox.node_gone(node);
        }
    }

    /// Messages of a node to this one are missing.
    pub(super) fn relay_lost(&self, from: NodeId) {
        if let Some(inbox) = self.relay.get() {
            inbox.lost(from);
        }
    }
}

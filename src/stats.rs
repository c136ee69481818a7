//! What this node has done and what it holds, in numbers: [`SocketIo::stats`].

use std::time::Duration;

use crate::counters::{Counter, LATENCY_BOUNDS, Refused, Shard, Traffic};
use crate::disconnect_reason::DisconnectReason;
use crate::server::SocketIo;

/// What this node has done since the server was built, and what it holds at this moment. Of its own clients, whichever node they came in by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections on HTTP long-polling.
    pub polling: TransportStats,
    /// Connections on websockets.
    pub websocket: TransportStats,
    /// Connections that began on polling and went over to a websocket.
    pub upgrades: u64,
    /// Requests to the endpoint that were refused, by why: always all of them, in the same order.
    pub refusals: Vec<(&'static str, u64)>,
    /// Connections that ended, by why: always all reasons, in the same order. Those of namespaces end no connection and count nothing.
    pub closes: Vec<(DisconnectReason, u64)>,
    /// Connections that were closed because their client read too slowly. They are among those that ended by a transport error.
    pub slow_clients: u64,
    /// Sockets that were let into a namespace.
    pub connects: u64,
    /// Sockets that were not.
    pub refused_connects: u64,
    /// Events that clients sent.
    pub events: u64,
    /// Acknowledgements that clients got.
    pub acks_sent: u64,
    /// Acknowledgements that clients were asked for from here.
    pub acks: AckStats,
    /// Broadcasts from here that had sockets of this node among their receivers, or might have.
    pub broadcasts: u64,
    /// Broadcasts of other nodes that did, or might.
    pub broadcasts_received: u64,
    /// Messages that broadcasts put into the outboxes of this node's clients: the fan-out is this per broadcast.
    pub deliveries: u64,
}

/// What goes over one kind of transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Open connections at this moment.
    pub connections: u64,
    /// Bytes that wait in their outboxes at this moment.
    pub outbox_bytes: u64,
    /// Connections that began on it.
    pub handshakes: u64,
    /// Engine.IO packets that came; an attachment is one.
    pub packets_received: u64,
    /// Bytes that came: of websockets what was read from the socket, of polling the bodies of requests.
    pub bytes_received: u64,
    /// Engine.IO packets that were sent; an attachment is one.
    pub packets_sent: u64,
    /// Bytes that were sent: to websockets what the socket took, to polling the bodies of answers before they are compressed.
    pub bytes_sent: u64,
}

/// Acknowledgements that clients of any node were asked for from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AckStats {
    /// Those that came, by how long it took: the upper bound, and how many took no longer but longer than the bound before. The last has no
    /// bound.
    pub latencies: Vec<(Option<Duration>, u64)>,
    /// How long all that came took together.
    pub total_latency: Duration,
    /// Those that did not come in time.
    pub timed_out: u64,
    /// Those of clients that left before.
    pub failed: u64,
}

impl SocketIo {
    /// What this node has done and what it holds: see [`Stats`]. Looks at each connection, so it is for a few times in a second at most; what
    /// goes on meanwhile may be in it or not.
    pub fn stats(&self) -> Stats {
        let counters = self.counters();
        let sum = |counter: fn(&Shard) -> &Counter| counters.sum(counter);
        let [polling, websocket] = self.engine().weigh();
        let transport =
            |(connections, outbox_bytes): (usize, usize), traffic: fn(&Shard) -> &Traffic| TransportStats {
                connections: connections as u64,
                outbox_bytes: outbox_bytes as u64,
                handshakes: counters.sum(|shard| &traffic(shard).handshakes),
                packets_received: counters.sum(|shard| &traffic(shard).packets_received),
                bytes_received: counters.sum(|shard| &traffic(shard).bytes_received),
                packets_sent: counters.sum(|shard| &traffic(shard).packets_sent),
                bytes_sent: counters.sum(|shard| &traffic(shard).bytes_sent),
            };
        let refusals = Refused::ALL
            .iter()
            .map(|(refused, why)| (*why, counters.sum(|shard| &shard.refusals[*refused as usize])));
        let closes = DisconnectReason::ALL.iter().enumerate().filter(|(_, reason)| reason.ends_connections());
        let closes = closes.map(|(at, reason)| (*reason, counters.sum(|shard| &shard.closes[at])));
        let bounds = LATENCY_BOUNDS.iter().map(|bound| Some(Duration::from_millis(*bound))).chain([None]);
        let latencies =
            bounds.enumerate().map(|(at, bound)| (bound, counters.sum(|shard| &shard.ack_latencies[at])));
        Stats {
            polling: transport(polling, |shard| &shard.polling),
            websocket: transport(websocket, |shard| &shard.websocket),
            upgrades: sum(|shard| &shard.upgrades),
            refusals: refusals.collect(),
            closes: closes.collect(),
            slow_clients: sum(|shard| &shard.slow_clients),
            connects: sum(|shard| &shard.connects),
            refused_connects: sum(|shard| &shard.refused_connects),
            events: sum(|shard| &shard.events),
            acks_sent: sum(|shard| &shard.acks_sent),
            acks: AckStats {
                latencies: latencies.collect(),
                total_latency: Duration::from_micros(sum(|shard| &shard.ack_micros)),
                timed_out: sum(|shard| &shard.acks_timed_out),
                failed: sum(|shard| &shard.acks_failed),
            },
            broadcasts: sum(|shard| &shard.broadcasts),
            broadcasts_received: sum(|shard| &shard.broadcasts_received),
            deliveries: sum(|shard| &shard.deliveries),
        }
    }
}

//! What a server counts: how often things happened since it was built, for [`SocketIo::stats`](crate::SocketIo::stats).
//!
//! Every part of the server adds here, once per read, flush or fan-out rather than per byte or member. Threads add to shards of their own,
//! so nobody waits for a cache line; only the sum says something. Must never import anything but `disconnect_reason`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::disconnect_reason::DisconnectReason;

/// More threads than that share.
const SHARDS: usize = 16;

/// The upper bounds of the latencies that are told apart, in milliseconds; what takes longer is in a last one without a bound.
pub(crate) const LATENCY_BOUNDS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

/// Reasons by their number in [`DisconnectReason::ALL`].
const REASONS: usize = DisconnectReason::ALL.len();

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What goes over one kind of transport.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) handshakes: Counter,
    pub(crate) packets_received: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) packets_sent: Counter,
    pub(crate) bytes_sent: Counter,
}

impl Traffic {
    pub(crate) fn received(&self, packets: usize, bytes: usize) {
        self.packets_received.add(packets);
        self.bytes_received.add(bytes);
    }

    pub(crate) fn sent(&self, packets: usize, bytes: usize) {
        self.packets_sent.add(packets);
        self.bytes_sent.add(bytes);
    }
}

/// The counters of some threads; each is described where [`Stats`](crate::Stats) shows it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Shard {
    pub(crate) polling: Traffic,
    pub(crate) websocket: Traffic,
    pub(crate) upgrades: Counter,
    pub(crate) refusals: [Counter; Refused::ALL.len()],
    pub(crate) closes: [Counter; REASONS],
    pub(crate) slow_clients: Counter,
    pub(crate) connects: Counter,
    pub(crate) refused_connects: Counter,
    pub(crate) events: Counter,
    pub(crate) acks_sent: Counter,
    pub(crate) broadcasts: Counter,
    pub(crate) broadcasts_received: Counter,
    pub(crate) deliveries: Counter,
    pub(crate) acks_timed_out: Counter,
    pub(crate) acks_failed: Counter,
    pub(crate) ack_latencies: [Counter; LATENCY_BOUNDS.len() + 1],
    pub(crate) ack_micros: Counter,
}

impl Shard {
    /// A connection is over.
    pub(crate) fn closed(&self, reason: DisconnectReason) {
        if let Some(at) = DisconnectReason::ALL.iter().position(|known| *known == reason) {
            self.closes[at].add(1);
        }
    }

    /// A client acknowledged what it was asked so long ago.
    pub(crate) fn acknowledged(&self, latency: Duration) {
        let millis = latency.as_micros().div_ceil(1000);
        let at = LATENCY_BOUNDS.iter().position(|bound| millis <= u128::from(*bound));
        self.ack_latencies[at.unwrap_or(LATENCY_BOUNDS.len())].add(1);
        self.ack_micros.add(usize::try_from(latency.as_micros()).unwrap_or(usize::MAX));
    }
}

/// Why a request to the endpoint was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Transport,
    Session,
    Method,
    Request,
    Forbidden,
    TooMany,
    Protocol,
    Unavailable,
}

impl Refused {
    pub(crate) const ALL: [(Self, &str); 8] = [
        (Self::Transport, "transport_unknown"),
        (Self::Session, "session_unknown"),
        (Self::Method, "bad_method"),
        (Self::Request, "bad_request"),
        (Self::Forbidden, "forbidden"),
        (Self::TooMany, "too_many_requests"),
        (Self::Protocol, "protocol_version"),
        (Self::Unavailable, "unavailable"),
    ];
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Counters([Shard; SHARDS]);

impl Counters {
    /// Where this thread adds.
    pub(crate) fn here(&self) -> &Shard {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        // A thread that ends has no number any more.
        &self.0[SHARD.try_with(|shard| *shard).unwrap_or(0)]
    }

    /// What all threads have counted.
    pub(crate) fn sum(&self, counter: impl Fn(&Shard) -> &Counter) -> u64 {
        self.0.iter().map(|shard| counter(shard).get()).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_count_together() {
        let counters = std::sync::Arc::new(Counters::default());
        let threads = (0..40).map(|_| {
            let counters = counters.clone();
            std::thread::spawn(move || counters.here().events.add(2))
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        counters.here().events.add(1);
        assert_eq!(counters.sum(|shard| &shard.events), 81);
    }

    #[test]
    fn latencies_fall_under_their_bounds() {
        let shard = Shard::default();
        for micros in [0, 1000, 1001, 2000, 10_000_000, 10_000_001] {
            shard.acknowledged(Duration::from_micros(micros));
        }
        let counts = shard.ack_latencies.iter().map(Counter::get).collect::<Vec<_>>();
        assert_eq!(counts, [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn every_refusal_has_its_place() {
        for (at, (refused, _)) in Refused::ALL.iter().enumerate() {
            assert_eq!(*refused as usize, at);
        }
    }
}

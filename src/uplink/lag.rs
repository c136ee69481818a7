//! How long the broker takes: from the sending of a heartbeat until it comes back, as every message of a node's own does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One heartbeat at a time is watched.
#[derive(Default)]
pub(super) struct Lag {
    /// The order of the first heartbeat that has not come back, and when it was sent.
    beat: Option<(u64, Instant)>,
}

impl Lag {
    /// A heartbeat was sent, if that was possible. One that is still away took at least so long.
    pub(super) fn sent(&mut self, order: Option<u64>, now: Instant, micros: &AtomicU64) {
        match (self.beat, order) {
            (Some((_, since)), _) => store(micros, now - since),
            (None, Some(order)) => self.beat = Some((order, now)),
            (None, None) => {}
        }
    }

    /// A message of this node's own came back.
    pub(super) fn came_back(&mut self, order: u64, micros: &AtomicU64) {
        if let Some((_, since)) = self.beat.take_if(|(beat, _)| order >= *beat) {
            store(micros, since.elapsed());
        }
    }
}

fn store(micros: &AtomicU64, lag: Duration) {
    micros.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

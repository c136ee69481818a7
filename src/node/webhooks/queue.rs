//! What waits to be told to one webhook: bounded in number and bytes. When it is full, what comes is dropped and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_socketio::trace::TraceContext;
use tokio::sync::Notify;

/// What a webhook has done since the node started.
#[derive(Debug, Default)]
pub(in crate::node) struct Counters {
    /// Records that its server took.
    pub(in crate::node) delivered: AtomicU64,
    /// Records that did not fit into the queue.
    pub(in crate::node) overflowed: AtomicU64,
    /// Records that its server refused.
    pub(in crate::node) refused: AtomicU64,
    /// Records that were given up after too long.
    pub(in crate::node) expired: AtomicU64,
    /// Requests that failed and were made again.
    pub(in crate::node) retries: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<(String, Option<Box<TraceContext>>)>,
    bytes: usize,
    /// The first so many are being told.
    in_flight: usize,
    is_closed: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

/// Some of what waits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// The records, with commas between them.
    pub(super) records: String,
    pub(super) count: usize,
    /// What they belong to, as far as that is recorded.
    pub(super) traces: Vec<TraceContext>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there is no room: there is for so many records, of so many bytes together.
    pub(super) fn push(
        &self,
        record: String,
        trace: Option<&TraceContext>,
        (max_records, max_bytes): (usize, usize),
    ) -> bool {
        {
            let mut waiting = self.lock();
            if waiting.is_closed
                || waiting.records.len() >= max_records
                || waiting.bytes + record.len() > max_bytes
            {
                return false;
            }
            waiting.bytes += record.len();
            waiting.records.push_back((record, trace.cloned().map(Box::new)));
        }
        self.changed.notify_one();
        true
    }

    /// How many wait, those that are being told included.
    pub(super) fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Waits until something is there; false if nothing will be any more.
    pub(super) async fn has_some(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let waiting = self.lock();
                if !waiting.records.is_empty() {
                    return true;
                }
                if waiting.is_closed {
                    return false;
                }
            }
            changed.await;
        }
    }

    /// Waits until there are that many, or nothing more will come.
    pub(super) async fn has(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            {
                let waiting = self.lock();
                if waiting.records.len() >= count || waiting.is_closed {
                    return;
                }
            }
            changed.await;
        }
    }

    /// The first records. They wait until [`done`](Self::done).
    pub(super) fn batch(&self, max: usize) -> Batch {
        let mut waiting = self.lock();
        let count = waiting.records.len().min(max);
        waiting.in_flight = count;
        let size: usize = waiting.records.iter().take(count).map(|(record, _)| record.len() + 1).sum();
        let mut records = String::with_capacity(size);
        let mut traces = Vec::new();
        for (record, trace) in waiting.records.iter().take(count) {
            if !records.is_empty() {
                records.push(',');
            }
            records.push_str(record);
            traces.extend(trace.as_deref().cloned());
        }
        Batch { records, count, traces }
    }

    /// The last batch needs not be told again.
    pub(super) fn done(&self) {
        let mut waiting = self.lock();
        let count = std::mem::take(&mut waiting.in_flight);
        let bytes: usize = waiting.records.drain(..count).map(|(record, _)| record.len()).sum();
        waiting.bytes -= bytes;
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let queue = Queue::default();
        let push = |record: &str| queue.push(record.to_owned(), None, (3, 10));
        let batch = |max| {
            let Batch { records, count, .. } = queue.batch(max);
            (records, count)
        };
        for (record, fits) in [("aaaa", true), ("bbbb", true), ("ccc", false), ("cc", true), ("", false)] {
            assert_eq!(push(record), fits, "{record}");
        }
        assert_eq!(batch(2), ("aaaa,bbbb".to_owned(), 2));
        assert_eq!(batch(2).0, "aaaa,bbbb", "until it is done");
        assert!(!push("d"), "what is being told takes room, too");
        queue.done();
        assert!(push("dddddddd"));
        assert_eq!((batch(9), queue.len()), (("cc,dddddddd".to_owned(), 2), 2));
        queue.done();
        queue.close();
        assert!(!push("e"));
    }
}

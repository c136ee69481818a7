//! What waits to be told to one webhook: bounded in number and bytes. When it is full, what comes is dropped and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    records: VecDeque<String>,
    bytes: usize,
    /// The first so many are being told.
    in_flight: usize,
    is_closed: bool,
}

/// See the module's documentation.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    max_records: usize,
    max_bytes: usize,
    changed: Notify,
}

impl Queue {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), max_records, max_bytes, changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there is no room.
    pub(super) fn push(&self, record: String) -> bool {
        {
            let mut waiting = self.lock();
            if waiting.is_closed
                || waiting.records.len() >= self.max_records
                || waiting.bytes + record.len() > self.max_bytes
            {
                return false;
            }
            waiting.bytes += record.len();
            waiting.records.push_back(record);
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

    /// The first records, joined by commas, and how many they are. They wait until [`done`](Self::done).
    pub(super) fn batch(&self, max: usize) -> (String, usize) {
        let mut waiting = self.lock();
        let count = waiting.records.len().min(max);
        waiting.in_flight = count;
        let size: usize = waiting.records.iter().take(count).map(|record| record.len() + 1).sum();
        let mut batch = String::with_capacity(size);
        for record in waiting.records.iter().take(count) {
            if !batch.is_empty() {
                batch.push(',');
            }
            batch.push_str(record);
        }
        (batch, count)
    }

    /// The last batch needs not be told again.
    pub(super) fn done(&self) {
        let mut waiting = self.lock();
        let count = std::mem::take(&mut waiting.in_flight);
        let bytes: usize = waiting.records.drain(..count).map(|record| record.len()).sum();
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
        let queue = Queue::new(3, 10);
        for (record, fits) in [("aaaa", true), ("bbbb", true), ("ccc", false), ("cc", true), ("", false)] {
            assert_eq!(queue.push(record.to_owned()), fits, "{record}");
        }
        assert_eq!(queue.batch(2), ("aaaa,bbbb".to_owned(), 2));
        assert_eq!(queue.batch(2).0, "aaaa,bbbb", "until it is done");
        assert!(!queue.push("d".to_owned()), "what is being told takes room, too");
        queue.done();
        assert!(queue.push("dddddddd".to_owned()));
        assert_eq!((queue.batch(9), queue.len()), (("cc,dddddddd".to_owned(), 2), 2));
        queue.done();
        queue.close();
        assert!(!queue.push("e".to_owned()));
    }
}

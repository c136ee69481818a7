//! What waits to be handed to the NATS client: bounded in messages, bytes and age, never waited for.
//!
//! Filled by the bus's callers, emptied by the [`writer`](super::writer).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::bus::{Publish, PublishError, Subscription};

/// Bounds of a [`Queue`].
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    pub(super) max_messages: usize,
    pub(super) max_bytes: usize,
    pub(super) max_age: Duration,
}

/// The part of either bound that is kept for vital messages: a flood of others must not cost a node its heartbeats.
const VITAL_PART: usize = 8;

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Operation {
    Publish(Publish),
    Subscribe(Subscription),
    Unsubscribe(Subscription),
}

#[derive(Debug)]
enum Entry {
    Publish(Publish, Instant),
    /// Make it as it is wanted by then.
    Subscription(Subscription),
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    messages: usize,
    bytes: usize,
    /// What has a `Subscription` in the queue, and whether it is wanted.
    changes: HashMap<Subscription, bool>,
    /// What the writer has subscribed.
    subscribed: HashSet<Subscription>,
    /// Messages dropped for their age, not yet told.
    expired: u64,
    /// The writer works on an operation.
    is_busy: bool,
    is_closed: bool,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    limits: QueueLimits,
    waiting: Mutex<Waiting>,
    changed: Notify,
    drained: Notify,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, waiting: Mutex::default(), changed: Notify::new(), drained: Notify::new() }
    }

    pub(super) fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let now = Instant::now();
        let (size, is_vital) = (message.body.len(), message.is_vital);
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(PublishError::Closed);
        }
        if !self.has_room(&waiting, size, is_vital) {
            waiting.expire(now, self.limits.max_age);
            if !self.has_room(&waiting, size, is_vital) {
                return Err(PublishError::Full);
            }
        }
        waiting.messages += 1;
        waiting.bytes += size;
        waiting.entries.push_back(Entry::Publish(message, now));
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// A single message larger than all may wait alone.
    fn has_room(&self, waiting: &Waiting, size: usize, is_vital: bool) -> bool {
        let open = |limit: usize| if is_vital { limit } else { limit - limit / VITAL_PART };
        waiting.messages == 0
            || (waiting.messages < open(self.limits.max_messages)
                && waiting.bytes + size <= open(self.limits.max_bytes))
    }

    /// It is to be subscribed, or not. One entry of each waits at most, however often this changes.
    pub(super) fn want(&self, subscription: Subscription, is_wanted: bool) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return;
        }
        let is_subscribed = waiting.subscribed.contains(&subscription);
        if waiting.changes.contains_key(&subscription) {
            if is_wanted == is_subscribed && !is_wanted {
                // Never subscribed and no longer wanted.
                waiting.changes.remove(&subscription);
                waiting
                    .entries
                    .retain(|entry| !matches!(entry, Entry::Subscription(other) if *other == subscription));
            } else {
                waiting.changes.insert(subscription, is_wanted);
            }
        } else if is_wanted != is_subscribed {
            waiting.changes.insert(subscription.clone(), is_wanted);
            waiting.entries.push_back(Entry::Subscription(subscription));
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// The next thing to do, in order, and how many messages were dropped since the last call because they were too old. The
    /// previous operation is over.
    pub(super) fn next(&self, is_connected: bool) -> (Option<Operation>, u64) {
        let mut waiting = self.lock();
        waiting.is_busy = false;
        waiting.expire(Instant::now(), self.limits.max_age);
        let operation = if is_connected { waiting.take() } else { None };
        waiting.is_busy = operation.is_some();
        if waiting.entries.is_empty() && !waiting.is_busy {
            self.drained.notify_waiters();
        }
        (operation, std::mem::take(&mut waiting.expired))
    }

    /// Something may have changed: the queue, or the connection.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Everything was handed to the client, or was too old.
    pub(super) async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            {
                let waiting = self.lock();
                if waiting.entries.is_empty() && !waiting.is_busy {
                    return;
                }
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing is half done when a holder panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Operation> {
        loop {
            match self.entries.pop_front()? {
                Entry::Publish(message, _) => {
                    self.messages -= 1;
                    self.bytes -= message.body.len();
                    return Some(Operation::Publish(message));
                }
                Entry::Subscription(subscription) => match self.changes.remove(&subscription) {
                    Some(true) if self.subscribed.insert(subscription.clone()) => {
                        return Some(Operation::Subscribe(subscription));
                    }
                    Some(false) if self.subscribed.remove(&subscription) => {
                        return Some(Operation::Unsubscribe(subscription));
                    }
                    // It is as it is wanted.
                    _ => {}
                },
            }
        }
    }

    /// Messages are queued in the order of their age; subscriptions between them stay.
    fn expire(&mut self, now: Instant, max_age: Duration) {
        let is_old = |since: &Instant| now.saturating_duration_since(*since) > max_age;
        let oldest = self.entries.iter().find_map(|entry| match entry {
            Entry::Publish(_, since) => Some(since),
            Entry::Subscription(_) => None,
        });
        if !oldest.is_some_and(is_old) {
            return;
        }
        let (mut messages, mut bytes) = (0, 0);
        self.entries.retain(|entry| match entry {
            Entry::Publish(message, since) if is_old(since) => {
                messages += 1;
                bytes += message.body.len();
                false
            }
            _ => true,
        });
        self.messages -= messages;
        self.bytes -= bytes;
        self.expired += messages as u64;
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

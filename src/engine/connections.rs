//! The open connections of an endpoint: session id → connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handle::Shared;

const SHARDS: usize = 16;

/// A map in shards, so that worker threads rarely wait for each other. Session ids with a custom random part could be
/// chosen by others: they could see to it that threads wait, and no more, since the hash of the maps is keyed.
pub(super) struct Connections {
    shards: [Mutex<HashMap<Arc<str>, Arc<Shared>>>; SHARDS],
    count: AtomicUsize,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { shards: Default::default(), count: AtomicUsize::new(0) }
    }

    fn shard(&self, sid: &str) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Shared>>> {
        let sum = sid.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.shards[sum % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, sid: &str) -> Option<Arc<Shared>> {
        self.shard(sid).get(sid).cloned()
    }

    pub(super) fn contains(&self, sid: &str) -> bool {
        self.shard(sid).contains_key(sid)
    }

    pub(super) fn insert(&self, shared: Arc<Shared>) {
        if self.shard(&shared.sid).insert(shared.sid.clone(), shared).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, sid: &str) {
        if self.shard(sid).remove(sid).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Looks at all of them, one shard after the other.
    pub(super) fn each(&self, mut look: impl FnMut(&Shared)) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().for_each(|shared| look(shared));
        }
    }

    /// All of them, at this moment.
    pub(super) fn all(&self) -> Vec<Arc<Shared>> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.shards {
            all.extend(shard.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        }
        all
    }
}

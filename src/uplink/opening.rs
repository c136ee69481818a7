//! Which subjects this node hears, and from when on every other node knows it: the fence.
//!
//! A subject is subscribed when the first room needs it. Until a fence has confirmed that everybody knows, whoever joins waits;
//! one fence covers all subjects that wait when it begins.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socketio_cluster::bus::Bus;
use socketio_cluster::interest::Interest;
use socketio_cluster::node::NodeId;
use socketio_cluster::subject::Subject;
use tokio::sync::{Notify, watch};

/// Fences whose results are kept for those who wait.
const MAX_RESULTS: usize = 32;

/// See the module's documentation.
pub(crate) struct Opening {
    bus: Arc<dyn Bus>,
    state: Mutex<State>,
    /// A fence is needed.
    pub(super) wake: Notify,
    /// The latest fence that is over.
    confirmed: watch::Sender<u64>,
}

struct State {
    interest: Interest,
    /// The fences that are to confirm subjects.
    pending: HashMap<Subject, u64>,
    /// Subjects that nodes did not confirm: until a later fence has all of them.
    unconfirmed: HashMap<Subject, Arc<[NodeId]>>,
    /// The fence that has begun last.
    begun: u64,
    /// Who did not confirm the last fences.
    missing: VecDeque<(u64, Arc<[NodeId]>)>,
}

impl Opening {
    pub(crate) fn new(bus: Arc<dyn Bus>, linger: Duration) -> Self {
        let state = State {
            interest: Interest::new(linger),
            pending: HashMap::new(),
            unconfirmed: HashMap::new(),
            begun: 0,
            missing: VecDeque::new(),
        };
        let (confirmed, _) = watch::channel(0);
        Self { bus, state: Mutex::new(state), wake: Notify::new(), confirmed }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more needs `subject`.
    pub(crate) fn open(&self, subject: &Subject) {
        let mut state = self.lock();
        if state.interest.open(subject) {
            self.bus.subscribe(subject.clone());
            let fence = state.begun + 1;
            state.pending.insert(subject.clone(), fence);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// One less needs it.
    pub(crate) fn close(&self, subject: &Subject) {
        self.lock().interest.close(subject, Instant::now());
    }

    /// Everything has to be confirmed again: the connection was lost.
    pub(crate) fn reopen(&self) {
        let mut state = self.lock();
        let fence = state.begun + 1;
        let subjects = state.interest.all();
        state.pending.extend(subjects.into_iter().map(|subject| (subject, fence)));
        drop(state);
        self.wake.notify_one();
    }

    /// Unsubscribes what lingered long enough; the subjects.
    pub(crate) fn sweep(&self) -> Vec<Subject> {
        let mut state = self.lock();
        let subjects = state.interest.sweep(Instant::now());
        for subject in &subjects {
            self.bus.unsubscribe(subject.clone());
            state.unconfirmed.remove(subject);
            // Who waits for its fence goes on waiting: a fence too many does no harm.
        }
        subjects
    }

    pub(crate) fn is_subscribed(&self, subject: &str) -> bool {
        self.lock().interest.is_subscribed(subject)
    }

    /// How many subjects are subscribed.
    pub(crate) fn subscribed(&self) -> usize {
        self.lock().interest.subscribed()
    }

    /// Waits until all of `subjects` are known everywhere: who did not confirm it in time.
    pub(crate) async fn confirmed(&self, subjects: &[&Subject]) -> Vec<NodeId> {
        let (needed, mut missing) = {
            let state = self.lock();
            if state.pending.is_empty() && state.unconfirmed.is_empty() {
                return Vec::new();
            }
            let needed = subjects.iter().filter_map(|subject| state.pending.get(*subject)).max().copied();
            (needed, state.unconfirmed_by(subjects))
        };
        if let Some(needed) = needed {
            let mut confirmed = self.confirmed.subscribe();
            // An error is the end of the uplink: there is nobody else.
            let _ = confirmed.wait_for(|fence| *fence >= needed).await;
            let state = self.lock();
            missing = state.unconfirmed_by(subjects);
            let of_fence = state.missing.iter().find(|(fence, _)| *fence >= needed);
            missing.extend(of_fence.iter().flat_map(|(_, missing)| missing.iter().copied()));
        }
        missing.sort();
        missing.dedup();
        missing
    }

    /// Asks once more for what was not confirmed.
    pub(super) fn retry(&self) {
        let mut state = self.lock();
        if state.unconfirmed.is_empty() || !state.pending.is_empty() {
            return;
        }
        let fence = state.begun + 1;
        let State { pending, unconfirmed, .. } = &mut *state;
        pending.extend(unconfirmed.keys().map(|subject| (subject.clone(), fence)));
        drop(state);
        self.wake.notify_one();
    }

    /// Whether subjects wait for a fence that has not begun.
    pub(super) fn is_needed(&self) -> bool {
        self.lock().needs_fence()
    }

    /// A fence begins, if one is needed.
    pub(super) fn begin(&self) -> Option<u64> {
        let mut state = self.lock();
        if !state.needs_fence() {
            return None;
        }
        state.begun += 1;
        Some(state.begun)
    }

    /// A fence is over. Those that began before it have nothing to add: it came later on the same connection.
    pub(super) fn end(&self, fence: u64, missing: Vec<NodeId>) {
        let missing: Arc<[NodeId]> = missing.into();
        let mut state = self.lock();
        let State { pending, unconfirmed, interest, .. } = &mut *state;
        for (subject, _) in pending.extract_if(|_, needed| *needed <= fence) {
            if missing.is_empty() || !interest.is_subscribed(subject.as_str()) {
                unconfirmed.remove(&subject);
            } else {
                unconfirmed.insert(subject, missing.clone());
            }
        }
        if state.missing.len() >= MAX_RESULTS {
            state.missing.pop_front();
        }
        state.missing.push_back((fence, missing));
        drop(state);
        self.confirmed.send_modify(|last| *last = fence.max(*last));
    }

    /// A node is gone: nobody misses its confirmation.
    pub(super) fn forget(&self, node: NodeId) {
        self.lock().unconfirmed.retain(|_, missing| {
            *missing = missing.iter().copied().filter(|missing| *missing != node).collect();
            !missing.is_empty()
        });
    }
}

impl State {
    fn needs_fence(&self) -> bool {
        self.pending.values().any(|needed| *needed > self.begun)
    }

    fn unconfirmed_by(&self, subjects: &[&Subject]) -> Vec<NodeId> {
        subjects
            .iter()
            .filter_map(|subject| self.unconfirmed.get(*subject))
            .flat_map(|by| by.iter().copied())
            .collect()
    }
}

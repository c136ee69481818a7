//! Which subjects this node hears, and from when on every other node knows it: the fence.
//!
//! A subject is subscribed when the first room needs it. Until a fence has confirmed that everybody knows, whoever joins waits;
//! one fence covers all subjects that wait when it begins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socketio_cluster::bus::Bus;
use socketio_cluster::interest::Interest;
use socketio_cluster::node::NodeId;
use socketio_cluster::subject::Subject;
use tokio::sync::{Notify, watch};

/// See the module's documentation.
pub(crate) struct Opening {
    bus: Arc<dyn Bus>,
    state: Mutex<State>,
    /// A fence is needed.
    pub(super) wake: Notify,
    /// The last fence that is over, with who did not confirm it.
    confirmed: watch::Sender<(u64, Arc<[NodeId]>)>,
}

struct State {
    interest: Interest,
    /// The fences that are to confirm subjects.
    pending: HashMap<Subject, u64>,
    /// The fence that has begun last.
    begun: u64,
}

impl Opening {
    pub(crate) fn new(bus: Arc<dyn Bus>, linger: Duration) -> Self {
        let state = State { interest: Interest::new(linger), pending: HashMap::new(), begun: 0 };
        let (confirmed, _) = watch::channel((0, Arc::default()));
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
            state.pending.remove(subject);
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
        let needed = {
            let state = self.lock();
            if state.pending.is_empty() {
                return Vec::new();
            }
            subjects.iter().filter_map(|subject| state.pending.get(*subject)).max().copied()
        };
        let Some(needed) = needed else { return Vec::new() };
        let mut confirmed = self.confirmed.subscribe();
        match confirmed.wait_for(|(fence, _)| *fence >= needed).await {
            Ok(confirmed) => confirmed.1.to_vec(),
            // The uplink has ended: there is nobody else.
            Err(_) => Vec::new(),
        }
    }

    /// A fence begins, if one is needed.
    pub(super) fn begin(&self) -> Option<u64> {
        let mut state = self.lock();
        if state.pending.is_empty() {
            return None;
        }
        state.begun += 1;
        Some(state.begun)
    }

    /// A fence is over.
    pub(super) fn end(&self, fence: u64, missing: Vec<NodeId>) {
        self.lock().pending.retain(|_, needed| *needed > fence);
        self.confirmed.send_replace((fence, missing.into()));
    }
}

//! A bus of the in-process hub on which messages are lost, come twice and overtake each other, as a seed says; and on which it takes a
//! while until others know what was subscribed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_socketio::cluster::bus::{Bus, BusEvents, Publish, PublishError};
use actix_socketio::cluster::codec::{Decoded, decode};
use actix_socketio::cluster::memory::{MemoryBus, MemoryHub};
use actix_socketio::cluster::message::Message;
use actix_socketio::cluster::request::PendingReply;
use actix_socketio::cluster::subject::Subject;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::ms;

/// In a hundred messages: so many are lost, come twice, come late.
const LOST: u64 = 8;
const TWICE: u64 = 10;
const LATE: u64 = 12;

/// What is the same for all buses of a simulation.
#[derive(Default)]
pub(super) struct Weather {
    seed: u64,
    is_rough: AtomicBool,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, is_rough: AtomicBool::new(false) })
    }

    pub(super) fn set_rough(&self, is_rough: bool) {
        self.is_rough.store(is_rough, Ordering::SeqCst);
    }
}

/// A subscription on its way: wanted, or not any more.
type Change = (Subject, bool);

struct Inner {
    bus: MemoryBus,
    weather: Arc<Weather>,
    /// Which bus of the simulation it is.
    number: u64,
    state: Mutex<State>,
    changes: mpsc::UnboundedSender<Change>,
}

#[derive(Default)]
struct State {
    /// How many messages there were of each kind: which of them something happens to does not depend on the time.
    counts: HashMap<&'static str, u64>,
    /// After so many further messages each.
    late: Vec<(u64, Publish)>,
}

/// The test's end of it.
#[derive(Clone)]
pub(super) struct RoughBus(Arc<Inner>);

impl RoughBus {
    pub(super) fn new(hub: &MemoryHub, weather: &Arc<Weather>, number: u64) -> (Self, BusEvents) {
        let (bus, events) = hub.connect();
        let (changes, mut receiver) = mpsc::unbounded_channel::<Change>();
        let inner =
            Arc::new(Inner { bus, weather: weather.clone(), number, state: Mutex::default(), changes });
        let weak = Arc::downgrade(&inner);
        tokio::spawn(async move {
            while let Some((subject, is_wanted)) = receiver.recv().await {
                let Some(inner) = weak.upgrade() else { return };
                // In their order, as over a connection; what comes at once arrives at once.
                if receiver.is_empty() {
                    tokio::time::sleep(ms(inner.decide("subscribe") % 8)).await;
                }
                if is_wanted { inner.bus.subscribe(subject) } else { inner.bus.unsubscribe(subject) }
            }
        });
        (Self(inner), events)
    }

    /// Cuts the node off, or connects it again.
    pub(super) fn set_connected(&self, is_connected: bool) {
        self.0.bus.set_connected(is_connected);
    }

    /// What is late comes now.
    pub(super) fn flush(&self) {
        let late = std::mem::take(&mut self.0.state().late);
        for (_, message) in late {
            let _ = self.0.bus.publish(message);
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that is the same whenever the seed is.
    fn decide(&self, kind: &'static str) -> u64 {
        let mut state = self.state();
        let count = state.counts.entry(kind).or_default();
        *count += 1;
        let mut hasher = DefaultHasher::new();
        (self.weather.seed, self.number, kind, *count).hash(&mut hasher);
        hasher.finish()
    }
}

/// Signs of life come through: who is alive is not what this is about. Whole nodes are cut off instead.
fn kind(message: &Publish) -> Option<&'static str> {
    let Ok(Decoded::Whole(envelope)) = decode(&message.body) else { return None };
    match envelope.message {
        Message::Broadcast(_) => Some("broadcast"),
        Message::Membership(_) => Some("membership"),
        Message::FenceRequest(_) => Some("fence request"),
        Message::FenceAnswer(_) => Some("fence answer"),
        Message::Request(_) => Some("request"),
        Message::Response(_) => Some("response"),
        _ => None,
    }
}

impl Bus for RoughBus {
    fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let inner = &*self.0;
        let kind = if inner.weather.is_rough.load(Ordering::SeqCst) { kind(&message) } else { None };
        let Some(kind) = kind else { return inner.bus.publish(message) };
        let fate = inner.decide(kind);
        let (percent, delay) = (fate % 100, 1 + (fate >> 32) % 6);
        let due = {
            let mut state = inner.state();
            let (due, late) = std::mem::take(&mut state.late)
                .into_iter()
                .map(|(left, message)| (left - 1, message))
                .partition::<Vec<_>, _>(|(left, _)| *left == 0);
            state.late = late;
            if (LOST..LOST + TWICE + LATE).contains(&percent) {
                state.late.push((delay, message.clone()));
            }
            due
        };
        let is_late = (LOST + TWICE..LOST + TWICE + LATE).contains(&percent);
        let sent = if percent < LOST || is_late { Ok(()) } else { inner.bus.publish(message) };
        for (_, message) in due {
            let _ = inner.bus.publish(message);
        }
        sent
    }

    fn subscribe(&self, subject: Subject) {
        let _ = self.0.changes.send((subject, true));
    }

    fn unsubscribe(&self, subject: Subject) {
        let _ = self.0.changes.send((subject, false));
    }

    fn subscribe_queue(&self, subject: Subject, group: &str) {
        self.0.bus.subscribe_queue(subject, group);
    }

    fn unsubscribe_queue(&self, subject: Subject, group: &str) {
        self.0.bus.unsubscribe_queue(subject, group);
    }

    fn request(&self, message: Publish) -> Result<PendingReply, PublishError> {
        self.0.bus.request(message)
    }

    fn max_payload(&self) -> usize {
        self.0.bus.max_payload()
    }

    fn is_connected(&self) -> bool {
        self.0.bus.is_connected()
    }

    fn close(&self, timeout: Duration) -> BoxFuture<'_, bool> {
        self.0.bus.close(timeout)
    }
}

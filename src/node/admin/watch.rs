//! Whether anybody looks: admins of this node, or of another that said so lately.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long it counts that another node said that somebody looks there. It says so again much sooner.
const LEASE: Duration = Duration::from_secs(7);

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Watch {
    /// Admins that are connected to this node.
    here: AtomicUsize,
    elsewhere_until: Mutex<Option<Instant>>,
    began: Notify,
}

impl Watch {
    /// An admin is connected to this node.
    pub(super) fn came(&self) {
        self.here.fetch_add(1, Ordering::Relaxed);
        self.began.notify_one();
    }

    /// One is not any more.
    pub(super) fn went(&self) {
        self.here.fetch_sub(1, Ordering::Relaxed);
    }

    /// Another node says that somebody looks there.
    pub(super) fn renew(&self) {
        *self.elsewhere_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + LEASE);
        self.began.notify_one();
    }

    /// Whether an admin is connected to this node.
    pub(super) fn is_here(&self) -> bool {
        self.here.load(Ordering::Relaxed) > 0
    }

    /// Whether anybody looks.
    pub(super) fn is_on(&self) -> bool {
        let until = *self.elsewhere_until.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_here() || until.is_some_and(|until| Instant::now() < until)
    }

    /// Waits until somebody does.
    pub(super) async fn begins(&self) {
        while !self.is_on() {
            self.began.notified().await;
        }
    }
}

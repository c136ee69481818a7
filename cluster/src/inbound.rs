//! The queue of what a bus tells: bounded, and honest about what it could not take. Used by the buses of this crate.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::bus::{BusEvent, BusEvents};

/// The bus's end of the queue.
#[derive(Debug)]
pub(crate) struct Inbound {
    sender: mpsc::Sender<BusEvent>,
    lost: AtomicU64,
}

impl Inbound {
    /// Both ends; messages beyond `capacity` are lost.
    pub(crate) fn new(capacity: usize) -> (Self, BusEvents) {
        let (sender, receiver) = mpsc::channel(capacity.max(2));
        (Self { sender, lost: AtomicU64::new(0) }, receiver)
    }

    /// Tells `event`, after what was lost before it. What finds no room is counted; what nobody listens to is
    /// forgotten.
    pub(crate) fn tell(&self, event: BusEvent) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            match self.sender.try_send(BusEvent::Lost(lost)) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(_)) => {
                    self.lost.fetch_add(lost + 1, Ordering::Relaxed);
                    return;
                }
            }
        }
        if let Err(TrySendError::Full(_)) = self.sender.try_send(event) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

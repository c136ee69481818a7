//! What was told about the connection, so that each change is told once. Used by the bus's tasks and the client's callback.

use std::sync::{Mutex, PoisonError};

use crate::bus::{BusEvent, Received};
use crate::inbound::Inbound;

/// The way to the reader of the bus's events.
#[derive(Debug)]
pub(super) struct Reported {
    inbound: Inbound,
    is_connected: Mutex<bool>,
}

impl Reported {
    pub(super) fn new(inbound: Inbound) -> Self {
        Self { inbound, is_connected: Mutex::new(false) }
    }

    /// The connection is there, or not: told when that is news.
    pub(super) fn connection(&self, is_connected: bool) {
        let mut told = self.is_connected.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != is_connected {
            *told = is_connected;
            self.inbound.tell(if is_connected { BusEvent::Connected } else { BusEvent::Disconnected });
        }
    }

    pub(super) fn message(&self, received: Received) {
        self.inbound.tell(BusEvent::Message(received));
    }

    pub(super) fn unsent(&self, count: u64) {
        self.inbound.tell(BusEvent::Unsent(count));
    }

    /// The client could not hand on a message.
    pub(super) fn lost(&self) {
        self.inbound.tell(BusEvent::Lost(1));
    }
}

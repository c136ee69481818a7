//! One connection, as the limits see it: the places that it takes, until its [`Guard`] is dropped.
//!
//! The guard belongs to the connection. Until there is one it is left in the handshake's request, which may live longer: the first of each
//! thread does.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Refused;
use super::bucket::Bucket;
use super::options::LimitOptions;
use super::user::User;

/// A number with a limit; 0 is none.
#[derive(Default)]
pub(super) struct Count(AtomicU32);

impl Count {
    /// Takes a place, if there is one.
    pub(super) fn take(&self, most: u32) -> bool {
        let add = |count: u32| (most == 0 || count < most).then(|| count.saturating_add(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes from one address.
pub(super) struct Address {
    connections: Count,
    unconnected: Count,
    pub(super) handshakes: Bucket,
    pub(super) messages: Bucket,
    pub(super) bytes: Bucket,
}

impl Address {
    pub(super) fn new(options: &LimitOptions) -> Self {
        let burst = options.burst.into();
        Self {
            connections: Count::default(),
            unconnected: Count::default(),
            handshakes: Bucket::new(options.handshakes_per_address as usize, burst),
            messages: Bucket::new(options.messages_per_address as usize, burst),
            bytes: Bucket::new(options.bytes_per_address.bytes(), burst),
        }
    }
}

/// What is left in the extensions of the request.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) visitor: Arc<Visitor>,
    guard: Arc<Mutex<Option<Guard>>>,
}

impl Seat {
    /// For the connection; there is only one.
    pub(super) fn take_guard(&self) -> Option<Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Gives the places back when it is dropped.
pub(super) struct Guard(Arc<Visitor>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.connected();
        if let Some(counted) = &self.0.counted {
            counted.connections.give_back();
        }
    }
}

/// See the module's documentation.
pub(super) struct Visitor {
    address: Option<IpAddr>,
    counted: Option<Arc<Address>>,
    /// All that have not yet joined a namespace.
    unconnected: Arc<Count>,
    is_connected: AtomicBool,
    user: OnceLock<Arc<User>>,
}

impl Visitor {
    /// One that takes its places, or why there is none.
    pub(super) fn enter(
        options: &LimitOptions,
        address: Option<IpAddr>,
        counted: Option<Arc<Address>>,
        unconnected: &Arc<Count>,
    ) -> Result<Seat, Refused> {
        if !unconnected.take(options.unconnected) {
            return Err(Refused::Unconnected);
        }
        if let Some(counted) = &counted {
            if !counted.unconnected.take(options.unconnected_per_address) {
                unconnected.give_back();
                return Err(Refused::UnconnectedOfAddress);
            }
            if !counted.connections.take(options.connections_per_address) {
                counted.unconnected.give_back();
                unconnected.give_back();
                return Err(Refused::ConnectionsOfAddress);
            }
        }
        let (is_connected, user) = (AtomicBool::new(false), OnceLock::new());
        let visitor =
            Arc::new(Self { address, counted, unconnected: unconnected.clone(), is_connected, user });
        Ok(Seat { guard: Arc::new(Mutex::new(Some(Guard(visitor.clone())))), visitor })
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What it is counted with, if it is counted by address.
    pub(super) fn counted(&self) -> Option<&Address> {
        self.counted.as_deref()
    }

    /// It has joined a namespace.
    pub(super) fn connected(&self) {
        if !self.is_connected.swap(true, Ordering::Relaxed) {
            self.unconnected.give_back();
            if let Some(counted) = &self.counted {
                counted.unconnected.give_back();
            }
        }
    }

    /// Whose it is, once that is known. The first counts.
    pub(super) fn belongs_to(&self, user: &Arc<User>) {
        let _ = self.user.set(user.clone());
    }

    pub(super) fn user(&self) -> Option<&User> {
        self.user.get().map(|user| &**user)
    }
}

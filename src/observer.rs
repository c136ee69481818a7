//! Looking on: what happens to the sockets of this node, in all namespaces, while somebody wants to see it.
//!
//! Unlike handlers, an observer can be added and taken away at any time; without one, a place where it would be called costs one load
//! of a flag.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::disconnect_reason::DisconnectReason;
use crate::handler::{Membership, guarded};
use crate::namespaces::Core;
use crate::protocol::Args;
use crate::server::SocketIo;
use crate::socket::Socket;

/// What is called when something happens to a socket of this node, on the socket's thread: see [`SocketIo::observe`]. Must not block.
pub trait Observer: Send + Sync + 'static {
    /// A socket is connected, and may be in rooms already.
    fn connected(&self, socket: &Socket) {
        let _ = socket;
    }

    /// A socket is not connected any more. It has left its rooms before.
    fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        let _ = (socket, reason);
    }

    /// A socket has joined or left a room, its own excepted.
    fn membership(&self, socket: &Socket, room: &str, membership: Membership) {
        let _ = (socket, room, membership);
    }

    /// A socket shares another document: [`SocketData::share`](crate::SocketData::share). On the thread of whoever did that.
    fn shared(&self, socket: &Socket) {
        let _ = socket;
    }

    /// An event came, and no guard has refused it.
    fn received(&self, socket: &Socket, event: &str, args: &Args) {
        let _ = (socket, event, args);
    }

    /// An event goes out to the socket, be it a broadcast.
    fn sent(&self, socket: &Socket, event: &str, args: &Args) {
        let _ = (socket, event, args);
    }
}

type List = Vec<(u64, Arc<dyn Observer>)>;

/// The observers of a server.
#[derive(Default)]
pub(crate) struct Observers {
    is_any: AtomicBool,
    list: ArcSwap<List>,
    /// Held while the list is changed.
    changing: Mutex<()>,
    numbers: AtomicU64,
}

impl Observers {
    /// Whether there is one.
    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// Shows them something.
    pub(crate) fn tell(&self, tell: impl Fn(&dyn Observer)) {
        if !self.is_any() {
            return;
        }
        for (_, observer) in &**self.list.load() {
            guarded("an observer", || tell(&**observer));
        }
    }

    fn change(&self, change: impl FnOnce(&mut List)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = (**self.list.load()).clone();
        change(&mut list);
        self.is_any.store(!list.is_empty(), Ordering::Relaxed);
        self.list.store(Arc::new(list));
    }
}

/// An observer is called for as long as this is kept.
#[must_use = "the observer is called for as long as this is kept"]
pub struct Observation {
    core: Arc<Core>,
    number: u64,
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.core.observers.change(|list| list.retain(|(number, _)| *number != self.number));
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observation").field("number", &self.number).finish_non_exhaustive()
    }
}

impl SocketIo {
    /// Shows an observer what happens to the sockets of this node, in all namespaces, from now on until the result is dropped. What
    /// goes on at either moment may or may not be shown.
    pub fn observe(&self, observer: impl Observer) -> Observation {
        let core = self.core().clone();
        let number = core.observers.numbers.fetch_add(1, Ordering::Relaxed);
        core.observers.change(|list| list.push((number, Arc::new(observer))));
        Observation { core, number }
    }
}

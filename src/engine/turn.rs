//! Once per turn of the event loop: what a turn produced for a native connection leaves in one write.
//!
//! Thread-local. The native transport registers its sockets here, an [`Outbox`](super::outbox::Outbox) that
//! received something schedules its socket, and the thread's one task for it flushes all of them when the turn is over.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use tokio::sync::Notify;

use super::local_tasks;

/// Sockets flushed in a row.
const SLICE: usize = 512;
/// Sockets looked at before the first of them is flushed: thousands do not fit a cache, and what they take from memory comes for several
/// at once.
const LOOK_AHEAD: usize = 16;

/// A socket that can be flushed.
pub(super) trait Flush {
    /// Writes as much as the kernel takes.
    fn flush(self: Rc<Self>);

    /// Reads what [`flush`](Self::flush) will need, so that it is in a cache by then. What it returns means nothing.
    fn look(&self) -> bool;
}

/// Where a socket is registered: a thread and a place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    thread: NonZeroU64,
    index: usize,
}

#[derive(Default)]
struct Turn {
    sockets: Vec<Option<Rc<dyn Flush>>>,
    free: Vec<usize>,
    dirty: Vec<usize>,
    /// The list `dirty` is swapped with, so that its memory is used again.
    spare: Vec<usize>,
}

thread_local! {
    /// Wakes the task that flushes.
    static FLUSHER: RefCell<Option<Rc<Notify>>> = const { RefCell::new(None) };
    static THREAD: NonZeroU64 = next_thread();
    static TURN: RefCell<Turn> = RefCell::default();
}

fn next_thread() -> NonZeroU64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    NonZeroU64::new(COUNT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MIN)
}

/// A small number for the current thread, never used again.
pub(crate) fn current_thread() -> NonZeroU64 {
    THREAD.with(|thread| *thread)
}

/// Begins the task that flushes, unless it is there. An event loop that has ended took its task with it.
fn enable_flusher() {
    let is_there =
        FLUSHER.with_borrow(|flusher| flusher.as_ref().is_some_and(|flusher| Rc::strong_count(flusher) > 1));
    if is_there {
        return;
    }
    let flusher = Rc::new(Notify::new());
    // What an earlier event loop left.
    flusher.notify_one();
    FLUSHER.set(Some(flusher.clone()));
    actix_rt::spawn(async move {
        loop {
            flusher.notified().await;
            flush_all().await;
        }
    });
}

/// Registers a socket of this thread.
pub(super) fn register(socket: Rc<dyn Flush>) -> Slot {
    local_tasks::enable();
    enable_flusher();
    TURN.with_borrow_mut(|turn| {
        let index = turn.free.pop().unwrap_or_else(|| {
            turn.sockets.push(None);
            turn.sockets.len() - 1
        });
        turn.sockets[index] = Some(socket);
        Slot { thread: current_thread(), index }
    })
}

/// Forgets a socket of this thread.
pub(super) fn unregister(slot: Slot) {
    debug_assert!(slot.is_here());
    // Dropped outside the borrow: dropping a socket may push to another one.
    let _socket = TURN.with_borrow_mut(|turn| {
        turn.free.push(slot.index);
        turn.sockets[slot.index].take()
    });
}

impl Slot {
    /// A place on a thread that there is not.
    #[cfg(feature = "bench-internals")]
    pub(super) fn nowhere() -> Self {
        Self { thread: NonZeroU64::MAX, index: 0 }
    }

    /// Whether this is the thread of the socket.
    pub(super) fn is_here(self) -> bool {
        self.thread == current_thread()
    }

    /// Flushes the socket when this turn is over. Only on its thread; the caller sees to it that a socket is
    /// scheduled once per turn.
    pub(super) fn schedule(self) {
        debug_assert!(self.is_here());
        let is_first = TURN.with_borrow_mut(|turn| {
            turn.dirty.push(self.index);
            turn.dirty.len() == 1
        });
        if is_first {
            FLUSHER.with_borrow(|flusher| flusher.iter().for_each(|flusher| flusher.notify_one()));
        }
    }

    /// Flushes the socket now. Only on its thread.
    pub(super) fn flush_now(self) {
        debug_assert!(self.is_here());
        let socket = TURN.with_borrow(|turn| turn.sockets.get(self.index).cloned().flatten());
        if let Some(socket) = socket {
            socket.flush();
        }
    }
}

/// Flushes in slices, so that a large fan-out does not keep the rest of the thread waiting.
async fn flush_all() {
    let mut dirty = TURN.with_borrow_mut(|turn| {
        let spare = std::mem::take(&mut turn.spare);
        std::mem::replace(&mut turn.dirty, spare)
    });
    let mut next: SmallVec<[Rc<dyn Flush>; LOOK_AHEAD]> = SmallVec::new();
    for (count, indexes) in dirty.chunks(LOOK_AHEAD).enumerate() {
        if count % (SLICE / LOOK_AHEAD) == SLICE / LOOK_AHEAD - 1 {
            tokio::task::yield_now().await;
        }
        TURN.with_borrow(|turn| {
            next.extend(indexes.iter().filter_map(|index| turn.sockets[*index].clone()));
        });
        if next.len() > 1 {
            std::hint::black_box(next.iter().filter(|socket| socket.look()).count());
        }
        next.drain(..).for_each(Flush::flush);
    }
    dirty.clear();
    TURN.with_borrow_mut(|turn| turn.spare = dirty);
}

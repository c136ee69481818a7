//! All output of one connection: a byte-bounded queue that whatever transport is in place drains.
//!
//! Order is this queue's order. Producers are sockets, hubs and the connection itself, from any thread; the
//! consumer is a waiting poll, the native socket, or the body of an embedded websocket's response.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::moment::Moment;
use super::out::{Item, Out};
use super::packet::Revision;
use super::queue::Queue;
use super::turn::Slot;

/// After so many bytes more, or an eighth of the bound, a socket is tried again that was found to be full during the same turn.
const TRY_AGAIN: usize = 16 * 1024;

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It will be sent.
    Queued,
    /// Queued, but the queue is over its bound: give the transport one chance to write, then judge.
    Over,
    /// A volatile message that could not be sent at once was dropped.
    Dropped,
    /// The queue is at twice its bound and took no more: the connection has to be closed.
    Overflow,
    /// The connection is closed.
    Closed,
}

/// Who drains the queue.
#[derive(Debug)]
enum Reader {
    /// Polls; this one is waiting.
    Polling(Option<Waiting>),
    /// The native socket registered at this slot.
    Native(Slot),
    /// The response body of an embedded websocket.
    Embedded(Option<Waker>),
}

/// A poll that waits for something to send.
#[derive(Debug)]
struct Waiting {
    id: u64,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    /// Bytes queued, and taken by a native socket but not yet in the kernel.
    bytes: usize,
    reader: Reader,
    /// The task of the connection's actor, woken when another thread pushed for a native socket.
    owner: Option<Waker>,
    /// A native socket that is in the list of its turn.
    is_scheduled: bool,
    /// The kernel took less than it was offered.
    is_blocked: bool,
    /// From so many bytes on it is worth to ask the kernel again within the turn.
    try_from: usize,
    /// Something volatile may be in the queue.
    has_volatile: bool,
    /// An upgrade was probed: polls do not wait.
    is_probing: bool,
    is_closed: bool,
    /// It took no more once: nothing may follow the gap.
    is_overflown: bool,
    /// What the bound is stretched by while a single message larger than it is on its way.
    allowance: usize,
    polls: u64,
    waiting_for_room: Vec<Waker>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// Another thread pushed for a native socket.
    flush_is_due: AtomicBool,
    /// Bound in bytes.
    bound: usize,
    pub(super) revision: Revision,
}

/// What a poll found.
pub(super) enum Polled {
    /// These items, to be sent now.
    Items(Vec<Item>),
    /// Nothing, but the poll must not wait: an upgrade goes on.
    Noop,
    /// The connection is gone.
    Gone,
}

/// Another poll is already waiting.
#[derive(Debug)]
pub(super) struct Overlap;

impl Outbox {
    /// An empty outbox of a polling session, bounded to `bound` bytes.
    pub(super) fn new(bound: usize, revision: Revision) -> Self {
        let inner = Inner {
            queue: Queue::default(),
            bytes: 0,
            reader: Reader::Polling(None),
            owner: None,
            is_scheduled: false,
            is_blocked: false,
            try_from: 0,
            has_volatile: false,
            is_probing: false,
            is_closed: false,
            is_overflown: false,
            allowance: 0,
            polls: 0,
            waiting_for_room: Vec::new(),
        };
        Self { inner: Mutex::new(inner), flush_is_due: AtomicBool::new(false), bound, revision }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues something and sees to it that the transport notices.
    pub(super) fn push(&self, out: Out, is_volatile: bool, since: Moment) -> Pushed {
        let mut inner = self.lock();
        if inner.is_closed || inner.is_overflown {
            return Pushed::Closed;
        }
        if is_volatile && !inner.is_writable() {
            return Pushed::Dropped;
        }
        let size = out.size();
        if inner.bytes <= self.bound {
            inner.allowance = 0;
        }
        let bound = self.bound + inner.allowance;
        if inner.bytes + size > bound && inner.bytes > 0 {
            inner.drop_volatile();
            if is_volatile && inner.bytes > 0 && inner.bytes + size > bound {
                // What the socket has taken already cannot be dropped; a volatile message closes nobody.
                return Pushed::Dropped;
            }
            let most = inner.allowance + self.bound.saturating_mul(2).max(self.bound + size);
            if inner.bytes > 0 && inner.bytes + size > most {
                inner.is_overflown = true;
                return Pushed::Overflow;
            }
        }
        if size > self.bound {
            inner.allowance = inner.allowance.max(size);
        }
        inner.bytes += size;
        inner.has_volatile |= is_volatile;
        inner.queue.push_back(Item { out, since, is_volatile, is_direct: false });
        let is_over = inner.bytes > self.bound + inner.allowance;
        let wake = inner.notify(&self.flush_is_due);
        drop(inner);
        if let Some(waker) = wake {
            waker.wake();
        }
        if is_over { Pushed::Over } else { Pushed::Queued }
    }

    /// Whether more is queued than the bound allows (a single message may).
    pub(super) fn is_over(&self) -> bool {
        let inner = self.lock();
        inner.bytes > self.bound + inner.allowance && inner.queue.len() > 1
    }

    /// Flushes the native socket, if it is this thread's. One that was full a moment ago is not asked for each small thing that is pushed.
    pub(super) fn flush_if_here(&self) {
        let slot = {
            let mut inner = self.lock();
            match inner.reader {
                Reader::Native(slot) if slot.is_here() && inner.bytes >= inner.try_from => {
                    inner.try_from = inner.bytes + TRY_AGAIN.min(self.bound / 8);
                    slot
                }
                _ => return,
            }
        };
        slot.flush_now();
    }

    /// Reads it without a lock, for the sake of the caches.
    pub(super) fn look(&self) -> bool {
        self.inner.is_poisoned() || self.flush_is_due.load(Ordering::Relaxed)
    }

    /// Whether another thread pushed something since the last call.
    pub(super) fn take_flush_due(&self) -> bool {
        self.flush_is_due.load(Ordering::Relaxed) && self.flush_is_due.swap(false, Ordering::Acquire)
    }

    /// Bytes queued.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Since when the first item has been waiting.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.lock().queue.front().map(|item| item.since)
    }

    /// Waits until a message of `size` bytes fits into half of the bound, or nothing is queued; at once when the
    /// connection is closed. The other half is for whoever cannot wait: broadcasts, acknowledgements, heartbeats.
    pub(crate) async fn room(&self, size: usize) {
        poll_fn(|context| {
            let mut inner = self.lock();
            if inner.has_room(size, self.bound) {
                return Poll::Ready(());
            }
            if !inner.waiting_for_room.iter().any(|waker| waker.will_wake(context.waker())) {
                inner.waiting_for_room.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Whether [`room`](Self::room) would be ready.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.lock().has_room(size, self.bound)
    }

    /// Closes the queue: nothing more gets in. What is queued is dropped if `discard`; `last` goes after it.
    /// True when nothing is left to wait for: no poll has to come and fetch something.
    pub(super) fn close(&self, discard: bool, last: Option<Out>) -> bool {
        let mut inner = self.lock();
        if inner.is_closed {
            return true;
        }
        if discard {
            inner.try_from = 0;
            let queue = std::mem::take(&mut inner.queue);
            inner.bytes -= queue.iter().map(Item::size).sum::<usize>();
        }
        if let Some(out) = last {
            inner.bytes += out.size();
            let since = Moment::now();
            inner.queue.push_back(Item { out, since, is_volatile: false, is_direct: false });
        }
        inner.is_closed = true;
        let is_done = match &inner.reader {
            // The end travels alone: a poll that waits takes either what is before it, or the end.
            Reader::Polling(Some(_)) => inner.queue.len() <= 1,
            Reader::Polling(None) => false,
            Reader::Native(_) | Reader::Embedded(_) => true,
        };
        let mut wakers = std::mem::take(&mut inner.waiting_for_room);
        wakers.extend(inner.notify(&self.flush_is_due));
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        is_done
    }

    /// A poll begins. Its number is given to [`poll`](Self::poll) and [`end_poll`](Self::end_poll).
    pub(super) fn begin_poll(&self) -> Result<u64, Overlap> {
        let mut inner = self.lock();
        inner.polls += 1;
        let id = inner.polls;
        match &mut inner.reader {
            Reader::Polling(waiting @ None) => {
                *waiting = Some(Waiting { id, waker: None });
                Ok(id)
            }
            Reader::Polling(Some(_)) => Err(Overlap),
            // Upgraded between the check and here: the poll is released below.
            _ => Ok(id),
        }
    }

    /// Takes up to `max_packets` and about `max_bytes` for a poll, or waits.
    pub(super) fn poll(
        &self,
        id: u64,
        max_packets: usize,
        max_bytes: usize,
        context: &Context<'_>,
    ) -> Poll<Polled> {
        let mut inner = self.lock();
        let is_mine = matches!(&inner.reader, Reader::Polling(Some(waiting)) if waiting.id == id);
        if !is_mine {
            return Poll::Ready(if inner.is_closed { Polled::Gone } else { Polled::Noop });
        }
        if !inner.queue.is_empty() {
            let (items, wakers) = inner.take(max_packets, max_bytes);
            inner.reader = Reader::Polling(None);
            drop(inner);
            wakers.into_iter().for_each(Waker::wake);
            return Poll::Ready(Polled::Items(items));
        }
        if inner.is_closed || inner.is_probing {
            let polled = if inner.is_closed { Polled::Gone } else { Polled::Noop };
            inner.reader = Reader::Polling(None);
            return Poll::Ready(polled);
        }
        if let Reader::Polling(Some(waiting)) = &mut inner.reader {
            waiting.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// A poll ends without having been answered. True if it was waiting.
    pub(super) fn end_poll(&self, id: u64) -> bool {
        let mut inner = self.lock();
        match &inner.reader {
            Reader::Polling(Some(waiting)) if waiting.id == id => {
                inner.reader = Reader::Polling(None);
                true
            }
            _ => false,
        }
    }

    /// From a probe to its end polls are answered at once.
    pub(super) fn set_probing(&self, is_probing: bool) {
        let mut inner = self.lock();
        inner.is_probing = is_probing;
        let waker = if is_probing { inner.take_waker() } else { None };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The native socket at `slot` drains from now on; a waiting poll is released.
    pub(super) fn attach_native(&self, slot: Slot) {
        self.attach(Reader::Native(slot));
    }

    /// The body of an embedded websocket drains from now on; a waiting poll is released.
    pub(super) fn attach_embedded(&self) {
        self.attach(Reader::Embedded(None));
    }

    fn attach(&self, reader: Reader) {
        let mut inner = self.lock();
        let released = inner.take_waker();
        inner.reader = reader;
        inner.is_probing = false;
        let waker = if inner.queue.is_empty() { None } else { inner.notify(&self.flush_is_due) };
        drop(inner);
        released.into_iter().chain(waker).for_each(Waker::wake);
    }

    /// The connection's task, for pushes from other threads.
    pub(super) fn set_owner(&self, waker: &Waker) {
        let mut inner = self.lock();
        match &mut inner.owner {
            Some(owner) => owner.clone_from(waker),
            owner => *owner = Some(waker.clone()),
        }
    }

    /// Takes about `max_bytes` for the native socket. They count until they are credited: here those `credited` that the
    /// kernel has taken meanwhile, or by [`credit`](Self::credit).
    pub(super) fn take_for_native(&self, credited: usize, max_bytes: usize, into: &mut Queue) {
        let mut inner = self.lock();
        inner.is_scheduled = false;
        inner.credit(credited);
        let wakers = inner.room_wakers(self.bound / 2);
        if into.is_empty() && inner.bytes <= max_bytes {
            // Mostly all of it, together with its memory.
            std::mem::swap(into, &mut inner.queue);
        } else {
            let mut taken = 0;
            while taken < max_bytes {
                let Some(item) = inner.queue.pop_front() else { break };
                taken += item.size();
                into.push_back(item);
            }
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The kernel has taken `bytes` of what the native socket took, and would take more or not.
    pub(super) fn credit(&self, bytes: usize, is_blocked: bool) {
        let mut inner = self.lock();
        inner.credit(bytes);
        inner.is_blocked = is_blocked;
        let wakers = inner.room_wakers(self.bound / 2);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes about `max_bytes` as websocket frames for the body of an embedded websocket, and how many packets that is; none when
    /// there is nothing, and then `context` is woken by the next push. `Some` of an empty buffer never happens.
    pub(super) fn poll_embedded(&self, max_bytes: usize, context: &Context<'_>) -> Option<(Vec<u8>, usize)> {
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            if let Reader::Embedded(waker) = &mut inner.reader {
                *waker = Some(context.waker().clone());
            }
            return None;
        }
        let (items, wakers) = inner.take(usize::MAX, max_bytes);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        let mut frames = Vec::with_capacity(items.iter().map(Item::size).sum());
        let mut packets = 0;
        for item in items {
            packets += item.out.packets();
            frames.extend_from_slice(&item.out.websocket(self.revision));
        }
        Some((frames, packets))
    }

    /// Whether everything was taken after the end.
    pub(super) fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.is_closed && inner.queue.is_empty()
    }

    /// How long the first item has been waiting at `now`.
    pub(super) fn age(&self, now: Moment) -> Duration {
        self.oldest().map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl Inner {
    fn has_room(&self, size: usize, bound: usize) -> bool {
        self.is_closed || self.bytes == 0 || self.bytes + size <= bound / 2
    }

    /// Whether a volatile message would leave at once.
    fn is_writable(&self) -> bool {
        match &self.reader {
            Reader::Polling(waiting) => waiting.is_some() && self.queue.is_empty(),
            Reader::Native(_) => !self.is_blocked,
            Reader::Embedded(waker) => waker.is_some() || self.bytes < 32 * 1024,
        }
    }

    /// The kernel has taken some of it.
    fn credit(&mut self, bytes: usize) {
        self.bytes -= bytes.min(self.bytes);
        if bytes > 0 {
            self.try_from = 0;
        }
    }

    fn drop_volatile(&mut self) {
        if !std::mem::take(&mut self.has_volatile) {
            return;
        }
        let mut dropped = 0;
        self.queue.retain(|item| {
            if item.is_volatile {
                dropped += item.size();
            }
            !item.is_volatile
        });
        self.bytes -= dropped;
        self.try_from = 0;
    }

    /// Makes the reader come: schedules a native socket of this thread, or returns whom to wake.
    fn notify(&mut self, flush_is_due: &AtomicBool) -> Option<Waker> {
        match &mut self.reader {
            Reader::Native(slot) if slot.is_here() => {
                if !self.is_scheduled && !self.is_blocked {
                    self.is_scheduled = true;
                    slot.schedule();
                }
                None
            }
            Reader::Native(_) => {
                flush_is_due.store(true, Ordering::Release);
                self.owner.clone()
            }
            _ => self.take_waker(),
        }
    }

    fn take_waker(&mut self) -> Option<Waker> {
        match &mut self.reader {
            Reader::Polling(Some(waiting)) => waiting.waker.take(),
            Reader::Embedded(waker) => waker.take(),
            Reader::Polling(None) | Reader::Native(_) => None,
        }
    }

    fn take(&mut self, max_packets: usize, max_bytes: usize) -> (Vec<Item>, Vec<Waker>) {
        let (mut taken, mut packets) = (0, 0);
        let mut items = Vec::with_capacity(self.queue.len().min(max_packets));
        while let Some(next) = self.queue.front() {
            packets += next.out.packets();
            if !items.is_empty() && (taken + next.size() > max_bytes || packets > max_packets) {
                break;
            }
            // Clients handle the end before the messages that came with it.
            if !items.is_empty() && matches!(next.out, Out::Close(_)) {
                break;
            }
            taken += next.size();
            items.extend(self.queue.pop_front());
        }
        self.bytes -= taken;
        let wakers = self.room_wakers(usize::MAX);
        (items, wakers)
    }

    fn room_wakers(&mut self, bound: usize) -> Vec<Waker> {
        if self.waiting_for_room.is_empty() || self.bytes > bound {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting_for_room)
    }
}

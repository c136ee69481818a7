//! The hub of a worker thread: its local sockets, who of them is in which room, and the fan-out to their outboxes.
//!
//! Thread-local and made on first use, since an `App` factory runs at times and in places of its own. On its
//! thread it is called directly; other threads reach it through its actor.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use actix::prelude::*;

use super::broadcast::{AckSink, Broadcast, Done, Outgoing, Target};
use super::lowest::{Chosen, Lowest};
use super::{RoomName, RoomWatcher, Rooms};
use crate::counters::Counters;
use crate::engine::{ConnectionHandle, Moment, current_thread, local_tasks};

/// A socket as its hub sees it.
pub(crate) trait Local {
    fn id(&self) -> &Arc<str>;
    /// Notes that this socket was asked for an acknowledgement.
    fn expect_ack(&self, sink: &AckSink);
    /// Shows the listeners what goes out.
    fn outgoing(&self, event: &Outgoing);
    /// Itself, as whoever made it knows it.
    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any>;
}

/// In order: those who came one after the other lie beside each other in memory, and a fan-out to thousands takes as long as that
/// memory does.
type Slots = BTreeSet<u32>;

struct Entry {
    connection: ConnectionHandle,
    local: Rc<dyn Local>,
    /// The last broadcast that reached it, or had it excepted.
    mark: u64,
}

#[derive(Default)]
struct Members {
    all: Slots,
    rooms: HashMap<RoomName, Slots>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_id: HashMap<Arc<str>, u32>,
    namespaces: HashMap<u64, Members>,
    /// Numbers the broadcasts, for the marks.
    epoch: u64,
}

/// See the module's documentation.
pub(crate) struct Hub {
    reference: Arc<HubRef>,
    counters: Arc<Counters>,
    inner: RefCell<Inner>,
}

/// A hub as seen from other threads.
pub(crate) struct HubRef {
    thread: NonZeroU64,
    addr: Addr<HubActor>,
}

impl HubRef {
    /// Whether the caller runs on the hub's thread.
    pub(crate) fn is_here(&self) -> bool {
        self.thread == current_thread()
    }

    /// Delivers there.
    pub(super) fn deliver(&self, broadcast: Arc<Broadcast>, done: Arc<Done>) {
        self.addr.do_send(Deliver { broadcast, done });
    }

    /// Runs something there, later.
    pub(crate) fn visit(&self, visit: impl FnOnce(&Rc<Hub>) + Send + 'static) {
        self.addr.do_send(Visit(Box::new(visit)));
    }
}

/// The hubs of one server.
pub(crate) struct Hubs {
    list: RwLock<Vec<Arc<HubRef>>>,
    counters: Arc<Counters>,
}

type WeakHubs = std::sync::Weak<Hubs>;

thread_local! {
    static HUBS: RefCell<Vec<(WeakHubs, Rc<Hub>)>> = const { RefCell::new(Vec::new()) };
}

impl Hubs {
    pub(crate) fn new(counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { list: RwLock::default(), counters })
    }

    /// The hub of this thread, if it has one.
    pub(crate) fn here(&self) -> Option<Rc<Hub>> {
        HUBS.with_borrow(|hubs| {
            hubs.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), self)).map(|(_, hub)| hub.clone())
        })
    }

    /// The hub of this thread, made if need be. Only on threads that run a local task set, as workers do.
    pub(crate) fn here_or_new(self: &Arc<Self>) -> Rc<Hub> {
        if let Some(hub) = self.here() {
            return hub;
        }
        local_tasks::enable();
        let hub = Rc::new_cyclic(|weak: &Weak<Hub>| {
            let addr = HubActor { hub: weak.clone(), hubs: Arc::downgrade(self) }.start();
            let reference = Arc::new(HubRef { thread: current_thread(), addr });
            Hub { reference, counters: self.counters.clone(), inner: RefCell::default() }
        });
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(hub.reference.clone());
        let dead: Vec<_> = HUBS.with_borrow_mut(|hubs| {
            hubs.push((Arc::downgrade(self), hub.clone()));
            hubs.extract_if(.., |(known, _)| known.strong_count() == 0).collect()
        });
        // Outside the borrow: what hangs on the hubs of servers that are gone may be anything.
        drop(dead);
        hub
    }

    /// All hubs, at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<HubRef>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This thread's hub, if it is the only one.
    pub(super) fn only_here(&self) -> Option<Rc<Hub>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        match &list[..] {
            [only] if only.is_here() => self.here(),
            _ => None,
        }
    }

    /// Delivers on every hub.
    pub(crate) fn deliver(&self, broadcast: &Arc<Broadcast>, done: &Arc<Done>) {
        for hub in self.all() {
            if hub.is_here()
                && let Some(here) = self.here()
            {
                here.deliver(broadcast);
            } else {
                hub.deliver(broadcast.clone(), done.clone());
            }
        }
    }

    /// Collects from every hub what `visit` makes of it.
    pub(crate) async fn collect<T, F>(&self, visit: F) -> Vec<T>
    where
        T: Send + 'static,
        F: Fn(&Rc<Hub>) -> T + Send + Sync + 'static,
    {
        let visit = Arc::new(visit);
        let mut answers = Vec::new();
        let mut collected = Vec::new();
        for hub in self.all() {
            if hub.is_here()
                && let Some(here) = self.here()
            {
                collected.push(visit(&here));
                continue;
            }
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let visit = visit.clone();
            hub.visit(move |hub| {
                let _ = sender.send(visit(hub));
            });
            answers.push(receiver);
        }
        for answer in answers {
            // An error is a worker thread that has ended meanwhile: nobody is there.
            collected.extend(answer.await.ok());
        }
        collected
    }
}

impl Hub {
    /// For other threads.
    pub(crate) fn reference(&self) -> &Arc<HubRef> {
        &self.reference
    }

    /// Takes in a socket of a namespace.
    pub(crate) fn add(&self, namespace: u64, connection: ConnectionHandle, local: Rc<dyn Local>) -> u32 {
        let mut inner = self.inner.borrow_mut();
        let id = local.id().clone();
        let entry = Some(Entry { connection, local, mark: 0 });
        let slot = match inner.free.pop() {
            Some(slot) => {
                inner.entries[slot as usize] = entry;
                slot
            }
            None => {
                inner.entries.push(entry);
                (inner.entries.len() - 1) as u32
            }
        };
        inner.by_id.insert(id, slot);
        inner.namespaces.entry(namespace).or_default().all.insert(slot);
        slot
    }

    /// Lets go of a socket that was in `rooms`.
    pub(crate) fn remove(&self, namespace: u64, slot: u32, rooms: &[RoomName], directory: &Rooms) {
        let mut left = Vec::with_capacity(rooms.len());
        let entry = {
            let mut inner = self.inner.borrow_mut();
            let entry = inner.entries.get_mut(slot as usize).and_then(Option::take);
            let Some(entry) = entry else { return };
            inner.by_id.remove(entry.local.id());
            inner.free.push(slot);
            if let Some(members) = inner.namespaces.get_mut(&namespace) {
                members.all.remove(&slot);
                left.extend(rooms.iter().filter(|room| remove_member(members, room, slot)));
                if members.all.is_empty() && members.rooms.is_empty() {
                    inner.namespaces.remove(&namespace);
                }
            }
            entry
        };
        // Outside the borrow: watchers of rooms are told, and the entry's own drop may do anything.
        for room in left {
            directory.leave(room, &self.reference, entry.local.id());
        }
    }

    /// Adds a socket to a room.
    pub(crate) fn join(
        &self,
        namespace: u64,
        slot: u32,
        room: &RoomName,
        directory: &Rooms,
        watcher: impl FnOnce() -> Option<Box<dyn RoomWatcher>>,
    ) {
        let id = {
            let mut inner = self.inner.borrow_mut();
            let Some(Some(entry)) = inner.entries.get(slot as usize) else { return };
            let id = entry.local.id().clone();
            let rooms = &mut inner.namespaces.entry(namespace).or_default().rooms;
            if !rooms.entry(room.clone()).or_default().insert(slot) {
                return;
            }
            id
        };
        directory.join(room, &self.reference, &id, watcher);
    }

    /// Takes a socket out of a room.
    pub(crate) fn leave(&self, namespace: u64, slot: u32, room: &RoomName, directory: &Rooms) {
        let id = {
            let mut inner = self.inner.borrow_mut();
            let Some(Some(entry)) = inner.entries.get(slot as usize) else { return };
            let id = entry.local.id().clone();
            let Some(members) = inner.namespaces.get_mut(&namespace) else { return };
            if !remove_member(members, room, slot) {
                return;
            }
            id
        };
        directory.leave(room, &self.reference, &id);
    }

    /// Pushes a broadcast to the outboxes of all it is for here.
    pub(crate) fn deliver(&self, broadcast: &Broadcast) {
        let now = Moment::now();
        // The locals are called with nothing borrowed: what they do is not ours.
        let (mut curious, mut deliveries) = (Vec::new(), 0);
        self.inner.borrow_mut().each(broadcast.namespace, &broadcast.target, |entry| {
            if let Some(sink) = &broadcast.acks {
                entry.local.expect_ack(sink);
            }
            if let Some(reached) = &broadcast.reached {
                reached.fetch_add(1, Ordering::Relaxed);
            }
            if broadcast.outgoing.is_some() {
                curious.push(entry.local.clone());
            }
            let is_taken = entry.connection.send_at(broadcast.message.clone(), broadcast.is_volatile, now);
            deliveries += usize::from(is_taken);
        });
        self.counters.here().deliveries.add(deliveries);
        if let Some(event) = &broadcast.outgoing {
            curious.iter().for_each(|local| local.outgoing(event));
        }
    }

    /// The sockets here that something is for.
    pub(crate) fn select(&self, namespace: u64, target: &Target) -> Vec<Rc<dyn Local>> {
        let mut selected = Vec::new();
        self.inner.borrow_mut().each(namespace, target, |entry| selected.push(entry.local.clone()));
        selected
    }

    /// Of the sockets here that something is for, those with the lowest ids above `after`.
    pub(crate) fn select_lowest(&self, namespace: u64, target: &Target, after: &str, limit: usize) -> Chosen {
        let mut lowest = Lowest::new(after, limit);
        let mut inner = self.inner.borrow_mut();
        if !target.rooms.is_empty() || !target.except.is_empty() {
            inner.each(namespace, target, |entry| lowest.offer(entry.local.id(), || entry.local.clone()));
            return lowest.chosen();
        }
        // All of the namespace: the ids alone say who is chosen, and looking up every socket would take several times as long.
        let Inner { entries, by_id, namespaces, .. } = &*inner;
        if let Some(members) = namespaces.get(&namespace) {
            let is_only_one = members.all.len() == by_id.len();
            for (id, slot) in by_id {
                if (is_only_one || members.all.contains(slot))
                    && let Some(entry) = &entries[*slot as usize]
                {
                    lowest.offer(id, || entry.local.clone());
                }
            }
        }
        lowest.chosen()
    }
}

/// Whether it was a member.
fn remove_member(members: &mut Members, room: &RoomName, slot: u32) -> bool {
    let Some(slots) = members.rooms.get_mut(room) else { return false };
    let was_member = slots.remove(&slot);
    if slots.is_empty() {
        members.rooms.remove(room);
    }
    was_member
}

impl Inner {
    /// Calls `visit` once for each socket that `target` names.
    fn each(&mut self, namespace: u64, target: &Target, mut visit: impl FnMut(&Entry)) {
        let Self { entries, by_id, namespaces, epoch, .. } = self;
        let Some(members) = namespaces.get(&namespace) else { return };
        *epoch += 1;
        for room in &target.except {
            let single = by_id.get(room).filter(|slot| members.all.contains(slot));
            let slots = members.rooms.get(room).into_iter().flatten().chain(single);
            for slot in slots {
                if let Some(entry) = &mut entries[*slot as usize] {
                    entry.mark = *epoch;
                }
            }
        }
        let needs_marks = target.rooms.len() > 1 || !target.except.is_empty();
        let mut ahead = LookAhead::default();
        let mut visit_all = |entries: &mut [Option<Entry>], slots: &[u32]| {
            if slots.len() > 1 {
                let known = slots.iter().filter_map(|slot| entries[*slot as usize].as_ref());
                std::hint::black_box(known.filter(|entry| entry.connection.look()).count());
            }
            for slot in slots {
                let Some(entry) = &mut entries[*slot as usize] else { continue };
                if needs_marks {
                    if entry.mark == *epoch {
                        continue;
                    }
                    entry.mark = *epoch;
                }
                visit(entry);
            }
        };
        let mut take = |slot: u32| {
            if let Some(slots) = ahead.take(slot) {
                visit_all(entries, slots);
            }
        };
        if target.rooms.is_empty() {
            members.all.iter().copied().for_each(&mut take);
        }
        for room in &target.rooms {
            members.rooms.get(room).into_iter().flatten().copied().for_each(&mut take);
            // A socket's own room.
            if let Some(slot) = by_id.get(room).filter(|slot| members.all.contains(slot)) {
                take(*slot);
            }
        }
        visit_all(entries, ahead.rest());
    }
}

/// Slots that are looked at before the first of them is visited: thousands of sockets do not fit a cache, and what they take from
/// memory comes for several at once.
#[derive(Default)]
struct LookAhead {
    slots: [u32; 16],
    count: usize,
}

impl LookAhead {
    /// Takes one more; all of them, when there is no room for another.
    fn take(&mut self, slot: u32) -> Option<&[u32]> {
        self.slots[self.count] = slot;
        self.count = (self.count + 1) % self.slots.len();
        (self.count == 0).then_some(&self.slots)
    }

    fn rest(&self) -> &[u32] {
        &self.slots[..self.count]
    }
}

/// The hub's mailbox for other threads.
struct HubActor {
    hub: Weak<Hub>,
    hubs: WeakHubs,
}

impl Actor for HubActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Broadcasts and joins are bounded by who makes them: a full mailbox must not lose one.
        ctx.set_mailbox_capacity(0);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // The worker thread ends.
        let here = current_thread();
        let Some(hubs) = self.hubs.upgrade() else { return };
        hubs.list.write().unwrap_or_else(PoisonError::into_inner).retain(|hub| hub.thread != here);
        // A later event loop of this thread gets a hub of its own. (When the thread itself ends, there is no list any more.)
        let forgotten = HUBS.try_with(|list| {
            let mut list = list.borrow_mut();
            let at = list.iter().position(|(known, _)| std::ptr::eq(known.as_ptr(), &raw const *hubs));
            at.map(|at| list.swap_remove(at))
        });
        drop(forgotten);
    }
}

/// Delivers a broadcast to the sockets of this thread.
#[derive(Message)]
#[rtype(result = "()")]
struct Deliver {
    broadcast: Arc<Broadcast>,
    /// Dropped when it is done.
    #[allow(dead_code)]
    done: Arc<Done>,
}

impl Handler<Deliver> for HubActor {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        if let Some(hub) = self.hub.upgrade() {
            hub.deliver(&deliver.broadcast);
        }
    }
}

/// Runs something on the hub's thread.
#[derive(Message)]
#[rtype(result = "()")]
struct Visit(Errand);

type Errand = Box<dyn FnOnce(&Rc<Hub>) + Send>;

impl Handler<Visit> for HubActor {
    type Result = ();

    fn handle(&mut self, visit: Visit, _: &mut Self::Context) {
        if let Some(hub) = self.hub.upgrade() {
            (visit.0)(&hub);
        }
    }
}

//! The task that reads the bus, and keeps time: heartbeats, deaths, what lingers.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use socketio_cluster::bus::{BusEvent, BusEvents, Received};
use socketio_cluster::codec::{self, Decoded};
use socketio_cluster::fence::fence as run_fence;
use socketio_cluster::fragment::{Reassembly, ReassemblyLimits};
use socketio_cluster::message::{Envelope, Heartbeat, Membership, Message};
use socketio_cluster::node::{Epoch, NodeId};
use socketio_cluster::sequence::{Arrival, Incoming};
use socketio_cluster::subject::Subject;

use super::Uplink;
use super::lag::Lag;
use super::members::Heard;

/// How often the time is looked at, at least.
const TICK: Duration = Duration::from_millis(100);
/// After so many looks in a row it is believed that an event of the bus is lost.
const CONTRADICTIONS: u32 = 3;
/// The shortest time between two announcements of all rooms.
const SAY_ALL: Duration = Duration::from_secs(2);
/// How often nodes that did not confirm something are asked again.
const RETRY: Duration = Duration::from_secs(2);
/// Rooms in one message about membership.
const MAX_ROOMS: usize = 1000;

/// Reads until the bus, or the server, is gone.
pub(super) async fn run(uplink: Arc<Uplink>, mut events: BusEvents) {
    let mut reader = Reader::new(uplink);
    let mut tick = tokio::time::interval(TICK.min(reader.uplink.config.heartbeat_interval / 4));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => reader.event(event),
                None => break,
            },
            _ = tick.tick() => {
                if !reader.tick() {
                    break;
                }
            }
        }
    }
    reader.uplink.say_goodbye();
    // Whoever waits for a fence is told, and its task ends.
    reader.uplink.opening.wake.notify_one();
}

/// Runs fences whenever subjects wait for one: one at a time, but a node that is silent does not hold up the next for long.
pub(super) async fn fence(uplink: Arc<Uplink>) {
    let mut running = FuturesUnordered::new();
    let mut next = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = uplink.opening.wake.notified() => {}
            Some(()) = running.next() => {}
            () = tokio::time::sleep_until(next), if !running.is_empty() && uplink.opening.is_needed() => {}
        }
        if uplink.site().is_none() {
            return;
        }
        let now = tokio::time::Instant::now();
        if (running.is_empty() || now >= next)
            && let Some(number) = uplink.opening.begin()
        {
            next = now + uplink.config.fence_interval();
            running.push(one_fence(&uplink, number));
        }
    }
}

async fn one_fence(uplink: &Uplink, number: u64) {
    let (live, _) = uplink.members.split();
    let gather = uplink.fences.begin(live, 1024);
    let id = gather.id();
    let subject = uplink.subjects.fence(uplink.node.id, id);
    let ask = || {
        uplink.send(uplink.subjects.control(), Message::FenceRequest(id));
    };
    let timeout = uplink.config.fence_timeout();
    let mut missing = run_fence(&*uplink.bus, subject, gather, timeout, ask).await;
    // Nobody misses the dead.
    missing.retain(|node| uplink.members.is_known(*node));
    if !missing.is_empty() {
        tracing::warn!(?missing, "nodes did not confirm that rooms are open here");
    }
    uplink.opening.end(number, missing);
}

struct Reader {
    uplink: Arc<Uplink>,
    incoming: Incoming,
    reassembly: Reassembly,
    next_heartbeat: Instant,
    lag: Lag,
    was_connected: bool,
    /// Looks in a row at which the connection was not what the events said.
    contradicted: u32,
    /// What was said about losses and garbage already.
    told: (u64, u64, u64),
    next_report: Instant,
    /// All rooms that are open here have to be said again, but not more often than once in a while.
    says_all: bool,
    next_say_all: Instant,
    next_retry: Instant,
}

impl Reader {
    fn new(uplink: Arc<Uplink>) -> Self {
        let limits =
            ReassemblyLimits { max_message: uplink.config.max_message, ..ReassemblyLimits::default() };
        Self {
            uplink,
            incoming: Incoming::default(),
            reassembly: Reassembly::new(limits),
            next_heartbeat: Instant::now(),
            lag: Lag::default(),
            was_connected: false,
            contradicted: 0,
            told: (0, 0, 0),
            next_report: Instant::now(),
            says_all: false,
            next_say_all: Instant::now(),
            next_retry: Instant::now(),
        }
    }

    fn event(&mut self, event: BusEvent) {
        match event {
            BusEvent::Message(received) => self.message(&received),
            BusEvent::Connected => self.connected(),
            BusEvent::Disconnected => self.disconnected(),
            BusEvent::Lost(count) => {
                // Whose they were shows in the numbers.
                self.uplink.counters.lost.fetch_add(count, Ordering::Relaxed);
                self.says_all = true;
            }
            BusEvent::Unsent(count) => _ = self.uplink.counters.unsent.fetch_add(count, Ordering::Relaxed),
            // What a later version of the bus may tell.
            _ => {}
        }
    }

    fn connected(&mut self) {
        let uplink = self.uplink.clone();
        let is_news = !uplink.members.is_connected();
        uplink.members.set_connected(true);
        if std::mem::replace(&mut self.was_connected, true) && is_news {
            uplink.counters.reconnects.fetch_add(1, Ordering::Relaxed);
            tracing::info!(node = %uplink.node.id, "connected to the other nodes again");
        }
        uplink.send(uplink.subjects.control(), Message::Joining(uplink.announcement()));
        uplink.opening.reopen();
        self.says_all = true;
        self.next_heartbeat = Instant::now();
        uplink.news.notify_waiters();
    }

    fn disconnected(&mut self) {
        self.uplink.members.set_connected(false);
        self.uplink.news.notify_waiters();
        tracing::warn!(node = %self.uplink.node.id, "the other nodes are out of reach; this one goes on alone");
    }

    // ---- what comes ------------------------------------------------------------------------------------

    fn message(&mut self, received: &Received) {
        self.uplink.members.sign();
        if received.subject == *self.uplink.subjects.emit() {
            return self.uplink.external(received);
        }
        // What this node said itself comes back.
        if let Some((from, _, order)) = codec::peek_order(&received.body)
            && from == self.uplink.node.id
        {
            return self.lag.came_back(order, &self.uplink.counters.round_trip);
        }
        match codec::decode(&received.body) {
            Ok(Decoded::Whole(envelope)) => self.envelope(&received.subject, envelope),
            Ok(Decoded::Fragment(fragment)) => match self.reassembly.take(&fragment, Instant::now()) {
                Ok(None) => {}
                Ok(Some(whole)) => match codec::decode(&whole) {
                    Ok(Decoded::Whole(envelope))
                        if (envelope.from, envelope.epoch) == (fragment.from, fragment.epoch) =>
                    {
                        self.envelope(&received.subject, envelope);
                    }
                    _ => self.refuse(&received.subject, &"the parts make no message of their sender"),
                },
                Err(error) => self.refuse(&received.subject, &error),
            },
            Err(error) => self.refuse(&received.subject, &error),
        }
    }

    fn refuse(&self, subject: &Subject, why: &dyn std::fmt::Display) {
        let before = self.uplink.counters.refused.fetch_add(1, Ordering::Relaxed);
        // The first says it loudly; how many more is reported once in a while.
        if before == 0 {
            tracing::warn!(%subject, %why, "something came over the bus that is no message of a node");
        } else {
            tracing::debug!(%subject, %why, "something came over the bus that is no message of a node");
        }
    }

    fn envelope(&mut self, subject: &Subject, envelope: Envelope) {
        let Envelope { from, epoch, order, sequence, message } = envelope;
        let uplink = self.uplink.clone();
        if from == uplink.node.id {
            return;
        }
        match uplink.members.heard(from, epoch, order) {
            Heard::Refused => return,
            Heard::Departed => return self.departed(from, message),
            Heard::Known => {}
            Heard::Back => {
                tracing::info!(node = %from, "a node is within reach again");
                uplink.opening.reopen();
                self.says_all = true;
            }
            Heard::New => self.appeared(from),
            Heard::Again => {
                self.gone(from, "numbers anew");
                self.appeared(from);
            }
        }
        // Subjects that are used once are not numbered.
        if sequence > 0 {
            match self.incoming.message(from, epoch, subject, sequence) {
                Arrival::Expected | Arrival::NewEpoch => {}
                Arrival::Old => return,
                Arrival::Gap(count) => self.lost(from, subject, count),
            }
        }
        match message {
            Message::Joining(announcement) => {
                if uplink.members.introduced(from, &announcement) {
                    let _ = uplink.send_to(from, uplink.heartbeat(Vec::new()));
                } else {
                    self.gone(from, "is refused");
                }
            }
            Message::Heartbeat(heartbeat) => self.heartbeat(from, epoch, &heartbeat),
            Message::Leaving => {
                uplink.members.left(from);
                self.gone(from, "has left");
            }
            Message::FenceRequest(nonce) => {
                let subject = uplink.subjects.fence(from, nonce);
                let _ = uplink.outbound.send_unnumbered(&subject, Message::FenceAnswer(nonce));
            }
            Message::FenceAnswer(nonce) => _ = uplink.fences.answer(nonce, from, (), true),
            Message::Response(response) => {
                uplink.requests.answer(response.id, from, response.answer, response.is_last);
            }
            Message::Broadcast(broadcast) => {
                if let Some(site) = uplink.site() {
                    site.deliver(from, broadcast);
                }
            }
            Message::Request(request) => {
                if let Some(site) = uplink.site() {
                    spawn(site.answer(from, request));
                }
            }
            Message::Membership(membership) => self.membership(from, &membership),
            Message::Relay(relay) => uplink.relayed(from, relay),
            // What a later version may say; this one does not decode it.
            _ => {}
        }
    }

    /// What a node still says after its goodbye: its handlers end.
    fn departed(&self, from: NodeId, message: Message) {
        let Some(site) = self.uplink.site() else { return };
        match message {
            Message::Broadcast(broadcast) => site.deliver(from, broadcast),
            Message::Request(request) => spawn(site.answer(from, request)),
            _ => {}
        }
    }

    fn heartbeat(&mut self, from: NodeId, epoch: Epoch, heartbeat: &Heartbeat) {
        let uplink = self.uplink.clone();
        if !uplink.members.introduced(from, &heartbeat.announcement) {
            return self.gone(from, "is refused");
        }
        uplink.members.beat(from, heartbeat);
        for (subject, number) in &heartbeat.sequences {
            if !uplink.hears(subject) {
                continue;
            }
            if let Arrival::Gap(count) = self.incoming.heartbeat(from, epoch, subject, *number) {
                self.lost_on(from, subject, count);
            }
        }
    }

    fn membership(&self, from: NodeId, membership: &Membership) {
        let uplink = &self.uplink;
        let namespace = &membership.namespace;
        let shared = uplink.membership.told(from, namespace, &membership.rooms);
        let Some(site) = uplink.site() else { return };
        if membership.wants_answer && !shared.is_empty() {
            let size = |room: std::sync::Arc<str>| {
                let members = site.room_size(namespace, &room) as u64;
                (room, members)
            };
            let rooms = shared.into_iter().map(size).collect();
            let answer = Membership { namespace: namespace.clone(), rooms, wants_answer: false };
            let _ = uplink.send_to(from, Message::Membership(answer));
        }
    }

    fn lost(&self, from: NodeId, subject: &Subject, count: u64) {
        self.lost_on(from, subject.as_str(), count);
    }

    /// Messages of a node are missing: whatever hangs on their completeness begins anew.
    fn lost_on(&self, from: NodeId, subject: &str, count: u64) {
        let uplink = &self.uplink;
        uplink.counters.lost.fetch_add(count, Ordering::Relaxed);
        tracing::warn!(node = %from, subject, count, "messages of another node are lost");
        if subject == uplink.subjects.node(uplink.node.id).as_str() {
            uplink.relay_lost(from);
        }
        let concerns =
            |namespace: &str, room: &str| uplink.subjects.room(namespace, room).as_str() == subject;
        uplink.membership.doubt(from, concerns);
        uplink.membership.say_again(concerns);
    }

    fn appeared(&mut self, node: NodeId) {
        tracing::info!(%node, "another node is there");
        self.says_all = true;
        self.uplink.news.notify_waiters();
    }

    /// A node is gone, or what was known of it.
    fn gone(&mut self, node: NodeId, how: &str) {
        tracing::info!(%node, how, "a node is gone");
        self.out_of_reach(node);
        self.uplink.membership.forget(node);
        self.uplink.relay_gone(node);
        self.uplink.opening.forget(node);
        // Of one that only seems dead the numbers go on: it may still know the last.
        self.uplink.outbound.retire(self.uplink.subjects.node(node));
        self.incoming.forget_node(node);
        self.reassembly.forget_node(node);
    }

    /// Nobody waits for it any more.
    fn out_of_reach(&self, node: NodeId) {
        self.uplink.requests.node_died(node);
        self.uplink.fences.node_died(node);
    }

    // ---- time ------------------------------------------------------------------------------------------

    /// False when the server is gone.
    fn tick(&mut self) -> bool {
        let uplink = self.uplink.clone();
        if uplink.site().is_none() {
            return false;
        }
        let now = Instant::now();
        if now >= self.next_heartbeat {
            // Without the delay of this look: what is late once is not late for ever.
            let following = self.next_heartbeat + uplink.config.heartbeat_interval;
            self.next_heartbeat =
                if following > now { following } else { now + uplink.config.heartbeat_interval };
            uplink.load.look();
            if !uplink.has_said_goodbye.load(Ordering::SeqCst) {
                let heartbeat = uplink.heartbeat(uplink.outbound.heartbeat());
                let sent = uplink.outbound.send_in_order(uplink.subjects.control(), heartbeat);
                self.lag.sent(sent.as_ref().ok().copied(), now, &uplink.counters.round_trip);
                // A failure is counted there; the next heartbeat says it all again.
                let _ = uplink.check_sent(sent.map(|_| ()));
            }
        }
        // Events of the bus can be lost: what it says all the time counts.
        let is_connected = uplink.bus.is_connected();
        self.contradicted =
            if is_connected == uplink.members.is_connected() { 0 } else { self.contradicted + 1 };
        if self.contradicted >= CONTRADICTIONS {
            if is_connected { self.connected() } else { self.disconnected() }
        }
        let (dead, away) = uplink.members.sweep();
        for node in dead {
            self.gone(node, "gives no sign of life");
        }
        for node in away {
            tracing::warn!(%node, "a node is out of reach");
            self.out_of_reach(node);
        }
        for subject in uplink.opening.sweep() {
            self.incoming.forget_subject(&subject);
        }
        uplink.answer_in_place(now);
        self.reassembly.sweep(now);
        if now >= self.next_retry {
            self.next_retry = now + RETRY;
            uplink.opening.retry();
        }
        if self.says_all && now >= self.next_say_all {
            self.next_say_all = now + SAY_ALL;
            self.says_all = false;
            uplink.membership.say_again(|_, _| true);
        }
        self.say_membership();
        self.report(now);
        true
    }

    /// Tells the others which rooms opened and closed.
    fn say_membership(&self) {
        let uplink = &self.uplink;
        let changed = uplink.membership.take_changed();
        let Some(site) = uplink.site() else { return };
        if uplink.has_said_goodbye.load(Ordering::SeqCst) {
            return;
        }
        let mut batches: HashMap<(&Subject, Arc<str>), Vec<_>> = HashMap::new();
        for (namespace, room) in changed {
            let subject = uplink.subjects.room(&namespace, &room);
            let members = site.room_size(&namespace, &room) as u64;
            batches.entry((subject, namespace)).or_default().push((room, members));
        }
        for ((subject, namespace), rooms) in batches {
            for rooms in rooms.chunks(MAX_ROOMS) {
                let rooms = rooms.to_vec();
                let membership = Membership { namespace: namespace.clone(), rooms, wants_answer: true };
                uplink.send(subject, Message::Membership(membership));
            }
        }
    }

    /// Says what went wrong since the last time, at a bounded rate.
    fn report(&mut self, now: Instant) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + Duration::from_secs(10);
        let counters = &self.uplink.counters;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (lost, refused, unsent) = (load(&counters.lost), load(&counters.refused), load(&counters.unsent));
        let before = std::mem::replace(&mut self.told, (lost, refused, unsent));
        if before != self.told {
            tracing::warn!(
                lost = lost.wrapping_sub(before.0),
                refused = refused.wrapping_sub(before.1),
                unsent = unsent.wrapping_sub(before.2),
                "messages between nodes were lost, no messages at all, or not sent"
            );
        }
    }
}

impl Uplink {
    /// Whether a subject is subscribed here.
    fn hears(&self, subject: &str) -> bool {
        subject == self.subjects.control().as_str()
            || subject == self.subjects.nodes().as_str()
            || subject == self.subjects.node(self.node.id).as_str()
            || self.opening.is_subscribed(subject)
    }
}

/// Polls once here, so that what the future hands out at its beginning is handed out in order; the rest runs by itself.
pub(super) fn spawn<T: Send + 'static>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) {
    let mut context = Context::from_waker(Waker::noop());
    if future.as_mut().poll(&mut context).is_pending() {
        tokio::spawn(future);
    }
}

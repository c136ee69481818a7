//! Several nodes in one process: a bus without a network, for a single node and for tests.
//!
//! Delivers at once and in order. It can be cut off like a real one: see [`MemoryBus::set_connected`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::bus::{Bus, BusEvent, BusEvents, Publish, PublishError, Received, Subscription};
use crate::inbound::Inbound;
use crate::request::{PendingReply, RequestError, Requests};
use crate::subject::Subject;

/// What every NATS server takes unless configured otherwise.
const MAX_PAYLOAD: usize = 1 << 20;

/// How many events wait for one bus's reader.
const CAPACITY: usize = 65_536;

/// What the buses of one process share.
#[derive(Clone, Debug, Default)]
pub struct MemoryHub {
    members: Arc<Mutex<Members>>,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    buses: BTreeMap<u64, Member>,
    /// The member of each queue group that got the last message.
    turns: HashMap<Subscription, u64>,
}

#[derive(Debug)]
struct Member {
    inbound: Inbound,
    subscriptions: HashSet<Subscription>,
    requests: Arc<Requests>,
    is_connected: bool,
    is_closed: bool,
}

impl Members {
    /// Whether anybody got it.
    fn deliver(&mut self, received: &Received) -> bool {
        let mut is_heard = false;
        let mut groups = HashSet::new();
        for member in self.buses.values().filter(|member| member.is_connected) {
            is_heard |= member.requests.answer(received.subject.as_str(), Ok(received.body.clone()));
            for subscription in &member.subscriptions {
                if subscription.subject == received.subject {
                    is_heard = true;
                    match subscription.group {
                        None => member.inbound.tell(BusEvent::Message(received.clone())),
                        Some(_) => _ = groups.insert(subscription.clone()),
                    }
                }
            }
        }
        for group in groups {
            self.deliver_to_one(group, received);
        }
        is_heard
    }

    /// The next member after the one whose turn it was.
    fn deliver_to_one(&mut self, group: Subscription, received: &Received) {
        let is_member = |member: &Member| member.is_connected && member.subscriptions.contains(&group);
        let last = self.turns.get(&group).copied();
        let after = self.buses.iter().filter(|(id, _)| last.is_none_or(|last| **id > last));
        let next = after.chain(&self.buses).find(|(_, member)| is_member(member));
        if let Some((id, member)) = next {
            member.inbound.tell(BusEvent::Message(Received { is_queue: true, ..received.clone() }));
            self.turns.insert(group, *id);
        }
    }

    fn leave(&mut self, id: u64) {
        self.buses.remove(&id);
        let buses = &self.buses;
        self.turns.retain(|group, _| buses.values().any(|member| member.subscriptions.contains(group)));
    }
}

impl MemoryHub {
    /// A new bus, connected to all others of this hub. It leaves when it is dropped.
    pub fn connect(&self) -> (MemoryBus, BusEvents) {
        let (inbound, events) = Inbound::new(CAPACITY);
        inbound.tell(BusEvent::Connected);
        let mut members = self.lock();
        let id = members.next;
        members.next += 1;
        let requests = Arc::new(Requests::new("_INBOX"));
        let member = Member {
            inbound,
            subscriptions: HashSet::new(),
            requests: requests.clone(),
            is_connected: true,
            is_closed: false,
        };
        members.buses.insert(id, member);
        (MemoryBus { hub: self.clone(), id, requests }, events)
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Nothing is half done when a holder panics.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's end of a [`MemoryHub`].
#[derive(Debug)]
pub struct MemoryBus {
    hub: MemoryHub,
    id: u64,
    requests: Arc<Requests>,
}

impl MemoryBus {
    /// Cuts this bus off, or connects it again. What is published meanwhile by it is refused, by others lost for it.
    pub fn set_connected(&self, is_connected: bool) {
        self.with(|member| {
            if member.is_connected != is_connected {
                member.is_connected = is_connected;
                let event = if is_connected { BusEvent::Connected } else { BusEvent::Disconnected };
                member.inbound.tell(event);
            }
        });
    }

    /// Whether anybody got it.
    fn deliver(&self, message: Publish) -> Result<bool, PublishError> {
        let size = message.body.len();
        if size > MAX_PAYLOAD {
            return Err(PublishError::TooLarge { size, limit: MAX_PAYLOAD });
        }
        let mut members = self.hub.lock();
        match members.buses.get(&self.id) {
            Some(member) if member.is_closed => return Err(PublishError::Closed),
            Some(member) if member.is_connected => {}
            _ => return Err(PublishError::Full),
        }
        let reply = message.reply.map(|reply| reply.as_str().to_owned());
        Ok(members.deliver(&Received {
            subject: message.subject,
            is_queue: false,
            reply,
            body: message.body,
            trace: message.trace,
        }))
    }

    fn want(&self, subscription: Subscription, is_wanted: bool) {
        self.with(|member| {
            if is_wanted {
                member.subscriptions.insert(subscription);
            } else {
                member.subscriptions.remove(&subscription);
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.hub.lock().buses.get_mut(&self.id) {
            change(member);
        }
    }
}

impl Bus for MemoryBus {
    fn publish(&self, message: Publish) -> Result<(), PublishError> {
        self.deliver(message).map(|_| ())
    }

    fn request(&self, message: Publish) -> Result<PendingReply, PublishError> {
        let (reply, pending) = self.requests.begin();
        if !self.deliver(Publish { reply: Some(reply.clone()), ..message })? {
            self.requests.answer(reply.as_str(), Err(RequestError::NoResponders));
        }
        Ok(pending)
    }

    fn subscribe(&self, subject: Subject) {
        self.want(Subscription::plain(subject), true);
    }

    fn unsubscribe(&self, subject: Subject) {
        self.want(Subscription::plain(subject), false);
    }

    fn subscribe_queue(&self, subject: Subject, group: &str) {
        self.want(Subscription::queue(subject, group), true);
    }

    fn unsubscribe_queue(&self, subject: Subject, group: &str) {
        self.want(Subscription::queue(subject, group), false);
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn is_connected(&self) -> bool {
        self.hub.lock().buses.get(&self.id).is_some_and(|member| member.is_connected)
    }

    fn close(&self, _timeout: Duration) -> BoxFuture<'_, bool> {
        self.with(|member| member.is_closed = true);
        Box::pin(std::future::ready(true))
    }
}

impl Drop for MemoryBus {
    fn drop(&mut self) {
        self.hub.lock().leave(self.id);
        self.requests.close();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::subject::Subjects;

    fn publish(bus: &impl Bus, subject: &Subject, body: &'static str) -> Result<(), PublishError> {
        bus.publish(Publish::new(subject.clone(), Bytes::from_static(body.as_bytes())))
    }

    fn received(events: &mut BusEvents) -> Option<BusEvent> {
        events.try_recv().ok()
    }

    fn message(subject: &Subject, body: &'static str) -> Option<BusEvent> {
        let body = Bytes::from_static(body.as_bytes());
        Some(BusEvent::Message(Received {
            subject: subject.clone(),
            is_queue: false,
            reply: None,
            body,
            trace: None,
        }))
    }

    #[test]
    fn subscribers_get_it_once_and_the_sender_too() {
        let subjects = Subjects::default();
        let (hub, subject) = (MemoryHub::default(), subjects.emit());
        let (one, mut of_one) = hub.connect();
        let (two, mut of_two) = hub.connect();
        let (_three, mut of_three) = hub.connect();
        for events in [&mut of_one, &mut of_two, &mut of_three] {
            assert_eq!(received(events), Some(BusEvent::Connected));
        }
        one.subscribe(subject.clone());
        two.subscribe(subject.clone());
        two.subscribe(subject.clone());
        assert_eq!(publish(&one, subject, "a"), Ok(()));
        assert_eq!(publish(&one, subjects.control(), "b"), Ok(()));
        assert_eq!(received(&mut of_one), message(subject, "a"));
        assert_eq!(received(&mut of_two), message(subject, "a"));
        assert_eq!(
            [received(&mut of_one), received(&mut of_two), received(&mut of_three)],
            [None, None, None]
        );
        two.unsubscribe(subject.clone());
        assert_eq!(publish(&one, subject, "c"), Ok(()));
        assert_eq!(received(&mut of_two), None);
        drop(one);
        assert_eq!(publish(&two, subject, "d"), Ok(()), "nobody listens");
    }

    #[test]
    fn one_member_of_a_group_gets_it_in_turn() {
        let subjects = Subjects::default();
        let (hub, subject) = (MemoryHub::default(), subjects.emit());
        let mut buses: Vec<_> = (0..3).map(|_| hub.connect()).collect();
        let (sender, _events) = hub.connect();
        for (bus, _) in &buses {
            bus.subscribe_queue(subject.clone(), "nodes");
            bus.subscribe_queue(subject.clone(), "nodes");
        }
        buses[0].0.subscribe(subject.clone());
        buses[0].0.subscribe_queue(subject.clone(), "a group with spaces");
        let count = |buses: &mut Vec<(MemoryBus, BusEvents)>| {
            for _ in 0..6 {
                assert_eq!(publish(&sender, subject, "x"), Ok(()));
            }
            let count = |events: &mut BusEvents| {
                let (mut queue, mut plain) = (0, 0);
                while let Some(event) = received(events) {
                    match event {
                        BusEvent::Message(received) if received.is_queue => queue += 1,
                        BusEvent::Message(_) => plain += 1,
                        _ => {}
                    }
                }
                (queue, plain)
            };
            buses.iter_mut().map(|(_, events)| count(events)).collect::<Vec<_>>()
        };
        assert_eq!(count(&mut buses), [(2 + 6, 6), (2, 0), (2, 0)]);
        buses[0].0.unsubscribe_queue(subject.clone(), "a group with spaces");
        buses[0].0.unsubscribe_queue(subject.clone(), "nodes");
        buses[1].0.set_connected(false);
        assert_eq!(count(&mut buses), [(0, 6), (0, 0), (6, 0)]);
        buses.pop();
        assert_eq!(count(&mut buses), [(0, 6), (0, 0)], "nobody of the group is there");
    }

    #[tokio::test]
    async fn a_request_is_answered_once_or_nobody_is_there() {
        let subjects = Subjects::default();
        let (hub, subject) = (MemoryHub::default(), subjects.emit());
        let (one, mut of_one) = hub.connect();
        let (two, mut of_two) = hub.connect();
        let ask = |text: &'static str| {
            one.request(Publish::new(subject.clone(), Bytes::from_static(text.as_bytes())))
        };
        let nobody = ask("nobody").expect("sent").within(Duration::from_secs(5)).await;
        assert_eq!(nobody, Err(RequestError::NoResponders));
        two.subscribe_queue(subject.clone(), "nodes");
        let pending = ask("somebody").expect("sent");
        assert_eq!(received(&mut of_two), Some(BusEvent::Connected));
        let Some(BusEvent::Message(Received { reply: Some(reply), .. })) = received(&mut of_two) else {
            panic!("no request");
        };
        let reply = subjects.reply(&reply).expect("an inbox");
        for answer in ["first", "second"] {
            assert_eq!(publish(&two, &reply, answer), Ok(()));
        }
        assert_eq!(pending.within(Duration::from_secs(5)).await, Ok(Bytes::from_static(b"first")));
        assert_eq!(received(&mut of_one), Some(BusEvent::Connected));
        assert_eq!(received(&mut of_one), None, "answers are no events");
        let pending = ask("nobody waits").expect("sent");
        assert!(one.close(Duration::ZERO).await);
        assert_eq!(ask("closed").err(), Some(PublishError::Closed));
        drop(one);
        assert_eq!(pending.within(Duration::from_secs(5)).await, Err(RequestError::Closed));
    }

    #[test]
    fn a_bus_that_is_cut_off_says_so_and_hears_nothing() {
        let subjects = Subjects::default();
        let (hub, subject) = (MemoryHub::default(), subjects.emit());
        let (one, _events) = hub.connect();
        let (two, mut events) = hub.connect();
        two.subscribe(subject.clone());
        two.set_connected(false);
        two.set_connected(false);
        assert!(!two.is_connected() && one.is_connected());
        assert_eq!(publish(&one, subject, "lost"), Ok(()));
        assert_eq!(publish(&two, subject, "refused"), Err(PublishError::Full));
        two.set_connected(true);
        assert_eq!(publish(&one, subject, "heard"), Ok(()));
        let heard: Vec<_> = std::iter::from_fn(|| received(&mut events)).collect();
        let [connected, disconnected] = [BusEvent::Connected, BusEvent::Disconnected];
        let expected = [connected.clone(), disconnected, connected, message(subject, "heard").expect("one")];
        assert_eq!(heard, expected);
    }

    #[test]
    fn what_a_slow_reader_loses_is_counted() {
        let subjects = Subjects::default();
        let (hub, subject) = (MemoryHub::default(), subjects.emit());
        let (bus, mut events) = hub.connect();
        bus.subscribe(subject.clone());
        for _ in 0..CAPACITY + 9 {
            assert_eq!(publish(&bus, subject, "x"), Ok(()));
        }
        for _ in 0..CAPACITY {
            assert!(received(&mut events).is_some());
        }
        assert_eq!(received(&mut events), None);
        assert_eq!(publish(&bus, subject, "y"), Ok(()));
        assert_eq!(received(&mut events), Some(BusEvent::Lost(10)), "Connected took one place");
        assert_eq!(received(&mut events), message(subject, "y"));
    }

    #[test]
    fn a_body_above_the_limit_is_refused() {
        let (bus, _events) = MemoryHub::default().connect();
        let body = Bytes::from(vec![0; bus.max_payload() + 1]);
        let refused = bus.publish(Publish::new(Subjects::default().emit().clone(), body));
        assert_eq!(refused, Err(PublishError::TooLarge { size: MAX_PAYLOAD + 1, limit: MAX_PAYLOAD }));
    }
}

//! Sequence numbers per publisher and subject: given to what goes out, checked on what comes in.
//!
//! NATS delivers at most once: a slow reader or a reconnect loses messages without a word. The numbers show it, and the
//! heartbeats show it even when nothing follows the loss. Pure.

use std::collections::HashMap;

use crate::node::{Epoch, NodeId};
use crate::subject::Subject;

/// The numbers of what this node publishes: one more with each message on a subject.
#[derive(Debug, Default)]
pub struct Outgoing {
    last: HashMap<Subject, u64>,
    since_heartbeat: HashMap<Subject, u64>,
    /// No subject that was forgotten had a higher number: nobody takes what follows there for old.
    floor: u64,
}

impl Outgoing {
    /// The number that the next message on `subject` will have.
    pub fn following(&self, subject: &Subject) -> u64 {
        self.last.get(subject).copied().unwrap_or(self.floor) + 1
    }

    /// The number of the next message on `subject`, which is published now.
    pub fn next(&mut self, subject: &Subject) -> u64 {
        let number = self.following(subject);
        for numbers in [&mut self.last, &mut self.since_heartbeat] {
            match numbers.get_mut(subject) {
                Some(last) => *last = number,
                None => _ = numbers.insert(subject.clone(), number),
            }
        }
        number
    }

    /// Nothing will be published on `subject` for long. What would be has a higher number than anything that was forgotten: who
    /// still listens there misses nothing, but may believe that it did.
    pub fn forget(&mut self, subject: &Subject) {
        self.floor = self.floor.max(self.last.remove(subject).unwrap_or_default());
        self.since_heartbeat.remove(subject);
    }

    /// The last numbers on the subjects used since the previous call: what a heartbeat says.
    pub fn heartbeat(&mut self) -> Vec<(Subject, u64)> {
        self.since_heartbeat.drain().collect()
    }
}

/// What a number that came in says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one, or the first that is heard of this publisher here.
    Expected,
    /// That many messages before it are lost.
    Gap(u64),
    /// It was here before, or a later one was.
    Old,
    /// The publisher began a new epoch: what was known of it is void.
    NewEpoch,
}

#[derive(Debug)]
struct Publisher {
    epoch: Epoch,
    last: HashMap<Subject, u64>,
}

/// The numbers of what others publish.
#[derive(Debug, Default)]
pub struct Incoming {
    publishers: HashMap<NodeId, Publisher>,
}

impl Incoming {
    /// A message came on `subject`.
    pub fn message(&mut self, from: NodeId, epoch: Epoch, subject: &Subject, number: u64) -> Arrival {
        let (publisher, is_new_epoch) = self.publisher(from, epoch);
        let last = publisher.last.insert(subject.clone(), number);
        match last {
            _ if is_new_epoch => Arrival::NewEpoch,
            None => Arrival::Expected,
            Some(last) if number <= last => {
                publisher.last.insert(subject.clone(), last);
                Arrival::Old
            }
            Some(last) if number == last + 1 => Arrival::Expected,
            Some(last) => Arrival::Gap(number - last - 1),
        }
    }

    /// A heartbeat said that `number` was the last on `subject`, which this node is subscribed to. Nothing can be said about
    /// a subject on which nothing was heard of that publisher: the subscription may be younger.
    pub fn heartbeat(&mut self, from: NodeId, epoch: Epoch, subject: &str, number: u64) -> Arrival {
        let (publisher, is_new_epoch) = self.publisher(from, epoch);
        if is_new_epoch {
            return Arrival::NewEpoch;
        }
        match publisher.last.get_mut(subject) {
            Some(last) if number > *last => {
                let missing = number - *last;
                *last = number;
                Arrival::Gap(missing)
            }
            _ => Arrival::Expected,
        }
    }

    /// The node is dead or has left.
    pub fn forget_node(&mut self, node: NodeId) {
        self.publishers.remove(&node);
    }

    /// This node is no longer subscribed to `subject`: what comes on it later begins anew.
    pub fn forget_subject(&mut self, subject: &Subject) {
        for publisher in self.publishers.values_mut() {
            publisher.last.remove(subject);
        }
    }

    fn publisher(&mut self, from: NodeId, epoch: Epoch) -> (&mut Publisher, bool) {
        let mut is_new_epoch = false;
        let publisher = self
            .publishers
            .entry(from)
            .and_modify(|known| {
                if known.epoch != epoch {
                    is_new_epoch = true;
                    known.epoch = epoch;
                    known.last.clear();
                }
            })
            .or_insert_with(|| Publisher { epoch, last: HashMap::new() });
        (publisher, is_new_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subjects;

    #[test]
    fn numbers_rise_per_subject_and_heartbeats_tell_the_last() {
        let subjects = Subjects::new("t", 1).expect("valid");
        let (one, two) = (subjects.control(), subjects.room("/", ""));
        let mut outgoing = Outgoing::default();
        assert_eq!([outgoing.next(one), outgoing.next(one), outgoing.next(two)], [1, 2, 1]);
        let mut told = outgoing.heartbeat();
        told.sort();
        assert_eq!(told, [(one.clone(), 2), (two.clone(), 1)]);
        assert!(outgoing.heartbeat().is_empty());
        assert_eq!(outgoing.next(one), 3);
        assert_eq!(outgoing.heartbeat(), [(one.clone(), 3)]);
        outgoing.forget(one);
        assert_eq!(
            (outgoing.following(one), outgoing.following(two)),
            (4, 2),
            "never a number that was used"
        );
        assert_eq!([outgoing.next(one), outgoing.next(two)], [4, 2]);
    }

    #[test]
    fn gaps_repetitions_and_new_epochs_are_noticed() {
        let subjects = Subjects::default();
        let subject = subjects.control();
        let node = NodeId::random();
        let (first, second) = (Epoch(1), Epoch(2));
        let mut incoming = Incoming::default();
        assert_eq!(incoming.message(node, first, subject, 7), Arrival::Expected);
        assert_eq!(incoming.message(node, first, subject, 8), Arrival::Expected);
        assert_eq!(incoming.message(node, first, subject, 11), Arrival::Gap(2));
        assert_eq!(incoming.message(node, first, subject, 9), Arrival::Old);
        assert_eq!(incoming.message(node, first, subject, 12), Arrival::Expected);
        assert_eq!(incoming.heartbeat(node, first, subject.as_str(), 12), Arrival::Expected);
        assert_eq!(incoming.heartbeat(node, first, subject.as_str(), 15), Arrival::Gap(3));
        assert_eq!(incoming.heartbeat(node, first, subject.as_str(), 15), Arrival::Expected, "told once");
        assert_eq!(incoming.message(node, first, subject, u64::MAX), Arrival::Gap(u64::MAX - 16));
        assert_eq!(incoming.message(node, first, subject, u64::MAX), Arrival::Old);
        assert_eq!(incoming.message(node, second, subject, 1), Arrival::NewEpoch);
        assert_eq!(incoming.message(node, second, subject, 2), Arrival::Expected);
        incoming.forget_subject(subject);
        assert_eq!(
            incoming.heartbeat(node, second, subject.as_str(), 9),
            Arrival::Expected,
            "nothing was heard there"
        );
        assert_eq!(incoming.message(node, second, subject, 9), Arrival::Expected);
        incoming.forget_node(node);
        assert_eq!(incoming.message(node, first, subject, 1), Arrival::Expected);
    }
}

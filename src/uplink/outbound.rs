//! What this node publishes: numbered, encoded, split, in the order of the calls. Never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use socketio_cluster::bus::{Bus, Publish, PublishError};
use socketio_cluster::codec;
use socketio_cluster::fragment::{self, SplitError};
use socketio_cluster::message::{Envelope, Message};
use socketio_cluster::node::Node;
use socketio_cluster::sequence::Outgoing;
use socketio_cluster::subject::Subject;

/// Subjects of nodes that are gone whose numbers are kept: a node may be back, having heard all before.
const MAX_RETIRED: usize = 1000;

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Larger than what is sent.
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    TooManyItems(#[from] codec::TooManyItems),
    /// The bus does not take it now.
    #[error(transparent)]
    Bus(#[from] PublishError),
}

/// See the module's documentation.
pub(crate) struct Outbound {
    bus: Arc<dyn Bus>,
    node: Node,
    max_message: usize,
    numbers: Mutex<Numbers>,
}

#[derive(Default)]
struct Numbers {
    order: u64,
    outgoing: Outgoing,
    retired: VecDeque<Subject>,
}

impl Outbound {
    pub(crate) fn new(bus: Arc<dyn Bus>, node: Node, max_message: usize) -> Self {
        Self { bus, node, max_message, numbers: Mutex::default() }
    }

    /// Publishes on a subject whose messages are numbered.
    pub(crate) fn send(&self, subject: &Subject, message: Message) -> Result<(), SendError> {
        self.send_in_order(subject, message).map(|_| ())
    }

    /// The same; returns the order of the message among all of this node's.
    pub(crate) fn send_in_order(&self, subject: &Subject, message: Message) -> Result<u64, SendError> {
        self.publish(subject, true, message)
    }

    /// Publishes on a subject that is used once: nobody could notice a gap there.
    pub(crate) fn send_unnumbered(&self, subject: &Subject, message: Message) -> Result<(), SendError> {
        self.publish(subject, false, message).map(|_| ())
    }

    fn publish(&self, subject: &Subject, is_numbered: bool, message: Message) -> Result<u64, SendError> {
        // Numbers and the order of publishing are one: all of it under the lock. Nothing in it waits.
        let mut numbers = self.lock();
        let (order, is_vital) = (numbers.order + 1, message.is_vital());
        let sequence = if is_numbered { numbers.outgoing.following(subject) } else { 0 };
        let envelope = Envelope { from: self.node.id, epoch: self.node.epoch, order, sequence, message };
        let encoded = codec::encode(&envelope)?;
        let publisher = (self.node.id, self.node.epoch);
        let parts = fragment::split(encoded, publisher, order, self.bus.max_payload(), self.max_message)?;
        // What is refused above has no number: nobody is to miss it.
        numbers.order = order;
        if is_numbered {
            numbers.outgoing.next(subject);
        }
        for body in parts {
            self.bus.publish(Publish { is_vital, ..Publish::new(subject.clone(), body) })?;
        }
        Ok(order)
    }

    /// The last number on every subject used since the previous call.
    pub(crate) fn heartbeat(&self) -> Vec<(Arc<str>, u64)> {
        let numbers = self.lock().outgoing.heartbeat();
        numbers.into_iter().map(|(subject, number)| (subject.as_str().into(), number)).collect()
    }

    /// The listener of a subject is gone, as far as this node can tell.
    pub(crate) fn retire(&self, subject: Subject) {
        let mut numbers = self.lock();
        numbers.retired.push_back(subject);
        if numbers.retired.len() > MAX_RETIRED
            && let Some(oldest) = numbers.retired.pop_front()
        {
            numbers.outgoing.forget(&oldest);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

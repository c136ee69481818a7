//! A bus of the in-process hub that a test can cut, and of whose messages it can lose some.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_socketio::cluster::bus::{Bus, BusEvents, Publish, PublishError};
use actix_socketio::cluster::codec::{Decoded, decode};
use actix_socketio::cluster::memory::{MemoryBus, MemoryHub};
use actix_socketio::cluster::message::Message;
use actix_socketio::cluster::relay::{Part, Relay};
use actix_socketio::cluster::request::PendingReply;
use actix_socketio::cluster::subject::Subject;
use futures_util::future::BoxFuture;

type Loses = Box<dyn FnMut(&Message) -> bool + Send>;

struct Inner {
    bus: MemoryBus,
    seen: Mutex<BTreeSet<(String, bool)>>,
    loses: Mutex<Option<Loses>>,
}

/// The test's end of it.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Inner>);

impl Tap {
    /// A new bus of a hub.
    pub(crate) fn new(hub: &MemoryHub) -> (Self, BusEvents) {
        let (bus, events) = hub.connect();
        (Self(Arc::new(Inner { bus, seen: Mutex::default(), loses: Mutex::default() })), events)
    }

    /// Cuts the node off, or connects it again.
    pub(crate) fn set_connected(&self, is_connected: bool) {
        self.0.bus.set_connected(is_connected);
    }

    /// Loses the messages for which `loses` is true. The node believes them sent.
    pub(crate) fn lose(&self, loses: impl FnMut(&Message) -> bool + Send + 'static) {
        *self.0.loses.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(loses));
    }

    /// The kinds of messages that were published, and whether as vital ones.
    pub(crate) fn seen(&self) -> BTreeSet<(String, bool)> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loses nothing from now on.
    pub(crate) fn lose_nothing(&self) {
        *self.0.loses.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Loses the first part of a relayed session for which `is_it` is true.
    pub(crate) fn lose_one(&self, is_it: impl Fn(&Part) -> bool + Send + 'static) {
        let mut is_lost = false;
        self.lose(move |message| match message {
            Message::Relay(Relay::Stream { part, .. }) if !is_lost && is_it(part) => {
                is_lost = true;
                true
            }
            _ => false,
        });
    }
}

impl Bus for Tap {
    fn publish(&self, message: Publish) -> Result<(), PublishError> {
        if let Ok(Decoded::Whole(envelope)) = decode(&message.body) {
            let text = format!("{:?}", envelope.message);
            let kind = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
            self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, message.is_vital));
        }
        if let Some(loses) = &mut *self.0.loses.lock().unwrap_or_else(PoisonError::into_inner)
            && let Ok(Decoded::Whole(envelope)) = decode(&message.body)
            && loses(&envelope.message)
        {
            return Ok(());
        }
        self.0.bus.publish(message)
    }

    fn subscribe(&self, subject: Subject) {
        self.0.bus.subscribe(subject);
    }

    fn unsubscribe(&self, subject: Subject) {
        self.0.bus.unsubscribe(subject);
    }

    fn subscribe_queue(&self, subject: Subject, group: &str) {
        self.0.bus.subscribe_queue(subject, group);
    }

    fn unsubscribe_queue(&self, subject: Subject, group: &str) {
        self.0.bus.unsubscribe_queue(subject, group);
    }

    fn request(&self, message: Publish) -> Result<PendingReply, PublishError> {
        self.0.bus.request(message)
    }

    fn max_payload(&self) -> usize {
        self.0.bus.max_payload()
    }

    fn is_connected(&self) -> bool {
        self.0.bus.is_connected()
    }

    fn close(&self, timeout: Duration) -> BoxFuture<'_, bool> {
        self.0.bus.close(timeout)
    }
}

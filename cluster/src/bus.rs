//! What carries messages between nodes, whatever it is: the in-process one of [`memory`](crate::memory), or NATS.
//!
//! Used by nodes and emitters. A bus is called from actors, so nothing here waits: what cannot be sent is refused or dropped,
//! and counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::request::PendingReply;
use crate::subject::{Subject, token_or_digest};
use crate::trace::TraceContext;

/// A connection to the others. Whoever makes one gets the [`BusEvents`] with it.
///
/// One caller's calls take effect in their order: what is published after a subscription is published after it for the
/// server, too.
pub trait Bus: Send + Sync + 'static {
    /// Publishes, without waiting: `Ok` means that the bus will try. The message is dropped when it becomes too old before it
    /// can be sent; that is counted in [`BusEvent::Unsent`]. A subscriber of the same bus gets it, too.
    ///
    /// # Errors
    /// When it is certain that the message will not be sent.
    fn publish(&self, message: Publish) -> Result<(), PublishError>;

    /// Subscribes, without waiting. Nothing happens when it is subscribed already. A subscription survives reconnects.
    fn subscribe(&self, subject: Subject);

    /// Unsubscribes, without waiting. A message that is on its way may still come.
    fn unsubscribe(&self, subject: Subject);

    /// Subscribes as a member of a queue group, without waiting: of each message on `subject`, one member of the group gets
    /// one copy. Members go by any name. Has nothing to do with a plain subscription of the same subject: with both, a
    /// message can come twice, and [`Received::is_queue`] tells which is which.
    fn subscribe_queue(&self, subject: Subject, group: &str);

    /// Ends [`subscribe_queue`](Self::subscribe_queue) with the same arguments, without waiting.
    fn unsubscribe_queue(&self, subject: Subject, group: &str);

    /// Publishes with a reply subject of the bus's own, without waiting: the answer is waited for with
    /// [`PendingReply::within`]. In order with what [`publish`](Self::publish) publishes.
    ///
    /// # Errors
    /// When it is certain that the request will not be sent.
    fn request(&self, message: Publish) -> Result<PendingReply, PublishError>;

    /// The largest body that is taken now.
    fn max_payload(&self) -> usize;

    /// Whether others can be reached now, as far as is known.
    fn is_connected(&self) -> bool;

    /// Takes nothing more, and sends what waits: whether that was possible within `timeout`. Subscriptions go on until the
    /// bus is dropped.
    fn close(&self, timeout: Duration) -> BoxFuture<'_, bool>;
}

/// One that is shared.
impl<B: Bus + ?Sized> Bus for Arc<B> {
    fn publish(&self, message: Publish) -> Result<(), PublishError> {
        (**self).publish(message)
    }

    fn subscribe(&self, subject: Subject) {
        (**self).subscribe(subject);
    }

    fn unsubscribe(&self, subject: Subject) {
        (**self).unsubscribe(subject);
    }

    fn subscribe_queue(&self, subject: Subject, group: &str) {
        (**self).subscribe_queue(subject, group);
    }

    fn unsubscribe_queue(&self, subject: Subject, group: &str) {
        (**self).unsubscribe_queue(subject, group);
    }

    fn request(&self, message: Publish) -> Result<PendingReply, PublishError> {
        (**self).request(message)
    }

    fn max_payload(&self) -> usize {
        (**self).max_payload()
    }

    fn is_connected(&self) -> bool {
        (**self).is_connected()
    }

    fn close(&self, timeout: Duration) -> BoxFuture<'_, bool> {
        (**self).close(timeout)
    }
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where.
    pub subject: Subject,
    /// Where an answer is expected, if one is. To be told that nobody listens, use [`Bus::request`].
    pub reply: Option<Subject>,
    /// What.
    pub body: Bytes,
    /// Whether it may take the part of a bounded queue that is kept for what holds the cluster together.
    pub is_vital: bool,
    /// What it is sent for, for those who trace. Left out when the message would be too large with it.
    pub trace: Option<Box<TraceContext>>,
}

impl Publish {
    /// A message that expects no answer.
    pub fn new(subject: Subject, body: Bytes) -> Self {
        Self { subject, reply: None, body, is_vital: false, trace: None }
    }

    /// The same with a context.
    #[must_use]
    pub fn traced(self, trace: Option<TraceContext>) -> Self {
        Self { trace: trace.map(Box::new), ..self }
    }
}

/// Why a message will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Too much waits to be sent: the bus is away, or too slow.
    #[error("too much waits to be sent")]
    Full,
    /// Larger than what the bus takes.
    #[error("a message of {size} bytes, above the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// What is taken now.
        limit: usize,
    },
    /// The bus has ended.
    #[error("the bus is closed")]
    Closed,
}

/// What a bus tells, in the order in which it happened. When nobody reads, events are dropped, and counted in a
/// [`BusEvent::Lost`]: then [`Bus::is_connected`] tells what a dropped one may have told.
pub type BusEvents = mpsc::Receiver<BusEvent>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusEvent {
    /// Others can be reached, for the first time or again. Messages may have been lost since the [`Disconnected`].
    ///
    /// [`Disconnected`]: Self::Disconnected
    Connected,
    /// Others cannot be reached.
    Disconnected,
    /// A message came.
    Message(Received),
    /// Messages came that could not be handed on, for this end was too slow. At least that many events.
    Lost(u64),
    /// Messages were dropped before they were sent, for they were too old or too many.
    Unsent(u64),
}

/// What is subscribed: a subject, plainly or as a member of a queue group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subscription {
    pub(crate) subject: Subject,
    pub(crate) group: Option<Arc<str>>,
}

impl Subscription {
    pub(crate) fn plain(subject: Subject) -> Self {
        Self { subject, group: None }
    }

    pub(crate) fn queue(subject: Subject, group: &str) -> Self {
        Self { subject, group: Some(token_or_digest(group).into()) }
    }
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The subscription it came for.
    pub subject: Subject,
    /// Whether that is one of a queue group: then no other member of the group got this message.
    pub is_queue: bool,
    /// Where an answer is expected, as the sender wrote it: see
    /// [`Subjects::reply`](crate::subject::Subjects::reply).
    pub reply: Option<String>,
    /// What it says.
    pub body: Bytes,
    /// What it was sent for, if the sender says so.
    pub trace: Option<Box<TraceContext>>,
}

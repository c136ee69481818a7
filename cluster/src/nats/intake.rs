//! What came on all subscriptions, in the order in which each node sent it.
//!
//! The client's task that reads the connection puts each message into the channel of its subscription, so two channels say
//! nothing about which of two messages came first. The numbers in the messages do, but not whether one is still to come. So
//! channels are emptied in rounds: whatever was put into any channel before a round begins is there when it ends. A message of one
//! round can therefore only be preceded by messages of this round and the next, and it is handed on after the next.
//!
//! Filled by the [`writer`](super::writer) with subscriptions, emptied by [`run`].

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_nats::{Message, StatusCode, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Notify;

use super::header;
use super::order::{Batches, Numbered};
use super::state::Reported;
use crate::bus::{Received, Subscription};
use crate::request::{RequestError, Requests};

/// The subscriptions, and which of them may have something.
#[derive(Debug)]
pub(super) struct Intake {
    subscriptions: Mutex<Subscriptions>,
    ready: Arc<Ready>,
    /// No channel holds more: after so many messages of one, whatever was in it before the first of them is out.
    channel_capacity: usize,
}

#[derive(Debug, Default)]
struct Subscriptions {
    next: u64,
    keys: HashMap<Subscription, u64>,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    subscription: Subscription,
    subscriber: Subscriber,
    signal: Arc<Signal>,
}

/// The keys of subscriptions to look at.
#[derive(Debug, Default)]
struct Ready {
    keys: Mutex<Vec<u64>>,
    changed: Notify,
}

/// Puts a subscription among those to look at, when its channel gets something.
#[derive(Debug)]
struct Signal {
    key: u64,
    is_ready: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::AcqRel) {
            lock(&self.ready.keys).push(self.key);
            self.ready.changed.notify_one();
        }
    }
}

impl Intake {
    pub(super) fn new(channel_capacity: usize) -> Self {
        Self { subscriptions: Mutex::default(), ready: Arc::default(), channel_capacity }
    }

    /// Makes a subscription and takes it in. That is one step for whoever looks for messages: `subscribe` is polled under the
    /// lock, so the first message cannot be in a channel that is not known here.
    pub(super) async fn subscribe(
        &self,
        subscription: Subscription,
        subscribe: impl Future<Output = Result<Subscriber, SubscribeError>>,
    ) -> Result<(), SubscribeError> {
        tokio::pin!(subscribe);
        std::future::poll_fn(|cx| {
            let mut subscriptions = lock(&self.subscriptions);
            subscribe
                .as_mut()
                .poll(cx)
                .map_ok(|subscriber| subscriptions.open(subscription.clone(), subscriber, &self.ready))
        })
        .await
    }

    /// Gives a subscription back, with what is still in its channel.
    pub(super) fn remove(&self, subscription: &Subscription) -> Option<Subscriber> {
        let mut subscriptions = lock(&self.subscriptions);
        let key = subscriptions.keys.remove(subscription)?;
        subscriptions.open.remove(&key).map(|open| open.subscriber)
    }

    /// Whatever was put into any channel before this call, and maybe more.
    fn round(&self, take: &mut impl FnMut(&Subscription, Message)) {
        let mut subscriptions = lock(&self.subscriptions);
        let keys = std::mem::take(&mut *lock(&self.ready.keys));
        for key in keys {
            if let Some(open) = subscriptions.open.get_mut(&key) {
                // Before the channel is looked at: what comes later signals again.
                open.signal.is_ready.swap(false, Ordering::AcqRel);
                open.empty(self.channel_capacity, take);
            }
        }
    }
}

impl Subscriptions {
    fn open(&mut self, subscription: Subscription, subscriber: Subscriber, ready: &Arc<Ready>) {
        let key = self.next;
        self.next += 1;
        let signal = Arc::new(Signal { key, is_ready: AtomicBool::new(false), ready: ready.clone() });
        // Until it was looked at once, nothing tells that there is something.
        signal.wake_by_ref();
        self.keys.insert(subscription.clone(), key);
        self.open.insert(key, Open { subscription, subscriber, signal });
    }
}

impl Open {
    fn empty(&mut self, at_most: usize, take: &mut impl FnMut(&Subscription, Message)) {
        let waker = Waker::from(self.signal.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..at_most {
            match Pin::new(&mut self.subscriber).poll_next_unpin(&mut cx) {
                Poll::Ready(Some(message)) => take(&self.subscription, message),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        // What came meanwhile waits for the next round.
        self.signal.wake_by_ref();
    }
}

/// Hands on what comes until the task is aborted. The budget of the runtime would hide messages that are there, so it does
/// without, and lets others run between rounds.
pub(super) async fn run(intake: Arc<Intake>, requests: Arc<Requests>, reported: Arc<Reported>) {
    let inbox = Subscription::plain(requests.subscription());
    tokio::task::unconstrained(async {
        let mut batches = Batches::default();
        loop {
            intake.round(&mut |subscription, message| match message.status {
                _ if *subscription == inbox => _ = requests.answer(&message.subject, answer(&message)),
                // What the server itself says about a message of ours is not said by somebody else.
                Some(StatusCode::NO_RESPONDERS) => {}
                _ => batches.push(Numbered::new(received(subscription, message))),
            });
            let settled = batches.settle();
            let is_handing_on = !settled.is_empty();
            for received in settled {
                reported.message(received);
            }
            if batches.is_empty() {
                intake.ready.changed.notified().await;
            } else if is_handing_on {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

fn received(subscription: &Subscription, message: Message) -> Received {
    Received {
        subject: subscription.subject.clone(),
        is_queue: subscription.group.is_some(),
        reply: message.reply.map(|reply| reply.as_str().to_owned()),
        trace: message.headers.as_ref().and_then(header::read).map(Box::new),
        body: message.payload,
    }
}

fn answer(message: &Message) -> Result<Bytes, RequestError> {
    match message.status {
        Some(StatusCode::NO_RESPONDERS) => Err(RequestError::NoResponders),
        _ => Ok(message.payload.clone()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half done when a holder panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

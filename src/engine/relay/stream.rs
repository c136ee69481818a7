//! One relayed request, as either end sees it: numbered messages, credit in both directions, and how it breaks.
//!
//! Owned by the task that serves the request, through a [`Handle`]. [`Relays`] delivers what comes, from the thread of the
//! cluster's connection, and never waits for that task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{End, Event, Part, Relay, Request};

use super::{RelayBus, Relays};

/// Messages that may wait to be handled. Credit bounds those that cost; of the others an honest node sends a handful.
const MAX_WAITING: usize = 32 * 1024;
/// How far an end may go below its credit. It looks once per read of its client's socket (128 KiB at most), which may hold very many
/// small frames.
const OVERDRAFT: i64 = 2 * 1024 * 1024;

/// Why nothing more comes on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The other node is dead, has left or begun anew.
    NodeGone,
    /// A message is missing, could not be sent, or is not what may be said now.
    Lost,
    /// The other end gave it up.
    Aborted,
    /// The other end has said nothing for too long.
    Silent,
    /// This node is about to stop.
    Closing,
}

/// See the module's documentation.
pub(super) struct Stream {
    pub(super) node: NodeId,
    pub(super) id: u64,
    /// Which end this is.
    pub(super) end: End,
    /// Payload after which the other end gets credit back.
    give_back: usize,
    state: Mutex<State>,
}

struct State {
    sent: u64,
    expected: u64,
    /// What this end may send; below zero after a large message.
    credit: i64,
    /// What the other end may send.
    allowance: i64,
    /// Used up since the last credit given back.
    used: usize,
    incoming: VecDeque<Part>,
    /// The other end has said its last: whatever else comes is of no account.
    is_ended: bool,
    /// This end has.
    is_finished: bool,
    broken: Option<Broken>,
    heard: Instant,
    /// Something may be missing, unless a message comes before the answer to the check of this number.
    suspect: Option<u64>,
    is_websocket: bool,
    task: Option<Waker>,
}

impl State {
    fn is_over(&self) -> bool {
        self.is_ended || self.broken.is_some()
    }
}

impl Stream {
    fn new(node: NodeId, id: u64, end: End, give_back: usize, (credit, allowance): (i64, i64)) -> Self {
        let state = State {
            sent: 0,
            // The first message of an edge has been read by whoever made the stream.
            expected: if end == End::Owner { 1 } else { 0 },
            credit,
            allowance,
            used: 0,
            incoming: VecDeque::new(),
            is_ended: false,
            is_finished: false,
            broken: None,
            heard: Instant::now(),
            suspect: None,
            is_websocket: false,
            task: None,
        };
        Self { node, id, end, give_back, state: Mutex::new(state) }
    }

    /// The edge's end, which takes up to `window` bytes of payload.
    pub(super) fn edge(node: NodeId, id: u64, window: usize) -> Self {
        Self::new(node, id, End::Edge, window / 2, (0, signed(window as u64)))
    }

    /// The owner's end.
    pub(super) fn owner(node: NodeId, id: u64, credit: u64) -> Self {
        Self::new(node, id, End::Owner, super::OWNER_WINDOW / 2, (signed(credit), 0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when a holder panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_websocket(&self) -> bool {
        self.lock().is_websocket
    }

    /// Sends something: false if that is not possible any more.
    pub(super) fn send(&self, bus: &dyn RelayBus, part: Part) -> bool {
        let mut state = self.lock();
        if state.is_finished {
            return false;
        }
        state.is_finished = is_last(&part);
        state.credit = state.credit.saturating_sub(signed(part.cost() as u64));
        if let Part::Accepted(credit) | Part::Credit(credit) = &part {
            state.allowance = state.allowance.saturating_add(signed(*credit));
        }
        let sequence = state.sent;
        state.sent += 1;
        // Under the lock: the numbers have to go out in their order.
        let message = Relay::Stream { id: self.id, sender: self.end, sequence, part };
        if bus.send(self.node, message) {
            return true;
        }
        break_with(state, Broken::Lost);
        false
    }

    /// Something came.
    pub(super) fn deliver(&self, sequence: u64, part: Part) {
        let mut state = self.lock();
        if state.is_ended || state.broken.is_some() {
            return;
        }
        if let Part::Abort(_) = part {
            state.is_ended = true;
            return break_with(state, Broken::Aborted);
        }
        let cost = signed(part.cost() as u64);
        let is_allowed = cost == 0 || state.allowance > -OVERDRAFT;
        if sequence != state.expected || !is_allowed || state.incoming.len() >= MAX_WAITING {
            tracing::warn!(node = %self.node, expected = state.expected, sequence, "a relayed stream is broken");
            return break_with(state, Broken::Lost);
        }
        state.expected += 1;
        state.heard = Instant::now();
        state.suspect = None;
        state.allowance = state.allowance.saturating_sub(cost);
        state.is_ended = is_last(&part);
        match &part {
            Part::Credit(credit) => state.credit = state.credit.saturating_add(signed(*credit)),
            Part::Accepted(credit) => {
                state.credit = state.credit.saturating_add(signed(*credit));
                state.incoming.push_back(part);
            }
            _ => state.incoming.push_back(part),
        }
        wake(state);
    }

    /// Nothing more can come.
    pub(super) fn fail(&self, broken: Broken) {
        let state = self.lock();
        if !state.is_ended && state.broken.is_none() {
            break_with(state, broken);
        }
    }

    /// Messages of the other node were lost, perhaps of this stream.
    pub(super) fn suspect(&self, number: u64) {
        self.lock().suspect = Some(number);
    }

    /// The other node has said something on each of its streams.
    pub(super) fn checked(&self, number: u64) {
        let is_silent = self.lock().suspect.is_some_and(|suspect| suspect <= number);
        if is_silent {
            tracing::warn!(node = %self.node, "a relayed stream lost messages");
            self.fail(Broken::Lost);
        }
    }

    /// When the other end last said something.
    pub(super) fn heard(&self) -> Instant {
        self.lock().heard
    }
}

/// The stream as its task has it. Dropping it ends the stream, and tells the other end if it does not know.
pub(super) struct Handle {
    relays: Arc<Relays>,
    stream: Arc<Stream>,
    /// The edge's end: the session.
    sid: Option<Arc<str>>,
}

impl Handle {
    pub(super) fn edge(relays: Arc<Relays>, stream: Arc<Stream>, sid: Arc<str>, request: &Request) -> Self {
        stream.lock().is_websocket = *request == Request::Websocket;
        Self { relays, stream, sid: Some(sid) }
    }

    pub(super) fn owner(relays: Arc<Relays>, stream: Arc<Stream>) -> Self {
        Self { relays, stream, sid: None }
    }

    pub(super) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Sends something: false if that is not possible any more.
    pub(super) fn send(&self, part: Part) -> bool {
        self.stream.send(&*self.relays.bus, part)
    }

    /// What came next, or why nothing will. What came before the stream broke comes first.
    pub(super) fn poll_receive(&self, context: &Context<'_>) -> Poll<Result<Part, Broken>> {
        let mut state = self.stream.lock();
        let Some(part) = state.incoming.pop_front() else {
            if let Some(broken) = state.broken {
                return Poll::Ready(Err(broken));
            }
            if state.is_ended {
                return Poll::Ready(Err(Broken::Aborted));
            }
            state.task = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.used += part.cost();
        let used = state.used;
        if used >= self.stream.give_back && !state.is_ended {
            state.used = 0;
            drop(state);
            self.send(Part::Credit(used as u64));
        }
        Poll::Ready(Ok(part))
    }

    pub(super) async fn receive(&self) -> Result<Part, Broken> {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// The same, for somebody who gives up when nothing is heard of the other end for `limit`.
    pub(super) async fn receive_within(&self, limit: Duration) -> Result<Part, Broken> {
        loop {
            let deadline = tokio::time::Instant::from_std(self.stream.heard() + limit);
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(received) => return received,
                Err(_) if self.stream.heard().elapsed() >= limit => self.stream.fail(Broken::Silent),
                Err(_) => {}
            }
        }
    }

    /// Ready when payload may be sent, or when it is no use to wait.
    pub(super) fn poll_credit(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.stream.lock();
        if state.credit > 0 || state.broken.is_some() {
            return Poll::Ready(());
        }
        state.task = Some(context.waker().clone());
        Poll::Pending
    }

    /// Wakes this task when something happens.
    pub(super) fn remember(&self, context: &Context<'_>) {
        self.stream.lock().task = Some(context.waker().clone());
    }

    /// Whether it broke for a reason of which the owner has to hear.
    pub(super) fn is_broken(&self) -> bool {
        self.stream.lock().broken.is_some_and(|broken| broken != Broken::Closing)
    }

    /// Whether nothing more will come than what waits already.
    pub(super) fn is_over(&self) -> bool {
        self.stream.lock().is_over()
    }

    /// Ready when nothing more will come than what waits already.
    pub(super) fn poll_over(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.stream.lock();
        state.task = Some(context.waker().clone());
        if state.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.relays.remove(&self.stream);
        let (broken, is_ended, is_websocket) = {
            let state = self.stream.lock();
            (state.broken, state.is_ended, state.is_websocket)
        };
        match broken {
            Some(Broken::NodeGone) => {}
            None if is_ended => {}
            // A websocket that goes is not the end of a session, unless it was the session's transport: the owner knows.
            None | Some(Broken::Closing) if is_websocket => {
                self.send(Part::Event(Event::Gone(None)));
            }
            _ => {
                self.send(Part::Abort(self.sid.clone()));
            }
        }
    }
}

/// Whether nothing follows it on its stream.
fn is_last(part: &Part) -> bool {
    matches!(
        part,
        Part::Refused(_) | Part::Taken | Part::Ended | Part::Abort(_) | Part::Event(Event::Gone(_))
    )
}

fn break_with(mut state: MutexGuard<'_, State>, broken: Broken) {
    state.broken.get_or_insert(broken);
    wake(state);
}

fn wake(mut state: MutexGuard<'_, State>) {
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;

//! The small interface through which both websocket transports serve a connection.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::connection::{EmbeddedEvent, OwnedEvent};
use super::frame::{FrameLimits, OpCode, write_frame};
use super::handle::Shared;
use super::native::NativeSocket;
use super::outbox::Outbox;
use crate::disconnect_reason::DisconnectReason;

/// Received bytes that may be on their way to the connection's thread; then reading waits.
pub(super) const MAX_IN_FLIGHT: usize = 256 * 1024;
/// Bytes the response body hands out at once.
const MAX_CHUNK: usize = 32 * 1024;

/// What the task of an embedded websocket moves messages to and from.
pub(super) trait WebsocketEnd: Clone + Unpin + 'static {
    /// What the client may send.
    fn limits(&self) -> FrameLimits;

    /// Whether another chunk may be read; if not, the task is woken when it may.
    fn poll_read_ready(&self, context: &Context<'_>) -> Poll<()>;

    /// Something came from the client. May be called once more after it said that the client is gone.
    fn receive(&self, event: OwnedEvent);

    /// The next bytes for the client; none when the websocket is to end.
    fn poll_write(&self, context: &Context<'_>) -> Poll<Option<Bytes>>;
}

/// A websocket of a connection.
pub(super) enum Link {
    /// A socket that was taken over; it lives on the connection's thread.
    Native(Rc<NativeSocket>),
    /// A websocket inside an Actix `App`, on whichever thread accepted it.
    Embedded(Arc<EmbeddedLink>),
}

impl Link {
    /// Sends a frame past the outbox: only while probing, when the outbox belongs to polling.
    pub(super) fn send_direct(&self, frame: Bytes) {
        match self {
            Self::Native(socket) => socket.send_direct(frame),
            Self::Embedded(link) => link.send_direct(frame),
        }
    }

    /// Drains the outbox from now on.
    pub(super) fn attach(&self, outbox: &Outbox) {
        match self {
            Self::Native(socket) => socket.attach(),
            Self::Embedded(link) => {
                outbox.attach_embedded();
                link.attach();
            }
        }
    }

    /// Closes a websocket that never got to drain the outbox.
    pub(super) fn close(&self, code: u16) {
        let mut frame = Vec::with_capacity(4);
        write_frame(&mut frame, OpCode::Close, &code.to_be_bytes());
        self.send_direct(frame.into());
        match self {
            Self::Native(socket) => socket.clone().finish(true),
            Self::Embedded(link) => link.finish(true),
        }
    }

    pub(super) fn is_native(&self, other: &Rc<NativeSocket>) -> bool {
        matches!(self, Self::Native(socket) if Rc::ptr_eq(socket, other))
    }

    pub(super) fn is_embedded(&self, other: &Arc<EmbeddedLink>) -> bool {
        matches!(self, Self::Embedded(link) if Arc::ptr_eq(link, other))
    }
}

/// Between an embedded websocket's task and the connection's actor.
pub(super) struct EmbeddedLink {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    direct: VecDeque<Bytes>,
    is_attached: bool,
    is_finishing: bool,
    is_paused: bool,
    in_flight: usize,
    /// Arrived while the connection was paused; they still count as in flight.
    held: VecDeque<OwnedEvent>,
    /// Why the connection ended, once it has.
    reason: Option<DisconnectReason>,
    /// The task of the websocket: its response body and its reader are one.
    task: Option<Waker>,
}

impl EmbeddedLink {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared, state: Mutex::default() })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn send_direct(&self, frame: Bytes) {
        self.change(|state| state.direct.push_back(frame));
    }

    fn attach(&self) {
        self.change(|state| state.is_attached = true);
    }

    /// Ends the websocket once everything is out; at once if it is gone anyway.
    pub(super) fn finish(&self, is_polite: bool) {
        self.change(|state| {
            state.is_finishing = true;
            if !is_polite {
                state.direct.clear();
            }
        });
    }

    /// The connection has ended.
    pub(super) fn set_reason(&self, reason: DisconnectReason) {
        self.lock().reason = Some(reason);
    }

    /// Why the connection ended, once it has.
    pub(super) fn reason(&self) -> Option<DisconnectReason> {
        self.lock().reason
    }

    /// Stops or resumes reading.
    pub(super) fn set_paused(&self, is_paused: bool) {
        self.change(|state| state.is_paused = is_paused);
    }

    /// Ready when the websocket is to end once everything is out.
    pub(super) fn poll_finishing(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_finishing {
            return Poll::Ready(());
        }
        state.task = Some(context.waker().clone());
        Poll::Pending
    }

    /// An event sets out for the connection.
    fn sent(&self, event: &OwnedEvent) {
        self.lock().in_flight += event.size();
    }

    /// An event has arrived there.
    pub(super) fn handled(&self, event: &OwnedEvent) {
        let mut state = self.lock();
        let was_full = state.in_flight >= MAX_IN_FLIGHT;
        state.in_flight -= event.size().min(state.in_flight);
        let task = if was_full && state.in_flight < MAX_IN_FLIGHT { state.task.take() } else { None };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Keeps an event until the connection goes on.
    pub(super) fn hold(&self, event: OwnedEvent) {
        self.lock().held.push_back(event);
    }

    /// The next event that was kept.
    pub(super) fn next_held(&self) -> Option<OwnedEvent> {
        self.lock().held.pop_front()
    }
}

impl WebsocketEnd for Arc<EmbeddedLink> {
    fn limits(&self) -> FrameLimits {
        let config = &self.shared.engine.config;
        FrameLimits { max_message: config.max_http_buffer_size, max_fragments: config.max_fragments }
    }

    fn poll_read_ready(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_finishing || state.in_flight >= MAX_IN_FLIGHT || state.is_paused {
            state.task = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn receive(&self, event: OwnedEvent) {
        self.sent(&event);
        self.shared.tell(EmbeddedEvent { link: self.clone(), event });
    }

    fn poll_write(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        if let Some(frame) = state.direct.pop_front() {
            return Poll::Ready(Some(frame));
        }
        state.task = Some(context.waker().clone());
        let (is_attached, is_finishing) = (state.is_attached, state.is_finishing);
        drop(state);
        if is_attached && let Some((frames, packets)) = self.shared.outbox.poll_embedded(MAX_CHUNK, context) {
            self.shared.engine.counters.here().websocket.sent(packets, frames.len());
            return Poll::Ready(Some(frames.into()));
        }
        if is_finishing { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl OwnedEvent {
    fn size(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) | Self::Ping(bytes) => bytes.len() + 64,
            Self::Pong | Self::Close(_) | Self::Gone(_) => 64,
        }
    }
}

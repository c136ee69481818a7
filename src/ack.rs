//! Acknowledgements: those a client asks for ([`Ack`]), and those asked of clients.

mod remote;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use self::remote::{Outcome, RemoteAnswers};
use crate::delivery::{AckSink, Answered, Gone, Target};
use crate::error::AckError;
use crate::namespace::NamespaceInner;
use crate::protocol::{Args, ArgsError, FromArgs, ToArgs};
use crate::socket::Socket;
use crate::uplink::Asked;

/// The acknowledgement of an event, as a parameter of its handler. Cheap to clone; may be kept and given later.
#[derive(Clone)]
pub struct Ack(Option<Arc<Pending>>);

struct Pending {
    socket: Socket,
    id: u64,
    is_given: AtomicBool,
}

impl Ack {
    pub(crate) fn new(socket: &Socket, id: Option<u64>) -> Self {
        Self(id.map(|id| Arc::new(Pending { socket: socket.clone(), id, is_given: AtomicBool::new(false) })))
    }

    /// Whether the client asked for it.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Acknowledges with `data`: a tuple is several arguments. Without effect if the client did not ask; an error
    /// if it has been given before, or the client has left.
    pub fn send<T: ToArgs + ?Sized>(self, data: &T) -> Result<(), AckError> {
        let Some(pending) = &self.0 else { return Ok(()) };
        if pending.is_given.load(Ordering::Relaxed) {
            return Err(AckError::AlreadyGiven);
        }
        self.give(data)
    }

    /// Acknowledges unless that has happened.
    pub(crate) fn give<T: ToArgs + ?Sized>(&self, data: &T) -> Result<(), AckError> {
        let Some(pending) = &self.0 else { return Ok(()) };
        let args = data.to_args(pending.socket.parser())?;
        if pending.is_given.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        pending.socket.send_ack(pending.id, &args)
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").field("is_wanted", &self.is_wanted()).finish()
    }
}

/// An acknowledgement that a socket owes.
#[derive(Debug)]
pub(crate) enum Owed {
    /// To one `emit_with_ack`.
    One(oneshot::Sender<Args>),
    /// To a broadcast.
    Broadcast(mpsc::UnboundedSender<Answered>),
}

/// The acknowledgements that one socket owes. Most owe none, and keep no table.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "every socket has the pointer, few have the table")]
pub(crate) struct AckTable(Option<Box<HashMap<u64, Owed>>>);

impl AckTable {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.len())
    }

    pub(crate) fn insert(&mut self, id: u64, owed: Owed) {
        self.0.get_or_insert_default().insert(id, owed);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Owed> {
        let table = self.0.as_mut()?;
        let owed = table.remove(&id);
        if table.is_empty() && table.capacity() > 16 {
            self.0 = None;
        }
        owed
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Owed> {
        self.0.take().into_iter().flat_map(|table| table.into_values())
    }
}

impl Owed {
    /// Whether somebody may be waiting for it on the socket's own thread, so that its connection must go on being read.
    /// A broadcast's are not waited for there.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self, Self::One(_))
    }

    /// The answer has come.
    pub(crate) fn answer(self, socket: &Arc<str>, args: Args) {
        match self {
            // Whoever asked may have stopped waiting.
            Self::One(sender) => drop(sender.send(args)),
            Self::Broadcast(sender) => {
                let _ = sender.send(Answered { socket: socket.clone(), answer: Some(Ok(args)) });
            }
        }
    }

    /// The socket leaves without an answer.
    pub(crate) fn fail(self, socket: &Arc<str>) {
        if let Self::Broadcast(sender) = self {
            let _ = sender.send(Answered { socket: socket.clone(), answer: Some(Err(Gone)) });
        }
    }
}

/// The answers to a broadcast.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BroadcastAcks<T> {
    /// What came, in the order in which it came.
    pub answers: Vec<Answer<T>>,
    /// The sockets that did not answer: the timeout passed, or they left.
    pub missing: Vec<String>,
    /// The sockets whose answer was not of the type that was asked for.
    pub invalid: Vec<(String, ArgsError)>,
    /// The nodes that did not say whom of theirs they asked, by id: there may be sockets nobody knows of.
    pub missing_nodes: Vec<String>,
}

/// One answer to a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The socket's id.
    pub socket: String,
    /// What it answered.
    pub data: T,
}

/// The answers to a broadcast, one by one: each socket that was asked appears once, with its answer or with why there
/// is none. Ends when all are through, at the latest at the timeout. Made by
/// [`emit_with_ack_stream`](crate::BroadcastOperator::emit_with_ack_stream).
pub struct AckStream<T> {
    namespace: Arc<NamespaceInner>,
    id: u64,
    receiver: mpsc::UnboundedReceiver<Answered>,
    /// Sockets of this node that were asked and are still without an answer.
    waiting: HashMap<Arc<str>, ()>,
    is_done_here: bool,
    /// Answers that were met on the way to those who were asked.
    early: VecDeque<Outcome>,
    remote: Option<RemoteAnswers>,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    /// Since when, if what comes is counted.
    since: Option<Instant>,
    is_over: bool,
    answer: std::marker::PhantomData<fn() -> T>,
}

impl<T> AckStream<T> {
    /// All sockets have been asked: who they are is in the channel already.
    pub(crate) fn new(
        namespace: Arc<NamespaceInner>,
        id: u64,
        receiver: mpsc::UnboundedReceiver<Answered>,
        timeout: Duration,
        asked: Option<Asked>,
    ) -> Self {
        Self {
            namespace,
            id,
            receiver,
            waiting: HashMap::new(),
            is_done_here: false,
            early: VecDeque::new(),
            remote: asked.map(RemoteAnswers::new),
            deadline: Box::pin(tokio::time::sleep(timeout)),
            timeout,
            since: None,
            is_over: false,
            answer: std::marker::PhantomData,
        }
    }

    /// What comes of it is among the [`AckStats`](crate::AckStats) of this node.
    pub(crate) fn counted(mut self, since: Instant) -> Self {
        self.since = Some(since);
        self
    }

    fn count(&self, outcome: Result<(), &AckError>) {
        let Some(since) = self.since else { return };
        let counters = self.namespace.core().counters.here();
        match outcome {
            Ok(()) => counters.acknowledged(since.elapsed()),
            Err(AckError::Timeout(_)) => counters.acks_timed_out.add(1),
            Err(_) => counters.acks_failed.add(1),
        }
    }
}

impl<T> AckStream<T> {
    /// The nodes that have not said whom of theirs they asked, by id. Of use when the stream has ended: there may be sockets of
    /// theirs nobody knows of.
    pub fn missing_nodes(&self) -> Vec<String> {
        self.remote.as_ref().map(RemoteAnswers::missing_nodes).unwrap_or_default()
    }

    /// The sockets of this node that were asked.
    pub(crate) fn asked(&mut self) -> Vec<Arc<str>> {
        let mut asked = Vec::new();
        while let Ok(Answered { socket, answer }) = self.receiver.try_recv() {
            match answer {
                None => {
                    self.waiting.insert(socket.clone(), ());
                    asked.push(socket);
                }
                Some(answer) => {
                    self.waiting.remove(&socket);
                    self.early.push_back((socket, answer));
                }
            }
        }
        asked
    }

    /// How long it waits.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The next answer of a socket of this node; None when all are through.
    fn poll_here(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        if let Some(early) = self.early.pop_front() {
            return Poll::Ready(Some(early));
        }
        if self.is_done_here {
            return Poll::Ready(None);
        }
        loop {
            match ready!(self.receiver.poll_recv(context)) {
                Some(Answered { socket, answer: None }) => {
                    self.waiting.insert(socket, ());
                }
                Some(Answered { socket, answer: Some(answer) }) => {
                    if self.waiting.remove(&socket).is_some() {
                        return Poll::Ready(Some((socket, answer)));
                    }
                }
                // Every socket has let go of its end: all are through.
                None => {
                    self.is_done_here = true;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The next answer of any socket; None when all are through.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let here = match self.poll_here(context) {
            Poll::Ready(None) => true,
            Poll::Pending => false,
            answer => return answer,
        };
        match self.remote.as_mut().map_or(Poll::Ready(None), |remote| remote.poll(context)) {
            Poll::Ready(None) if !here => Poll::Pending,
            answer => answer,
        }
    }

    /// A socket that has not answered in time.
    fn next_late(&mut self) -> Option<Arc<str>> {
        let late = self.waiting.keys().next().cloned();
        if let Some(socket) = &late {
            self.waiting.remove(socket);
        }
        late.or_else(|| self.remote.as_mut().and_then(RemoteAnswers::next_waiting))
    }
}

impl<T: FromArgs> Stream for AckStream<T> {
    type Item = (String, Result<T, AckError>);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.is_over {
                let late = this.next_late();
                let Some(late) = late else { return Poll::Ready(None) };
                let error = AckError::Timeout(this.timeout);
                this.count(Err(&error));
                return Poll::Ready(Some((late.to_string(), Err(error))));
            }
            match this.poll_answer(context) {
                Poll::Ready(Some((socket, Ok(args)))) => {
                    this.count(Ok(()));
                    let answer = T::from_args(&args).map_err(AckError::Args);
                    return Poll::Ready(Some((socket.to_string(), answer)));
                }
                Poll::Ready(Some((socket, Err(Gone)))) => {
                    this.count(Err(&AckError::Disconnected));
                    return Poll::Ready(Some((socket.to_string(), Err(AckError::Disconnected))));
                }
                Poll::Ready(None) => this.is_over = true,
                Poll::Pending => {
                    if this.deadline.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    this.is_over = true;
                    forget(&this.namespace, this.id, &this.waiting);
                }
            }
        }
    }
}

impl<T> Drop for AckStream<T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.receiver.close();
            while let Ok(Answered { socket, .. }) = self.receiver.try_recv() {
                self.waiting.insert(socket, ());
            }
            forget(&self.namespace, self.id, &self.waiting);
        }
    }
}

/// Tells the sockets that nobody waits for their answer any more.
fn forget(namespace: &Arc<NamespaceInner>, id: u64, waiting: &HashMap<Arc<str>, ()>) {
    if waiting.is_empty() {
        return;
    }
    let target = Target { rooms: waiting.keys().cloned().collect(), ..Target::default() };
    let number = namespace.number;
    for hub in namespace.hubs().all() {
        let target = target.clone();
        hub.visit(move |hub| {
            for local in hub.select(number, &target) {
                if let Some(socket) = crate::inbox::LocalSocket::of(local) {
                    socket.socket().forget_ack(id);
                }
            }
        });
    }
}

impl<T> fmt::Debug for AckStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckStream").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// The sink that sockets answer a broadcast into.
pub(crate) fn sink(id: u64) -> (AckSink, mpsc::UnboundedReceiver<Answered>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (AckSink { id, sender }, receiver)
}

//! A socket on its connection's thread: the queue of its events, handled one at a time in the order of arrival.
//!
//! Connect first, disconnect last. A handler that is done at once costs no task: it is polled where the event
//! arrived, and only moved to a task of its own when it has to wait.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::ack::{Ack, Owed};
use crate::client::ClientInner;
use crate::delivery::{AckSink, Answered, Gone, Local, Outgoing};
use crate::disconnect_reason::DisconnectReason;
use crate::handler::{Call, Erased, LocalFuture};
use crate::observer::Observer;
use crate::protocol::{Args, ByteString};
use crate::socket::Socket;
use crate::trace::{Operation, Trace};

/// What waits to be handled on one connection, all its sockets together.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) bytes: Cell<usize>,
    /// How much of `bytes` is being handled, one item per socket.
    pub(crate) running: Cell<usize>,
}

/// Something that happened to a socket.
enum Item {
    /// With what it counts for.
    Connect(usize),
    Event {
        name: ByteString,
        args: Args,
        ack: Option<u64>,
    },
    Disconnect(DisconnectReason),
}

impl Item {
    /// What it counts for, bookkeeping included.
    fn size(&self) -> usize {
        match self {
            Self::Event { name, args, .. } => event_size(name, args),
            // A client that comes and goes while its handlers are busy leaves a socket behind each time.
            Self::Connect(size) => *size,
            Self::Disconnect(_) => SOCKET_SIZE,
        }
    }
}

/// About what a socket takes.
const SOCKET_SIZE: usize = 1024;

/// What an event counts for.
fn event_size(name: &str, args: &Args) -> usize {
    name.len() + args.size() + 128
}

/// What a concurrent handler holds until it is done: it does not keep events waiting, but it keeps its own.
struct Weight {
    local: Rc<LocalSocket>,
    size: usize,
}

impl Weight {
    fn new(local: &Rc<LocalSocket>, size: usize) -> Self {
        local.load.bytes.set(local.load.bytes.get() + size);
        Self { local: local.clone(), size }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.local.done(self.size);
    }
}

/// See the module's documentation.
pub(crate) struct LocalSocket {
    socket: Socket,
    client: Weak<ClientInner>,
    load: Rc<Load>,
    queue: RefCell<VecDeque<Item>>,
    is_running: Cell<bool>,
}

impl LocalSocket {
    pub(crate) fn new(socket: Socket, client: &Rc<ClientInner>, load: Rc<Load>) -> Rc<Self> {
        Rc::new(Self {
            socket,
            client: Rc::downgrade(client),
            load,
            queue: RefCell::default(),
            is_running: Cell::new(false),
        })
    }

    /// The socket behind a hub's entry.
    pub(crate) fn of(local: Rc<dyn Local>) -> Option<Rc<Self>> {
        local.as_any().downcast().ok()
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The client has been told that it is connected.
    pub(crate) fn connected(self: &Rc<Self>) {
        self.observed(|observer| observer.connected(&self.socket));
        self.push(Item::Connect(self.socket.auth().size() + SOCKET_SIZE));
    }

    /// An event came.
    pub(crate) fn event(self: &Rc<Self>, name: ByteString, args: Args, ack: Option<u64>) {
        self.push(Item::Event { name, args, ack });
    }

    /// The socket leaves: at once for everybody else, for its own handlers after what is queued.
    pub(crate) fn end(self: &Rc<Self>, reason: DisconnectReason) {
        if self.socket.leave_everything() {
            tracing::debug!(sid = self.socket.id(), %reason, "socket disconnected");
            self.observed(|observer| observer.disconnected(&self.socket, reason));
            self.push(Item::Disconnect(reason));
        }
    }

    fn observed(&self, tell: impl Fn(&dyn Observer)) {
        self.socket.namespace_inner().core().observers.tell(tell);
    }

    /// The server disconnects it; with `close`, the connection and all its sockets.
    pub(crate) fn disconnect(self: &Rc<Self>, close: bool) {
        let Some(client) = self.client.upgrade() else { return };
        if close {
            client.disconnect_all();
        } else {
            client.disconnect(self);
        }
    }

    fn push(self: &Rc<Self>, item: Item) {
        self.load.bytes.set(self.load.bytes.get() + item.size());
        if self.is_running.get() {
            self.queue.borrow_mut().push_back(item);
        } else {
            // Nothing is queued then.
            self.drive(Some(item));
        }
    }

    /// Handles `next`, then what is queued. Not while that is being done already.
    fn drive(self: &Rc<Self>, mut next: Option<Item>) {
        self.is_running.set(true);
        loop {
            let Some(item) = next.take().or_else(|| self.queue.borrow_mut().pop_front()) else { break };
            let size = item.size();
            let Some(rest) = run_now(self.handle(item)) else {
                self.done(size);
                continue;
            };
            let this = self.clone();
            let running = &self.load.running;
            running.set(running.get() + size);
            crate::engine::local_tasks::spawn(async move {
                rest.await;
                let running = &this.load.running;
                running.set(running.get().saturating_sub(size));
                this.done(size);
                this.drive(None);
            });
            return;
        }
        // An idle socket keeps no memory for events.
        self.queue.take();
        self.is_running.set(false);
    }

    fn done(&self, size: usize) {
        if size > 0 {
            self.load.bytes.set(self.load.bytes.get().saturating_sub(size));
            self.socket.connection().resume();
        }
    }

    fn call(
        &self,
        event: ByteString,
        args: Args,
        ack: Option<u64>,
        reason: Option<DisconnectReason>,
    ) -> Call {
        let ack = Ack::new(&self.socket, ack);
        Call { socket: self.socket.clone(), event, args, ack, reason, trace: Trace::default() }
    }

    /// What has to be done about an item.
    fn handle(self: &Rc<Self>, item: Item) -> LocalFuture<()> {
        match item {
            Item::Event { name, args, ack } => {
                let call = self.call(name, args, ack, None);
                if self.socket.namespace_inner().core().tracing.is_on() {
                    self.handle_traced(call)
                } else {
                    self.handle_event(call)
                }
            }
            Item::Connect(_) => {
                let this = self.clone();
                Box::pin(async move {
                    let handlers = this.socket.namespace_inner().registry.load().clone();
                    this.socket.start_actors(&handlers.actors);
                    let auth = this.socket.auth().clone();
                    let call = this.call(ByteString::from_static("connect"), auth, None, None);
                    run_all(&this, &handlers.connect, &call).await;
                })
            }
            Item::Disconnect(reason) => {
                let this = self.clone();
                Box::pin(async move {
                    let name = ByteString::from_static("disconnecting");
                    let call = this.call(name, Args::default(), None, Some(reason));
                    let own = this.socket.own_handlers();
                    let handlers = this.socket.namespace_inner().registry.load().clone();
                    run_all(&this, &handlers.disconnecting, &call).await;
                    run_all(&this, own.iter().flat_map(|own| &own.disconnecting), &call).await;
                    this.socket.forget_rooms();
                    let call = Call { event: ByteString::from_static("disconnect"), ..call };
                    run_all(&this, &handlers.disconnect, &call).await;
                    run_all(&this, own.iter().flat_map(|own| &own.disconnect), &call).await;
                    this.socket.forget_everything();
                })
            }
        }
    }

    fn handle_traced(self: &Rc<Self>, mut call: Call) -> LocalFuture<()> {
        let namespace = self.socket.namespace_inner();
        let (event, sid) = (&*call.event, call.socket.id());
        let operation = Operation::Event { namespace: namespace.name(), event, sid };
        let begun = namespace.core().tracing.begin(&operation, &Trace::default());
        call.trace = begun.trace.clone();
        let handled = self.handle_event(call);
        if !begun.is_recorded() {
            return handled;
        }
        Box::pin(async move {
            handled.await;
            drop(begun);
        })
    }

    fn handle_event(self: &Rc<Self>, call: Call) -> LocalFuture<()> {
        let namespace = self.socket.namespace_inner();
        let handlers = namespace.registry.load();
        if handlers.any.is_empty()
            && handlers.guards.is_empty()
            && handlers.filters.is_empty()
            && !self.socket.has_own_handlers()
            && let Some([only]) = handlers.events.get(&*call.event).map(Vec::as_slice)
            && !only.once
            && !only.handler.is_concurrent
        {
            self.observed(|observer| observer.received(&call.socket, &call.event, &call.args));
            return (only.handler.call)(call);
        }
        drop(handlers);
        Box::pin(dispatch(self.clone(), call))
    }
}

/// An event that more than one handler, or a special one, is interested in.
async fn dispatch(local: Rc<LocalSocket>, call: Call) {
    let own = call.socket.own_registry();
    let namespace = call.socket.namespace_inner().clone();
    let handlers = namespace.registry.load().clone();
    let own_handlers = own.as_ref().map(|own| own.load().clone());
    let own_handlers = own_handlers.as_deref();
    for guard in &handlers.guards {
        if let Err(refusal) = guard(call.clone()).await {
            let message = &*refusal.message;
            tracing::debug!(sid = call.socket.id(), event = &*call.event, message, "event refused");
            // Without effect if the guard has acknowledged by itself.
            if let Err(error) = call.ack.give(&refusal.as_answer()) {
                tracing::debug!(sid = call.socket.id(), %error, "a refusal could not be told");
            }
            return;
        }
    }
    local.observed(|observer| observer.received(&call.socket, &call.event, &call.args));
    run_all(&local, handlers.any.iter().chain(own_handlers.iter().flat_map(|own| &own.any)), &call).await;
    for filter in handlers.filters.iter().chain(own_handlers.iter().flat_map(|own| &own.filters)) {
        let filtered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            filter(call.socket.clone(), &call.event, &call.args)
        }));
        let verdict = match filtered {
            Ok(future) => {
                use futures_util::FutureExt as _;
                std::panic::AssertUnwindSafe(future).catch_unwind().await
            }
            Err(panic) => Err(panic),
        };
        match verdict {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                let message = refusal.message;
                tracing::debug!(sid = call.socket.id(), event = &*call.event, message, "event filtered out");
                return;
            }
            Err(panic) => return crate::handler::log_panic(&call, &*panic),
        }
    }
    let mut listeners = namespace.registry.take(&call.event);
    listeners.extend(own.iter().flat_map(|own| own.take(&call.event)));
    if listeners.is_empty() {
        let matching = handlers.matching.iter().filter(|(is_wanted, _)| {
            crate::handler::guarded("the test of an event's name", || is_wanted(&call.event))
                .unwrap_or_default()
        });
        listeners.extend(matching.map(|(_, handler)| handler.clone()));
    }
    if listeners.is_empty() {
        let fallback =
            own_handlers.and_then(|own| own.fallback.clone()).or_else(|| handlers.fallback.clone());
        listeners.extend(fallback);
    }
    run_all(&local, &listeners, &call).await;
}

/// Calls handlers one after the other; concurrent ones get tasks of their own.
async fn run_all<'a>(local: &Rc<LocalSocket>, handlers: impl IntoIterator<Item = &'a Erased>, call: &Call) {
    for handler in handlers {
        let future = (handler.call)(call.clone());
        if handler.is_concurrent {
            if let Some(rest) = run_now(future) {
                let weight = Weight::new(local, event_size(&call.event, &call.args));
                crate::engine::local_tasks::spawn(async move {
                    rest.await;
                    drop(weight);
                });
            }
        } else {
            future.await;
        }
    }
}

/// Polls once; what is left, if it has to wait. Whoever polls it next registers a real waker.
pub(crate) fn run_now<T>(mut future: LocalFuture<T>) -> Option<LocalFuture<T>> {
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(_) => None,
        Poll::Pending => Some(future),
    }
}

impl Local for LocalSocket {
    fn id(&self) -> &Arc<str> {
        self.socket.shared_id()
    }

    fn expect_ack(&self, sink: &AckSink) {
        let socket = self.socket.shared_id().clone();
        let _ = sink.sender.send(Answered { socket: socket.clone(), answer: None });
        if self.socket.owe(sink.id, Owed::Broadcast(sink.sender.clone())).is_err() {
            let _ = sink.sender.send(Answered { socket, answer: Some(Err(Gone)) });
        }
    }

    fn outgoing(&self, event: &Outgoing) {
        self.socket.tell_outgoing(&event.name, &event.args);
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

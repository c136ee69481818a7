//! What a server does, told to whoever traces it: which operations there are, and the context that goes with them to workers.
//!
//! Depends on no telemetry crate: an application gives a [`Tracer`] to [`SocketIoBuilder::tracer`](crate::SocketIoBuilder::tracer).
//! Without one nothing of this happens, and messages carry no context.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use socketio_cluster::trace::{NoTraceParent, TRACEPARENT, TRACESTATE, TraceContext};

/// Something that takes time. Texts are those of clients and of other processes: of any length, with anything in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// A client opens a connection: until it may, or is refused.
    Handshake {
        /// `polling` or `websocket`.
        transport: &'static str,
    },
    /// A client asks to be connected to a namespace: until its middlewares have decided.
    Connect {
        /// The namespace, as the client says it.
        namespace: &'a str,
    },
    /// An event of a client: until its handlers are done, or have begun if they are [`concurrent`](crate::concurrent()).
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The event's name.
        event: &'a str,
        /// The socket's id.
        sid: &'a str,
    },
    /// An event is handed to a worker: until that has answered, if an answer is wanted.
    HandOver {
        /// The namespace.
        namespace: &'a str,
        /// The event's name.
        event: &'a str,
        /// The socket's id.
        sid: &'a str,
    },
    /// This node's part of what an external process asks for, which said what it does that for.
    External {
        /// `emit`, `join`, `leave`, `disconnect` or `close_room`.
        action: &'static str,
        /// The namespace.
        namespace: &'a str,
    },
}

/// What an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// Nothing: a trace begins here, or is not recorded.
    None,
    /// Something that is not recorded: nor should this be.
    Unsampled,
    /// A span of this process or of another.
    Of(&'a TraceContext),
}

/// Records what a server does. Must not block: it is called on the threads of connections.
pub trait Tracer: Send + Sync + 'static {
    /// An operation begins. None if it is not recorded.
    fn begin(&self, operation: &Operation<'_>, parent: Parent<'_>) -> Option<Box<dyn Span>>;
}

/// An operation that is recorded. It is over when this is dropped.
pub trait Span: Send {
    /// What others continue.
    fn context(&self) -> TraceContext;

    /// It was refused, or could not be done.
    fn failed(&mut self, why: &str);
}

/// The trace that a handler is called in. A handler can have it as a parameter.
#[derive(Clone, Debug, Default)]
pub struct Trace(Inner);

#[derive(Clone, Debug, Default)]
enum Inner {
    #[default]
    Off,
    Unsampled,
    In(Arc<TraceContext>),
}

impl Trace {
    /// The span that it is called in; none if that is not recorded.
    pub fn context(&self) -> Option<&TraceContext> {
        match &self.0 {
            Inner::In(context) => Some(context),
            Inner::Off | Inner::Unsampled => None,
        }
    }

    /// What goes out with requests to others: when this is not recorded a context that says so, and none if nobody traces,
    /// nor for what is no operation: a handler of connects or disconnects.
    pub fn outgoing(&self) -> Option<TraceContext> {
        match &self.0 {
            Inner::Off => None,
            Inner::Unsampled => Some(TraceContext::unsampled()),
            Inner::In(context) => Some(TraceContext::clone(context)),
        }
    }

    fn as_parent(&self) -> Parent<'_> {
        match &self.0 {
            Inner::Off => Parent::None,
            Inner::Unsampled => Parent::Unsampled,
            Inner::In(context) => Parent::Of(context),
        }
    }
}

/// A server's tracer, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Tracing(Option<Arc<dyn Tracer>>);

impl Tracing {
    pub(crate) fn new(tracer: Arc<dyn Tracer>) -> Self {
        Self(Some(tracer))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins an operation within a trace; one that is off begins a trace.
    pub(crate) fn begin(&self, operation: &Operation<'_>, within: &Trace) -> Begun {
        self.begin_within(operation, within.as_parent())
    }

    pub(crate) fn begin_within(&self, operation: &Operation<'_>, parent: Parent<'_>) -> Begun {
        let Some(tracer) = &self.0 else { return Begun::default() };
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let span = tracer.begin(operation, parent)?;
            Some((span.context(), span))
        }));
        match begun {
            Ok(Some((context, span))) => {
                Begun { trace: Trace(Inner::In(Arc::new(context))), span: Some(span) }
            }
            Ok(None) => Begun { trace: Trace(Inner::Unsampled), span: None },
            Err(_) => {
                tracing::error!("the tracer panicked");
                Begun { trace: Trace(Inner::Unsampled), span: None }
            }
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracing").field(&self.is_on()).finish()
    }
}

/// An operation that has begun. It is over when this is dropped.
#[derive(Default)]
pub(crate) struct Begun {
    /// What belongs to it.
    pub(crate) trace: Trace,
    span: Option<Box<dyn Span>>,
}

impl Begun {
    pub(crate) fn is_recorded(&self) -> bool {
        self.span.is_some()
    }

    pub(crate) fn failed(&mut self, why: &dyn fmt::Display) {
        if let Some(span) = &mut self.span {
            span.failed(&why.to_string());
        }
    }
}

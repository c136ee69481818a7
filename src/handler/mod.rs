//! Handlers: async functions whose parameters are taken out of the call, and whose result may be the acknowledgement.
//!
//! Registered once per namespace ([`registry`]), called by a socket's inbox. A handler runs on its connection's
//! thread, so its future need not be `Send`; a panic costs its own event only.

mod actor;
mod extract;
mod registry;
mod reply;
mod room_actor;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use bytestring::ByteString;
use futures_util::FutureExt as _;

pub use self::actor::FromSocket;
pub(crate) use self::actor::{ActorFactory, SocketActors, actor_factory, forward};
pub use self::extract::{Attachments, Data, Event, ExtractError, FromCall, Handshake, State, TryData};
pub(crate) use self::extract::{forget_app, remember_app};
pub use self::registry::Membership;
pub(crate) use self::registry::registration;
pub(crate) use self::registry::{Handlers, Registry};
pub(crate) use self::registry::{IncomingFilter, OutgoingListener};
pub use self::reply::{Admission, IntoReply, Refusal, Reply};
pub use self::room_actor::RoomEvent;
pub(crate) use self::room_actor::{RoomActorFactory, Watcher, room_actor_factory};
use crate::ack::Ack;
use crate::disconnect_reason::DisconnectReason;
use crate::protocol::Args;
use crate::socket::Socket;
use crate::trace::Trace;

/// One call of a handler: the event, or whatever else happened to the socket.
///
/// Handlers get the parts they ask for through [`FromCall`].
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) socket: Socket,
    pub(crate) event: ByteString,
    pub(crate) args: Args,
    pub(crate) ack: Ack,
    pub(crate) reason: Option<DisconnectReason>,
    pub(crate) trace: Trace,
}

impl Call {
    /// The socket it happened to.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The event's name; `connect`, `disconnecting` or `disconnect` for what is not an event.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The event's arguments; the auth payload of a connect.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The client's acknowledgement; without effect if it asked for none.
    pub fn ack(&self) -> &Ack {
        &self.ack
    }

    /// What it is traced as.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Why the socket was disconnected, if it was.
    pub fn reason(&self) -> Option<DisconnectReason> {
        self.reason
    }
}

/// Something that can be called: an async function or closure with up to eight parameters that are [`FromCall`],
/// or a recipient of [`FromSocket`] messages. `P` only tells the forms apart.
pub trait Handler<P>: Send + Sync + 'static {
    /// What it resolves to.
    type Output;
    /// Its future. It runs on the thread of the connection and need not be `Send`.
    type Future: Future<Output = Self::Output> + 'static;
    /// Whether the socket's next event may be handled before this one is done.
    const CONCURRENT: bool = false;

    /// Takes the parameters out of the call and begins.
    fn call(&self, call: &Call) -> Result<Self::Future, ExtractError>;
}

macro_rules! handlers {
    ($($parameter:ident)*) => {
        impl<F, R, $($parameter),*> Handler<($($parameter,)*)> for F
        where
            F: Fn($($parameter),*) -> R + Send + Sync + 'static,
            R: Future + 'static,
            $($parameter: FromCall,)*
        {
            type Output = R::Output;
            type Future = R;

            fn call(&self, _call: &Call) -> Result<R, ExtractError> {
                Ok(self($($parameter::from_call(_call)?),*))
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);
handlers!(A B C D E G H);
handlers!(A B C D E G H I);

/// A handler that does not keep the socket's next event waiting. Made by [`concurrent`].
#[derive(Clone, Copy, Debug)]
pub struct Concurrent<H>(H);

/// Lets the events of a socket be handled by `handler` while earlier ones still are: they may finish in any order.
pub fn concurrent<P, H: Handler<P>>(handler: H) -> Concurrent<H> {
    Concurrent(handler)
}

/// Tells [`Concurrent`] handlers apart.
#[derive(Debug)]
pub struct ConcurrentParameters<P>(std::marker::PhantomData<P>);

impl<P, H: Handler<P>> Handler<ConcurrentParameters<P>> for Concurrent<H> {
    type Output = H::Output;
    type Future = H::Future;
    const CONCURRENT: bool = true;

    fn call(&self, call: &Call) -> Result<H::Future, ExtractError> {
        self.0.call(call)
    }
}

/// A future of this thread.
pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A handler whose types are forgotten: it acknowledges by itself and never panics.
#[derive(Clone)]
pub(crate) struct Erased {
    pub(crate) call: Arc<dyn Fn(Call) -> LocalFuture<()> + Send + Sync>,
    pub(crate) is_concurrent: bool,
}

/// Forgets the types of a handler.
pub(crate) fn erase<P, H>(handler: H) -> Erased
where
    H: Handler<P>,
    H::Output: IntoReply,
{
    let call = move |call: Call| -> LocalFuture<()> {
        let begun = catch_unwind(AssertUnwindSafe(|| handler.call(&call)));
        Box::pin(async move {
            let result = match begun {
                // The reply too: serializing is the application's code.
                Ok(Ok(future)) => AssertUnwindSafe(async { future.await.reply(&call) }).catch_unwind().await,
                Ok(Err(error)) => {
                    tracing::warn!(
                        sid = call.socket.id(), event = &*call.event, %error, "event not understood"
                    );
                    return;
                }
                Err(panic) => Err(panic),
            };
            if let Err(panic) = result {
                log_panic(&call, &*panic);
            }
        })
    };
    Erased { call: Arc::new(call), is_concurrent: H::CONCURRENT }
}

/// A middleware whose types are forgotten.
pub(crate) type ErasedMiddleware = Arc<dyn Fn(Call) -> LocalFuture<Result<(), Refusal>> + Send + Sync>;

/// Forgets the types of a middleware, or of a guard. One that panics refuses, and so does one whose parameters are not there: with
/// this message.
pub(crate) fn erase_middleware<P, H>(handler: H, not_understood: &'static str) -> ErasedMiddleware
where
    H: Handler<P>,
    H::Output: Admission,
{
    Arc::new(move |call: Call| {
        let begun = catch_unwind(AssertUnwindSafe(|| handler.call(&call)));
        Box::pin(async move {
            let result = match begun {
                Ok(Ok(future)) => AssertUnwindSafe(async { future.await.admission() }).catch_unwind().await,
                Ok(Err(error)) => {
                    let sid = call.socket.id();
                    match &error {
                        // The client's; it is told.
                        ExtractError::Args(_) => {
                            tracing::debug!(sid, event = &*call.event, %error, "{not_understood}");
                        }
                        _ => tracing::warn!(sid, event = &*call.event, %error, "{not_understood}"),
                    }
                    return Err(Refusal::new(not_understood));
                }
                Err(panic) => Err(panic),
            };
            match result {
                Ok(admission) => admission,
                Err(panic) => {
                    log_panic(&call, &*panic);
                    Err(Refusal::new("internal error"))
                }
            }
        })
    })
}

/// Calls code of the application that is no handler; a panic of it costs nobody anything.
pub(crate) fn guarded<T>(what: &str, call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        tracing::error!("{what} panicked");
    }
    result.ok()
}

pub(crate) fn log_panic(call: &Call, panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(sid = call.socket.id(), event = &*call.event, message, "a handler panicked");
}

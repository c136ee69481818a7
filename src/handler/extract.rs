//! What a handler can ask for.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::Call;
use crate::ack::Ack;
use crate::disconnect_reason::DisconnectReason;
use crate::engine::{ConnectionHandle, HandshakeRequest, TransportKind};
use crate::namespace::Namespace;
use crate::protocol::{Args, ArgsError, ByteString, FromArgs};
use crate::server::SocketIo;
use crate::socket::Socket;
use crate::trace::Trace;

/// Why a handler could not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The arguments are not of the type that the handler wants.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// No such value was given to [`SocketIoBuilder::state`](crate::SocketIoBuilder::state).
    #[error("no state of type {0}")]
    NoState(&'static str),
    /// The Actix `App` has no such `web::Data`.
    #[error("no web::Data of type {0}")]
    NoAppData(&'static str),
    /// Asked for outside of a disconnect handler.
    #[error("no disconnect reason")]
    NoReason,
    /// The socket has no actor of this type.
    #[error("no actor of type {0}")]
    NoActor(&'static str),
}

/// Something that a handler can have as a parameter.
pub trait FromCall: Sized {
    /// Takes it out of the call. An error keeps the handler from being called.
    fn from_call(call: &Call) -> Result<Self, ExtractError>;
}

/// The arguments of an event, read into `T`: a tuple takes several, anything else the first; [`Args`] takes all
/// of them as they are. In a connect handler or a middleware: the auth payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

impl<T: FromArgs> FromCall for Data<T> {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(Self(T::from_args(&call.args)?))
    }
}

/// As [`Data`], but a handler that has it is called even if the arguments are not of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryData<T>(pub Result<T, ArgsError>);

impl<T: FromArgs> FromCall for TryData<T> {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(Self(T::from_args(&call.args)))
    }
}

impl FromCall for Args {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.args.clone())
    }
}

impl FromCall for Socket {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.socket.clone())
    }
}

impl FromCall for Ack {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.ack.clone())
    }
}

impl FromCall for DisconnectReason {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        call.reason.ok_or(ExtractError::NoReason)
    }
}

impl FromCall for Namespace {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.socket.namespace())
    }
}

impl FromCall for SocketIo {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.socket.server())
    }
}

/// The name of the event, for handlers of more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event(pub ByteString);

impl FromCall for Event {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(Self(call.event.clone()))
    }
}

impl FromCall for Trace {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.trace.clone())
    }
}

/// The binary attachments of the event, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachments(pub Vec<Bytes>);

impl FromCall for Attachments {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(Self(call.args.attachments().to_vec()))
    }
}

/// How the client came here: the HTTP request that opened its connection, and the auth payload for the namespace.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub(crate) connection: ConnectionHandle,
    pub(crate) auth: Args,
}

impl Handshake {
    /// The auth payload of CONNECT, read into `T`; a client that sent none has `{}`.
    pub fn auth<T: FromArgs>(&self) -> Result<T, ArgsError> {
        T::from_args(&self.auth)
    }

    /// The transport at this moment.
    pub fn transport(&self) -> TransportKind {
        self.connection.transport()
    }
}

/// Headers, query, cookies, peer address and extensions of the request.
impl Deref for Handshake {
    type Target = HandshakeRequest;

    fn deref(&self) -> &HandshakeRequest {
        self.connection.request()
    }
}

impl FromCall for Handshake {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        Ok(call.socket.handshake())
    }
}

/// A value of the server's own, given to [`SocketIoBuilder::state`](crate::SocketIoBuilder::state).
#[derive(Debug)]
pub struct State<T>(Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromCall for State<T> {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        let missing = ExtractError::NoState(std::any::type_name::<T>());
        call.socket.server().state::<T>().map(Self).ok_or(missing)
    }
}

thread_local! {
    /// A handshake's request per server: through it the data of this thread's `App` is found.
    static APPS: RefCell<Vec<(usize, HttpRequest)>> = const { RefCell::new(Vec::new()) };
}

/// Remembers the `App` of this thread, once.
pub(crate) fn remember_app(server: usize, request: &HttpRequest) {
    APPS.with_borrow_mut(|apps| {
        if apps.iter().all(|(known, _)| *known != server) {
            apps.push((server, request.clone()));
        }
    });
}

/// Forgets the `App` of this thread: the next handshake brings another.
pub(crate) fn forget_app(server: usize) {
    APPS.with_borrow_mut(|apps| apps.retain(|(known, _)| *known != server));
}

/// The data of the Actix `App` that the server is mounted in (of this worker thread's instance).
impl<T: ?Sized + 'static> FromCall for web::Data<T> {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        let server = call.socket.server().number();
        APPS.with_borrow(|apps| {
            let (_, request) = apps.iter().find(|(known, _)| *known == server)?;
            request.app_data::<web::Data<T>>().cloned()
        })
        .ok_or(ExtractError::NoAppData(std::any::type_name::<T>()))
    }
}

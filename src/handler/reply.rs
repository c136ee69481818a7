//! What a handler may return.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Call;
use crate::error::AckError;
use crate::protocol::{Args, ByteString, ToArgs};

/// The result of an event handler. `()` leaves the acknowledgement to the [`Ack`](crate::Ack) parameter (or to
/// nobody); anything else is the acknowledgement, if the client asked for one. An error is logged, with the
/// socket and the event, and the client is left to its timeout.
pub trait IntoReply {
    /// Acknowledges the call, if there is something to say.
    fn reply(self, call: &Call);
}

/// Nothing to say: the result of a handler that ends in [`Socket::join`](crate::Socket::join).
impl IntoReply for crate::reached::Joined {
    fn reply(self, _: &Call) {}
}

/// Acknowledges with any serializable value; a tuple is several arguments.
#[derive(Clone, Copy, Debug)]
pub struct Reply<T>(pub T);

fn acknowledge(call: &Call, data: &(impl ToArgs + ?Sized)) {
    if let Err(error) = call.ack.give(data)
        && error != AckError::Disconnected
    {
        tracing::warn!(sid = call.socket.id(), event = &*call.event, %error, "event not acknowledged");
    }
}

impl IntoReply for () {
    fn reply(self, _: &Call) {}
}

impl<T: Serialize> IntoReply for Reply<T> {
    fn reply(self, call: &Call) {
        acknowledge(call, &self.0);
    }
}

impl<T: IntoReply, E: std::fmt::Display> IntoReply for Result<T, E> {
    fn reply(self, call: &Call) {
        match self {
            Ok(reply) => reply.reply(call),
            // What it could not say to a client that has left is nobody's concern.
            Err(error) if !call.socket.is_connected() => {
                let error = error.to_string();
                tracing::debug!(sid = call.socket.id(), event = &*call.event, error, "handler error");
            }
            Err(error) => {
                // It may quote the client: as text, which is escaped.
                let error = error.to_string();
                tracing::warn!(sid = call.socket.id(), event = &*call.event, error, "handler error");
            }
        }
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn reply(self, call: &Call) {
        if let Some(reply) = self {
            reply.reply(call);
        }
    }
}

impl IntoReply for Args {
    fn reply(self, call: &Call) {
        acknowledge(call, &self);
    }
}

impl<T: Serialize> IntoReply for Vec<T> {
    fn reply(self, call: &Call) {
        acknowledge(call, &self);
    }
}

macro_rules! replies {
    ($($type:ty)*) => {$(
        impl IntoReply for $type {
            fn reply(self, call: &Call) {
                acknowledge(call, &self);
            }
        }
    )*};
}

replies!(&'static str String bool i8 i16 i32 i64 u8 u16 u32 u64 isize usize f32 f64 serde_json::Value Box<RawValue> Bytes);

impl IntoReply for ByteString {
    fn reply(self, call: &Call) {
        acknowledge(call, &*self);
    }
}

/// Why a middleware refuses a connection to its namespace: what the client gets in CONNECT_ERROR. As an error it is its message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub(crate) message: String,
    pub(crate) data: Option<Box<RawValue>>,
}

impl Refusal {
    /// With a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// With data, which the client finds in `error.data`. Left out, with a log line, if it cannot be JSON.
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        match to_raw_value(data) {
            Ok(data) => self.data = Some(data),
            Err(error) => tracing::error!(%error, "the data of a refusal is not JSON"),
        }
        self
    }
}

impl Refusal {
    /// As the acknowledgement of an event.
    pub(crate) fn as_answer(&self) -> serde_json::Value {
        match self.data.as_deref().and_then(|data| serde_json::from_str(data.get()).ok()) {
            Some::<serde_json::Value>(data) => serde_json::json!({ "error": self.message, "data": data }),
            None => serde_json::json!({ "error": self.message }),
        }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// The result of a middleware: `()` and `Ok` let the connection pass.
pub trait Admission {
    /// Passed, or refused.
    fn admission(self) -> Result<(), Refusal>;
}

impl Admission for () {
    fn admission(self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl<E: Into<Refusal>> Admission for Result<(), E> {
    fn admission(self) -> Result<(), Refusal> {
        self.map_err(Into::into)
    }
}

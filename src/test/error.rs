//! What a test client did not get, in words that a failing test can print.

use std::time::Duration;

use crate::disconnect_reason::DisconnectReason;
use crate::engine::ConnectionError;
use crate::protocol::{ArgsError, EncodeError};

/// Why a test client was not connected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The handshake was refused, before Socket.IO: by `allow_request`, a limit, or a server that is closing.
    #[error("handshake refused: {0}")]
    Handshake(#[from] ConnectionError),
    /// CONNECT_ERROR: by a middleware, or because there is no such namespace.
    #[error("connection to the namespace refused: {message}")]
    Refused {
        /// The message of the refusal.
        message: String,
        /// Its data.
        data: Option<serde_json::Value>,
    },
    /// The server closed the connection instead.
    #[error("the connection was closed: {0}")]
    Closed(DisconnectReason),
    /// The server did not answer.
    #[error("no answer to CONNECT within {0:?}")]
    Timeout(Duration),
    /// The auth payload or the namespace's name cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What came instead of what was expected.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectError {
    /// Nothing came.
    #[error("expected {expected}, nothing came within {timeout:?}")]
    Timeout {
        /// What was expected.
        expected: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// Something else came.
    #[error("expected {expected}, got {came}")]
    Unexpected {
        /// What was expected.
        expected: String,
        /// What came: the event and its arguments.
        came: String,
    },
    /// The socket was disconnected.
    #[error("expected {expected}, the socket was disconnected: {reason}")]
    Disconnected {
        /// What was expected.
        expected: String,
        /// Why, as the server sees it.
        reason: DisconnectReason,
    },
    /// The event came, with other data than expected.
    #[error("{came}: {error}")]
    Args {
        /// What came: the event and its arguments.
        came: String,
        /// Why it is not what was asked for.
        error: ArgsError,
    },
}

/// The same as `Display`: it is what `unwrap` prints.
impl std::fmt::Debug for ExpectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

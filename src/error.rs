//! What can go wrong, one type per operation.

use std::time::Duration;

use crate::protocol::{ArgsError, EncodeError};

/// Why something could not be emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event or its data cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket is not connected any more.
    #[error("the socket is disconnected")]
    Disconnected,
    /// It is too large for the way to other nodes ([`max_message`](crate::config::ClusterConfig::max_message)): it was sent to
    /// nobody.
    #[error("not sent to the other nodes: {0}")]
    Cluster(String),
}

/// Why there is no acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event, or the answer, cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket left before it answered.
    #[error("the socket is disconnected")]
    Disconnected,
    /// It could not be sent to the socket's node.
    #[error("not sent to the other nodes: {0}")]
    Cluster(String),
    /// No answer within the timeout.
    #[error("no acknowledgement within {0:?}")]
    Timeout(Duration),
    /// The answer is not of the type that was asked for.
    #[error("unexpected acknowledgement: {0}")]
    Args(#[from] ArgsError),
    /// The socket has as many acknowledgements pending as it may
    /// ([`max_pending_acks`](crate::config::Config::max_pending_acks)).
    #[error("too many pending acknowledgements")]
    TooManyPending,
    /// This acknowledgement has been given already.
    #[error("already acknowledged")]
    AlreadyGiven,
}

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Encode(error) => Self::Encode(error),
            EmitError::Disconnected => Self::Disconnected,
            EmitError::Cluster(why) => Self::Cluster(why),
        }
    }
}

/// Why a socket could not join a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room is the id of another socket: it is that socket's alone.
    #[error("the room is the id of another socket")]
    ForeignId,
    /// The socket is not connected any more.
    #[error("the socket is disconnected")]
    Disconnected,
}

/// Why a namespace could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The pattern is not one that [`SocketIo::of_pattern`](crate::SocketIo::of_pattern) understands.
    #[error("invalid namespace pattern")]
    Pattern,
}

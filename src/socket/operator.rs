//! Emitting to one socket in a particular way.

use std::time::Duration;

use super::Socket;
use crate::broadcast_operator::{BroadcastOperator, Flags, RoomNames};
use crate::error::{AckError, EmitError};
use crate::protocol::{FromArgs, ToArgs};

/// Emits to one socket in a particular way. Made by [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
#[derive(Clone, Debug)]
pub struct SocketOperator {
    pub(super) socket: Socket,
    pub(super) flags: Flags,
}

impl SocketOperator {
    /// May be dropped if the client cannot take it at once.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether polling answers with it may be compressed.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// How long to wait for the acknowledgement.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Emits an event to the socket.
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.socket.emit_with(&self.flags, event, data).await
    }

    /// Emits an event and waits for the acknowledgement.
    pub async fn emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<R, AckError> {
        self.socket.emit_with_ack_with(&self.flags, event, data).await
    }

    /// To the members of rooms, but not to this socket.
    pub fn to(self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().to(rooms)
    }

    /// To everybody in the namespace but this socket and the members of these rooms.
    pub fn except(self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().except(rooms)
    }

    /// To everybody in the namespace but this socket.
    pub fn broadcast(self) -> BroadcastOperator {
        self.socket.broadcast().with_flags(self.flags)
    }
}

//! Why a socket or a connection ended, in the exact words of the Socket.IO documentation.

use std::fmt;

/// Why a socket was disconnected. [`DisconnectReason::as_str`] gives the string that the Socket.IO
/// documentation lists, and that clients and other servers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server called `socket.disconnect()` (or a broadcast operator did): this namespace only.
    ServerNamespaceDisconnect,
    /// The client sent a DISCONNECT packet for this namespace.
    ClientNamespaceDisconnect,
    /// The server is going away; clients come back by themselves.
    ServerShuttingDown,
    /// The client gave no sign of life for ping interval + ping timeout.
    PingTimeout,
    /// The client closed the transport, or the network did.
    TransportClose,
    /// The transport failed: an aborted poll, two polls at once, a client too slow to read, a message over the limit.
    TransportError,
    /// The client sent bytes that are not an Engine.IO packet.
    ParseError,
    /// The client sent an invalid Socket.IO packet, or one that is not allowed in its state.
    ForcedClose,
    /// The client joined no namespace within the connect timeout, or the server closed its whole connection.
    ForcedServerClose,
}

impl DisconnectReason {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::ServerNamespaceDisconnect,
        Self::ClientNamespaceDisconnect,
        Self::ServerShuttingDown,
        Self::PingTimeout,
        Self::TransportClose,
        Self::TransportError,
        Self::ParseError,
        Self::ForcedClose,
        Self::ForcedServerClose,
    ];

    /// Whether a connection can end by it, not only a socket.
    pub(crate) fn ends_connections(self) -> bool {
        !matches!(self, Self::ServerNamespaceDisconnect | Self::ClientNamespaceDisconnect)
    }

    /// The documented string, such as `"transport close"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

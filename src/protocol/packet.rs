//! The packet: what a [`Decoder`](super::Decoder) yields and a connection acts upon. Data only.

use bytestring::ByteString;

use super::Args;

/// Event names that have a meaning of their own and therefore cannot be sent, as in the reference implementation.
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A complete Socket.IO packet.
///
/// Its strings and arguments are slices of the message it came in and keep all of that in memory: who keeps one for long copies
/// it (a namespace's name is better taken from where the namespaces are; [`Args::detached`] copies arguments).
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// The namespace it is for, `/` unless given.
    pub namespace: ByteString,
    /// Revision 4 only: what followed `?` in the namespace of the packet (`/custom?token=abc`).
    pub query: Option<ByteString>,
    /// What it says.
    pub body: PacketBody,
}

/// The type of a packet and what belongs to it. The binary types of the JSON parser are the same as the plain ones here.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum PacketBody {
    /// 0: asks for a connection to the namespace, or confirms it.
    Connect {
        /// Nothing, or one argument that is an object: the client's auth, or the server's `{"sid":...}`.
        auth: Args,
    },
    /// 1: leaves the namespace.
    Disconnect,
    /// 2, 5: an event.
    Event {
        /// Its name; never a reserved one. A numeric name is given as its digits.
        name: ByteString,
        /// What follows the name.
        args: Args,
        /// The id to acknowledge it with, if asked for.
        ack: Option<u64>,
    },
    /// 3, 6: the acknowledgement of an event.
    Ack {
        /// The id that the event had.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// 4: refuses the connection to the namespace. Only servers send it; to a server it is a violation of the protocol.
    ConnectError {
        /// One argument, an object with `message` and maybe `data`, or a string (revision 4).
        data: Args,
    },
}

/// Whether an event name has a meaning of its own (`connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener`,
/// `removeListener`). Such events are refused, whichever side sends them.
pub fn is_reserved_event(name: &str) -> bool {
    reserved_event(name).is_some()
}

/// The reserved name that `name` is, if it is one.
pub(super) fn reserved_event(name: &str) -> Option<&'static str> {
    RESERVED_EVENTS.into_iter().find(|reserved| *reserved == name)
}

//! Socket.IO packets: what travels inside an Engine.IO message, protocol revision 5 and, where it differs, 4.
//!
//! In data order: a message comes in through a [`Decoder`], which checks all of it once and yields a [`Packet`] whose
//! arguments are still the bytes of the message ([`Args`]). They are read into the types of a handler by [`FromArgs`]; what a
//! handler sends is made into [`Args`] by [`ToArgs`] and written into the outgoing message by the `encode_*` functions.
//! Both parsers, JSON and msgpack, sit behind the same types.
//!
//! Used by namespaces, sockets and delivery. Pure: bytes in, bytes out. Never imports actix, tokio, the engine or anything that
//! knows of connections.

mod args;
mod attachments;
mod data;
mod decode;
mod encode;
mod error;
mod from_args;
mod json;
mod list;
mod msgpack;
mod packet;
mod to_args;
mod transfer;
pub mod worker_answer;

pub use bytestring::ByteString;

pub use self::args::Args;
pub use self::attachments::Attachments;
pub use self::decode::{DecodeLimits, Decoder};
pub(crate) use self::encode::OVERHEAD;
pub use self::encode::{encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event};
pub use self::error::{ArgsError, DecodeError, EncodeError};
pub use self::from_args::FromArgs;
pub use self::packet::{Packet, PacketBody, is_reserved_event};
pub use self::to_args::ToArgs;

/// The deepest nesting of arrays and objects that is read or written, the argument list itself being the first level.
///
/// It is what `serde_json` reads (127 levels in one argument), so whatever was accepted can also be deserialized.
pub const MAX_DEPTH: u8 = 128;

/// The encoding of the packets of a server; every client has to use the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Parser {
    /// The default one of Socket.IO: a text message, followed by one binary message per attachment.
    #[default]
    Json,
    /// `socket.io-msgpack-parser`: one binary message per packet.
    MsgPack,
}

/// The revision of the Socket.IO protocol that a client speaks; the Engine.IO revision of its handshake decides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Revision {
    /// Clients of Socket.IO 1.x and 2.x (`EIO=3`): the namespace of a packet may carry a query, packet 4 is ERROR.
    V4,
    /// Clients of Socket.IO 3.x and 4.x (`EIO=4`).
    #[default]
    V5,
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod samples_tests;

#[cfg(test)]
#[path = "property_tests.rs"]
mod property_tests;

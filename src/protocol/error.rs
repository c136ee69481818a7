//! What can go wrong between bytes and arguments, one type per direction. Messages are short; only those of [`ArgsError`] may quote
//! a little of what a client sent.

use std::fmt::Display;

use serde::{de, ser};
use thiserror::Error;

/// Why an incoming message is not a packet. The connection that sent it is to be closed (`parse error`).
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is empty or starts with something that is not a packet type.
    #[error("unknown packet type")]
    UnknownPacketType,
    /// A text message is not UTF-8.
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// The number of attachments that a binary packet declares cannot be read.
    #[error("illegal number of attachments")]
    InvalidAttachmentCount,
    /// A binary packet declares more attachments than `max_attachments` allows.
    #[error("packet declares {count} attachments, the limit (max_attachments) is {limit}")]
    TooManyAttachments {
        /// Attachments the packet asks for.
        count: u64,
        /// The configured limit.
        limit: u32,
    },
    /// The packet, attachments included, is larger than `max_bytes` allows.
    #[error("packet is larger than {limit} bytes with its attachments")]
    TooLarge {
        /// The configured limit in bytes.
        limit: usize,
    },
    /// Arrays and objects are nested more deeply than `max_depth` allows.
    #[error("payload is nested more deeply than {limit} levels")]
    TooDeep {
        /// The configured limit.
        limit: u8,
    },
    /// A binary message came although no packet waits for an attachment.
    #[error("got a binary message although no packet waits for attachments")]
    UnexpectedBinary,
    /// A text message came although a packet waits for its attachments.
    #[error("got a text message although a packet waits for its attachments")]
    UnexpectedText,
    /// The msgpack parser got a text message.
    #[error("the msgpack parser takes binary messages only")]
    TextNotSupported,
    /// A placeholder does not name an attachment of its packet.
    #[error("placeholder without a valid attachment number")]
    InvalidPlaceholder,
    /// The namespace is not a path.
    #[error("invalid namespace")]
    InvalidNamespace,
    /// The acknowledgement id is missing where it has to be, or is not an integer up to 2^53 - 1.
    #[error("invalid acknowledgement id")]
    InvalidAckId,
    /// The payload is not what this type of packet carries.
    #[error("invalid payload: {0}")]
    InvalidPayload(&'static str),
    /// The payload is not JSON.
    #[error("invalid JSON at byte {position} of the payload")]
    InvalidJson {
        /// Where in the payload.
        position: usize,
    },
    /// The message is not msgpack.
    #[error("invalid msgpack at byte {position}")]
    InvalidMsgPack {
        /// Where in the message.
        position: usize,
    },
    /// The event has a name that has a meaning of its own, see [`is_reserved_event`](super::is_reserved_event).
    #[error("the event name {0:?} is reserved")]
    ReservedEvent(&'static str),
}

/// Why arguments could not be written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The data refused to be serialized.
    #[error("{0}")]
    Data(String),
    /// The data is nested more deeply than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("data is nested more deeply than {} levels", super::MAX_DEPTH)]
    TooDeep,
    /// The data is larger than a packet can be (4 GiB).
    #[error("data is larger than a packet can be")]
    TooLarge,
    /// The data has binary in it and also an object that would be taken for the placeholder of an attachment that is not there:
    /// clients close their connection on such a packet.
    #[error("data contains an object that looks like the placeholder of an attachment")]
    ForgedPlaceholder,
    /// The namespace cannot be written: it has to start with a slash, and with the JSON parser it must not have a comma.
    #[error("invalid namespace {0:?}")]
    InvalidNamespace(String),
    /// The event has a name that has a meaning of its own, see [`is_reserved_event`](super::is_reserved_event).
    #[error("the event name {0:?} is reserved")]
    ReservedEvent(&'static str),
}

impl ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        EncodeError::Data(message.to_string())
    }
}

/// Why arguments could not be read into the type that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// There are fewer arguments than asked for, and the missing one is not optional.
    #[error("argument {index} is missing")]
    Missing {
        /// Its place, the first is 0.
        index: usize,
    },
    /// An argument is not of the type asked for.
    #[error("argument {index}: {message}")]
    Invalid {
        /// Its place, the first is 0.
        index: usize,
        /// What is wrong with it; may quote the beginning of what was sent.
        message: String,
    },
    /// The arguments taken together are not what was asked for.
    #[error("{0}")]
    Other(String),
}

impl ArgsError {
    pub(super) fn invalid(index: usize, source: &dyn Display) -> Self {
        ArgsError::Invalid { index, message: shorten(source) }
    }
}

impl de::Error for ArgsError {
    fn custom<T: Display>(message: T) -> Self {
        ArgsError::Other(shorten(&message))
    }
}

/// What those are told who read binary into something else.
pub(super) const BINARY_IS_READ_BY: &str = "binary is read by `bytes::Bytes`, and by `Args`";

/// What serde says, bounded and on one line: it quotes a string that it did not expect as a whole, and that is up to the client.
fn shorten(message: &dyn Display) -> String {
    const MAX_LENGTH: usize = 200;
    let mut message = message.to_string();
    if message.contains(char::is_control) {
        // A log has lines.
        message = message.escape_debug().to_string();
    }
    if message.len() > MAX_LENGTH {
        let end = (0..=MAX_LENGTH).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.shrink_to_fit();
        message.push('…');
    }
    message
}

//! Messages into packets. Used by a connection, which owns one [`Decoder`] and closes itself when that reports an error.

use bytes::Bytes;
use bytestring::ByteString;

use super::{Attachments, DecodeError, MAX_DEPTH, Packet, PacketBody, Parser, Revision, json, msgpack};

/// Bounds on one packet of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeLimits {
    /// Attachments of one packet (JSON parser), default 10 as in the reference. A packet that declares more is refused at once
    /// ([`DecodeError::TooManyAttachments`]).
    pub max_attachments: u32,
    /// Levels of nested arrays and objects, the argument list included; default and most is [`MAX_DEPTH`].
    pub max_depth: u8,
    /// Bytes of a packet together with its attachments, default 10 MB: what a client can make the server hold before a packet
    /// is complete. Messages are bounded one by one by the engine.
    pub max_bytes: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits { max_attachments: 10, max_depth: MAX_DEPTH, max_bytes: 10_000_000 }
    }
}

/// Decodes the messages of one connection, in order. After an error the connection is to be closed; a binary packet that was
/// being received is lost then.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    /// The binary packet whose attachments are still coming.
    pending: Option<Box<Pending>>,
    parser: Parser,
    revision: Revision,
}

#[derive(Debug)]
struct Pending {
    packet: Packet,
    /// At least one; within the limit.
    expected: usize,
    attachments: Vec<Bytes>,
    /// Of the text and the attachments so far, and of keeping these.
    bytes: usize,
}

impl Decoder {
    /// A decoder for a new connection.
    pub fn new(parser: Parser, revision: Revision, limits: DecodeLimits) -> Self {
        Decoder { limits, pending: None, parser, revision }
    }

    /// Takes a text message, which is checked to be UTF-8 first.
    pub fn text(&mut self, text: Bytes) -> Result<Option<Packet>, DecodeError> {
        self.text_checked(&ByteString::try_from(text).map_err(|_| DecodeError::InvalidUtf8)?)
    }

    /// Takes a text message that is known to be UTF-8. `None` if it has attachments that are still to come.
    pub fn text_checked(&mut self, text: &ByteString) -> Result<Option<Packet>, DecodeError> {
        if self.parser == Parser::MsgPack {
            return Err(DecodeError::TextNotSupported);
        }
        if self.pending.take().is_some() {
            return Err(DecodeError::UnexpectedText);
        }
        self.check_size(text.len())?;
        let (packet, expected) = json::packet_read::decode(text, self.revision, &self.limits)?;
        if expected == 0 {
            return Ok(Some(packet));
        }
        let pending = Pending { packet, expected, attachments: Vec::new(), bytes: text.len() };
        self.pending = Some(Box::new(pending));
        Ok(None)
    }

    /// Takes a binary message: an attachment, or with the msgpack parser a packet. `None` if more attachments are to come.
    pub fn binary(&mut self, data: Bytes) -> Result<Option<Packet>, DecodeError> {
        if self.parser == Parser::MsgPack {
            self.check_size(data.len())?;
            return msgpack::packet_read::decode(&data, self.revision, &self.limits).map(Some);
        }
        let Some(mut pending) = self.pending.take() else { return Err(DecodeError::UnexpectedBinary) };
        // Empty ones are not for free either.
        pending.bytes = pending.bytes.saturating_add(data.len()).saturating_add(size_of::<Bytes>());
        self.check_size(pending.bytes)?;
        pending.attachments.push(data);
        if pending.attachments.len() < pending.expected {
            self.pending = Some(pending);
            return Ok(None);
        }
        let Pending { mut packet, attachments, .. } = *pending;
        if let PacketBody::Event { args, .. } | PacketBody::Ack { args, .. } = &mut packet.body {
            args.attachments = Attachments::from(attachments);
        }
        Ok(Some(packet))
    }

    /// Bytes held of a binary packet that is not complete, if there is one: for budgets, and for a bound on how long a client
    /// may leave it so. Each attachment counts a little more than its length.
    pub fn pending(&self) -> Option<usize> {
        self.pending.as_ref().map(|pending| pending.bytes)
    }

    fn check_size(&self, size: usize) -> Result<(), DecodeError> {
        let limit = self.limits.max_bytes.min(u32::MAX as usize);
        if size > limit { Err(DecodeError::TooLarge { limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

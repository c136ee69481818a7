//! Engine.IO packets, revisions 4 and 3. Pure: no actix, no tokio.
//!
//! Source: the Engine.IO protocol documents, revision 4 (and 3), section "Packet encoding".

use bytes::Bytes;

/// The protocol revision a client asked for (`EIO=4` or `EIO=3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// Clients of Socket.IO 2.x: the client pings.
    V3,
    /// Clients of Socket.IO 3.x and later: the server pings.
    V4,
}

/// A packet as it came from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `1`: the client closes the session.
    Close,
    /// `2`: a heartbeat question, or the probe of an upgrade.
    Ping(&'a str),
    /// `3`: a heartbeat answer.
    Pong(&'a str),
    /// `4`: a text message.
    Text(&'a str),
    /// A binary message.
    Binary(Binary<'a>),
    /// `5`: the client switches to this transport.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// The bytes of a binary message: borrowed from a websocket frame, or decoded from base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binary<'a> {
    /// Part of the buffer that was read.
    Borrowed(&'a [u8]),
    /// Decoded for this packet.
    Owned(Bytes),
}

impl Binary<'_> {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Owned(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, copied if they were borrowed.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// No type character.
    #[error("empty packet")]
    Empty,
    /// The type is none of `0`–`6`, or one that only a server may send.
    #[error("unexpected packet type")]
    Type,
    /// A `b` packet whose body is not base64.
    #[error("invalid base64")]
    Base64,
    /// A payload whose lengths do not add up, or without a single packet.
    #[error("malformed payload")]
    Payload,
    /// More packets in a payload than the configured bound.
    #[error("too many packets in a payload")]
    TooMany,
    /// Not UTF-8.
    #[error("invalid utf-8")]
    Utf8,
}

/// Decodes a text packet: `<type><data>`, or `b<base64>` (revision 3: `b4<base64>`) where only text can travel.
pub fn decode_text(text: &str, revision: Revision) -> Result<Packet<'_>, PacketError> {
    let kind = *text.as_bytes().first().ok_or(PacketError::Empty)?;
    if !kind.is_ascii() {
        return Err(PacketError::Type);
    }
    let data = &text[1..];
    match kind {
        b'1' => Ok(Packet::Close),
        b'2' => Ok(Packet::Ping(data)),
        b'3' => Ok(Packet::Pong(data)),
        b'4' => Ok(Packet::Text(data)),
        b'5' => Ok(Packet::Upgrade),
        b'6' => Ok(Packet::Noop),
        b'b' => {
            let encoded = match revision {
                Revision::V4 => data,
                Revision::V3 => data.strip_prefix('4').ok_or(PacketError::Type)?,
            };
            Ok(Packet::Binary(Binary::Owned(super::base64::decode(encoded).ok_or(PacketError::Base64)?)))
        }
        _ => Err(PacketError::Type),
    }
}

/// Decodes a binary websocket frame: the bytes themselves; in revision 3 the first is the packet type.
pub fn decode_binary(data: &[u8], revision: Revision) -> Result<Packet<'_>, PacketError> {
    match revision {
        Revision::V4 => Ok(Packet::Binary(Binary::Borrowed(data))),
        Revision::V3 => match data.split_first() {
            Some((4, rest)) => Ok(Packet::Binary(Binary::Borrowed(rest))),
            Some(_) => Err(PacketError::Type),
            None => Err(PacketError::Empty),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_packets() {
        assert_eq!(decode_text("4hé", Revision::V4), Ok(Packet::Text("hé")));
        assert_eq!(decode_text("2probe", Revision::V4), Ok(Packet::Ping("probe")));
        assert_eq!(decode_text("", Revision::V4), Err(PacketError::Empty));
        assert_eq!(decode_text("0{}", Revision::V4), Err(PacketError::Type));
        assert_eq!(decode_text("é", Revision::V4), Err(PacketError::Type));
        assert_eq!(decode_text("7", Revision::V4), Err(PacketError::Type));
    }

    #[test]
    fn base64_packets() {
        let bytes = Packet::Binary(Binary::Owned(Bytes::from_static(&[1, 2, 3, 4])));
        assert_eq!(decode_text("bAQIDBA==", Revision::V4), Ok(bytes.clone()));
        assert_eq!(decode_text("b4AQIDBA==", Revision::V3), Ok(bytes));
        assert_eq!(decode_text("bAQIDBA==", Revision::V3), Err(PacketError::Type));
        assert_eq!(decode_text("b***", Revision::V4), Err(PacketError::Base64));
    }

    #[test]
    fn binary_frames() {
        assert_eq!(decode_binary(&[9, 8], Revision::V4), Ok(Packet::Binary(Binary::Borrowed(&[9, 8]))));
        assert_eq!(decode_binary(&[4, 8], Revision::V3), Ok(Packet::Binary(Binary::Borrowed(&[8]))));
        assert_eq!(decode_binary(&[], Revision::V3), Err(PacketError::Empty));
    }
}

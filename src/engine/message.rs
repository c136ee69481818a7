//! An outgoing message, encoded once however many connections send it. Pure: no actix, no tokio.
//!
//! A message is a text with the binaries that belong to it (or a single binary), kept as the websocket frames
//! of revision 4. Every other variant is made from it when the first connection asks, and kept.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

use super::frame::{MAX_SERVER_HEADER, OpCode, put_header, write_frame};
use super::packet::Revision;
use super::payload::{SEPARATOR, write_v3_binary, write_v3_text};

/// One message to clients. Immutable; shared between connections in an `Arc`.
#[derive(Debug)]
pub struct Message {
    /// Unmasked websocket frames of revision 4, back to back, from `begin` on.
    buffer: Vec<u8>,
    begin: usize,
    parts: SmallVec<[Part; 1]>,
    is_compressible: bool,
    others: OnceLock<Box<Variants>>,
}

/// Where in the buffer the body of a frame is.
#[derive(Clone, Copy, Debug)]
struct Part {
    is_binary: bool,
    start: usize,
    end: usize,
}

#[derive(Debug, Default)]
struct Variants {
    polling_v4: OnceLock<Vec<u8>>,
    polling_v3_text: OnceLock<Vec<u8>>,
    polling_v3_binary: OnceLock<Vec<u8>>,
    websocket_v3: OnceLock<Vec<u8>>,
}

/// Builds a [`Message`] in place: the payload is written behind room for the frame's header.
#[derive(Debug)]
pub struct MessageBuilder {
    buffer: Vec<u8>,
    is_binary: bool,
    is_compressible: bool,
}

impl MessageBuilder {
    /// A text message; write UTF-8 into [`buffer`](Self::buffer).
    pub fn text(capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(MAX_SERVER_HEADER + 1 + capacity);
        buffer.resize(MAX_SERVER_HEADER, 0);
        buffer.push(b'4');
        Self { buffer, is_binary: false, is_compressible: true }
    }

    /// A binary message.
    pub fn binary(capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(MAX_SERVER_HEADER + capacity);
        buffer.resize(MAX_SERVER_HEADER, 0);
        Self { buffer, is_binary: true, is_compressible: true }
    }

    /// Append the payload here; what is already in it must stay.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether a polling answer with this message may be compressed. Default true.
    pub fn compress(mut self, compress: bool) -> Self {
        self.is_compressible = compress;
        self
    }

    /// The message, with the binaries that follow it.
    pub fn finish(mut self, attachments: &[Bytes]) -> Message {
        let length = self.buffer.len() - MAX_SERVER_HEADER;
        let opcode = if self.is_binary { OpCode::Binary } else { OpCode::Text };
        let begin = put_header(&mut self.buffer, MAX_SERVER_HEADER, opcode, length);
        let mut parts = SmallVec::new();
        parts.push(Part { is_binary: self.is_binary, start: MAX_SERVER_HEADER, end: self.buffer.len() });
        let more: usize = attachments.iter().map(|attachment| attachment.len() + MAX_SERVER_HEADER).sum();
        self.buffer.reserve_exact(more);
        for attachment in attachments {
            write_frame(&mut self.buffer, OpCode::Binary, attachment);
            let end = self.buffer.len();
            parts.push(Part { is_binary: true, start: end - attachment.len(), end });
        }
        let Self { buffer, is_compressible, .. } = self;
        Message { buffer, begin, parts, is_compressible, others: OnceLock::new() }
    }
}

impl Message {
    /// A text message of its own.
    pub fn text(text: &str) -> Self {
        let mut builder = MessageBuilder::text(text.len());
        builder.buffer().extend_from_slice(text.as_bytes());
        builder.finish(&[])
    }

    /// A binary message of its own.
    pub fn binary(bytes: &[u8]) -> Self {
        let mut builder = MessageBuilder::binary(bytes.len());
        builder.buffer().extend_from_slice(bytes);
        builder.finish(&[])
    }

    /// Size in bytes, as websocket frames: what the bounds of an outbox count.
    pub fn size(&self) -> usize {
        self.buffer.len() - self.begin
    }

    /// How many Engine.IO packets it is.
    pub(super) fn packets(&self) -> usize {
        self.parts.len()
    }

    /// Whether a polling answer with it may be compressed.
    pub(super) fn is_compressible(&self) -> bool {
        self.is_compressible
    }

    /// Whether any part is binary.
    pub(super) fn has_binary(&self) -> bool {
        self.parts.iter().any(|part| part.is_binary)
    }

    /// Websocket frames, ready to be sent.
    pub(super) fn websocket(&self, revision: Revision) -> &[u8] {
        match revision {
            Revision::V4 => &self.buffer[self.begin..],
            Revision::V3 if !self.has_binary() => &self.buffer[self.begin..],
            Revision::V3 => self.others().websocket_v3.get_or_init(|| {
                let mut out = Vec::with_capacity(self.size() + self.parts.len());
                for part in &self.parts {
                    let body = self.body(*part);
                    if part.is_binary {
                        write_frame(&mut out, OpCode::Binary, &[&[4], body].concat());
                    } else {
                        write_frame(&mut out, OpCode::Text, body);
                    }
                }
                out
            }),
        }
    }

    fn body(&self, part: Part) -> &[u8] {
        &self.buffer[part.start..part.end]
    }

    /// Records of a text payload of long-polling; in revision 4 without a separator at the ends.
    pub(super) fn polling_text(&self, revision: Revision) -> &[u8] {
        match (revision, &self.parts[..]) {
            (Revision::V4, [part @ Part { is_binary: false, .. }]) => self.body(*part),
            (Revision::V4, _) => self.others().polling_v4.get_or_init(|| {
                let mut out = Vec::with_capacity(self.size() * 4 / 3 + 4);
                for part in &self.parts {
                    if !out.is_empty() {
                        out.push(SEPARATOR);
                    }
                    self.write_text_record(*part, "b", &mut out);
                }
                out
            }),
            (Revision::V3, _) => self.others().polling_v3_text.get_or_init(|| {
                let mut out = Vec::with_capacity(self.size() + 8);
                for part in &self.parts {
                    let mut record = Vec::new();
                    self.write_text_record(*part, "b4", &mut record);
                    write_v3_text(&mut out, &String::from_utf8_lossy(&record));
                }
                out
            }),
        }
    }

    /// The same, where they are all of an answer: no copy, however many polls are answered with it.
    pub(super) fn polling_body(self: &Arc<Self>, revision: Revision) -> Bytes {
        struct Records(Arc<Message>, Revision);

        impl AsRef<[u8]> for Records {
            fn as_ref(&self) -> &[u8] {
                self.0.polling_text(self.1)
            }
        }

        Bytes::from_owner(Records(self.clone(), revision))
    }

    /// Records of a binary payload of long-polling, revision 3.
    pub(super) fn polling_v3_binary(&self) -> &[u8] {
        self.others().polling_v3_binary.get_or_init(|| {
            let mut out = Vec::with_capacity(self.size() + 8);
            for part in &self.parts {
                write_v3_binary(&mut out, part.is_binary, part.is_binary.then_some(4), self.body(*part));
            }
            out
        })
    }

    fn write_text_record(&self, part: Part, binary_prefix: &str, out: &mut Vec<u8>) {
        let body = self.body(part);
        if part.is_binary {
            out.extend_from_slice(binary_prefix.as_bytes());
            super::base64::encode_into(body, out);
        } else {
            out.extend_from_slice(body);
        }
    }

    fn others(&self) -> &Variants {
        self.others.get_or_init(Box::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_attachments() -> Message {
        let mut builder = MessageBuilder::text(0);
        builder.buffer().extend_from_slice(b"52-[]");
        builder.finish(&[Bytes::from_static(&[1, 2, 3, 4]), Bytes::new()])
    }

    #[test]
    fn websocket_frames() {
        let message = with_attachments();
        assert_eq!(message.websocket(Revision::V4), b"\x81\x06452-[]\x82\x04\x01\x02\x03\x04\x82\x00");
        assert_eq!(
            message.websocket(Revision::V3),
            b"\x81\x06452-[]\x82\x05\x04\x01\x02\x03\x04\x82\x01\x04"
        );
        let long = Message::text(&"x".repeat(70_000));
        assert_eq!(&long.websocket(Revision::V4)[..10], &[0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x71]);
    }

    #[test]
    fn polling_records() {
        let message = with_attachments();
        assert_eq!(message.polling_text(Revision::V4), b"452-[]\x1ebAQIDBA==\x1eb");
        assert_eq!(message.polling_text(Revision::V3), b"6:452-[]10:b4AQIDBA==2:b4");
        assert_eq!(
            message.polling_v3_binary(),
            b"\x00\x06\xff452-[]\x01\x05\xff\x04\x01\x02\x03\x04\x01\x01\xff\x04"
        );
        assert_eq!(Message::text("é").polling_text(Revision::V3), "2:4é".as_bytes());
    }
}

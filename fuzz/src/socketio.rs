//! The decoders of Socket.IO packets.

use actix_socketio::protocol::{DecodeLimits, Decoder, Parser, Revision};
use bytes::Bytes;

use super::check::check;

/// The decoder of the JSON parser: messages with the byte 0x1e between them, each a text, or an attachment where one is due.
pub fn sio_json(input: &[u8]) {
    for revision in [Revision::V4, Revision::V5] {
        let mut decoder = Decoder::new(Parser::Json, revision, DecodeLimits::default());
        for message in input.split(|byte| *byte == 0x1e) {
            let message = Bytes::copy_from_slice(message);
            let decoded =
                if decoder.pending().is_some() { decoder.binary(message) } else { decoder.text(message) };
            // Beside its bytes, each of the ten attachments counts for what keeping it takes.
            assert!(decoder.pending().unwrap_or(0) <= input.len() + 10 * size_of::<Bytes>());
            match decoded {
                Ok(Some(packet)) => check(&packet, input.len()),
                Ok(None) => assert!(decoder.pending().is_some()),
                Err(_) => break,
            }
        }
    }
}

/// The decoder of the msgpack parser: one binary message.
pub fn sio_msgpack(input: &[u8]) {
    for revision in [Revision::V4, Revision::V5] {
        let mut decoder = Decoder::new(Parser::MsgPack, revision, DecodeLimits::default());
        if let Ok(packet) = decoder.binary(Bytes::copy_from_slice(input)) {
            check(&packet.expect("complete at once"), input.len());
        }
        assert_eq!(decoder.pending(), None);
    }
}

//! Engine.IO packets of both revisions, as text and as binary websocket messages.
#![no_main]

use actix_socketio::engine::packet::{Binary, Packet, Revision, decode_binary, decode_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for revision in [Revision::V3, Revision::V4] {
        if let Ok(Packet::Binary(Binary::Borrowed(bytes))) = decode_binary(input, revision) {
            assert!(bytes.len() <= input.len());
        }
        let Ok(text) = std::str::from_utf8(input) else { continue };
        match decode_text(text, revision) {
            Ok(Packet::Text(data) | Packet::Ping(data) | Packet::Pong(data)) => {
                assert_eq!(data.len() + 1, text.len());
            }
            // Base64 never makes more of it.
            Ok(Packet::Binary(binary)) => assert!(binary.into_bytes().len() < text.len().max(1)),
            _ => {}
        }
    }
});

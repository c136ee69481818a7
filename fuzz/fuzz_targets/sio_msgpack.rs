//! The decoder of the msgpack parser: one binary message.
#![no_main]

use actix_socketio::protocol::{DecodeLimits, Decoder, Parser, Revision};
use actix_socketio_fuzz::check;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for revision in [Revision::V4, Revision::V5] {
        let mut decoder = Decoder::new(Parser::MsgPack, revision, DecodeLimits::default());
        if let Ok(packet) = decoder.binary(Bytes::copy_from_slice(input)) {
            check(&packet.expect("complete at once"), input.len());
        }
        assert_eq!(decoder.pending(), None);
    }
});

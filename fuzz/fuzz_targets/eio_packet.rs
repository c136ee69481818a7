//! Engine.IO packets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::eio_packet(input));

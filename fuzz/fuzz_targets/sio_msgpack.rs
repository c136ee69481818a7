//! The decoder of the msgpack parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::sio_msgpack(input));

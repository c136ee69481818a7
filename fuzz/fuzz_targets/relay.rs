//! Sessions relayed to and from hostile nodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::relay(input));

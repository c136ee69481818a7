//! Websocket frames in any slicing.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::ws_frame(input));

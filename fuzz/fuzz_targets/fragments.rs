//! Parts of messages of other nodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::fragments(input));

//! Messages of other nodes and of external processes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::cluster_message(input));

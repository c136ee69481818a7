//! HTTP requests to the endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| actix_socketio_fuzz::http_request(input));

//! Messages of other nodes, parts of messages, the JSON of external processes, and the answers to it.
#![no_main]

use std::time::Instant;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use socketio_cluster::codec::{Decoded, decode, encode};
use socketio_cluster::external::{External, ExternalLimits, Reply};
use socketio_cluster::fragment::Reassembly;

fuzz_target!(|input: &[u8]| {
    let bytes = Bytes::copy_from_slice(input);
    match decode(&bytes) {
        Ok(Decoded::Whole(envelope)) => assert_eq!(encode(&envelope), Ok(bytes), "there is one form only"),
        Ok(Decoded::Fragment(fragment)) => {
            let mut reassembly = Reassembly::default();
            if let Ok(Some(message)) = reassembly.take(&fragment, Instant::now()) {
                assert_eq!(message, fragment.bytes);
            }
            assert!(reassembly.bytes() <= input.len());
        }
        Err(_) => {}
    }
    if let Ok(reply) = Reply::read(input) {
        assert_eq!(Reply::read(&reply.write()).expect("was written"), reply);
    }
    let limits = ExternalLimits::default();
    if let Ok(external) = External::read(input, &limits) {
        let json = external.write(&ExternalLimits { max_bytes: usize::MAX, ..limits }).expect("was read");
        External::read(&json, &ExternalLimits { max_bytes: usize::MAX, ..limits }).expect("was written");
    }
});

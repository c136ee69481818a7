//! Payloads of long-polling: text of both revisions, and the binary one of revision 3.
#![no_main]

use std::ops::ControlFlow;

use actix_socketio::engine::packet::Revision;
use actix_socketio::engine::payload::{decode_binary_payload, decode_text_payload};
use libfuzzer_sys::fuzz_target;

const MAX_PACKETS: usize = 50;

fuzz_target!(|input: &[u8]| {
    let mut count = 0;
    let _ = decode_binary_payload(input, MAX_PACKETS, |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert!(count <= MAX_PACKETS);
    let Ok(text) = std::str::from_utf8(input) else { return };
    for revision in [Revision::V3, Revision::V4] {
        let mut count = 0;
        let result = decode_text_payload(text, revision, MAX_PACKETS, |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert!(count <= MAX_PACKETS);
        // There is no payload without a packet.
        assert!(result.is_err() || count > 0);
    }
});

//! The decoders of Engine.IO and of websocket frames.

use std::ops::ControlFlow;

use actix_socketio::engine::frame::{FrameGuard, FrameLimits, FrameReader};
use actix_socketio::engine::packet::{Binary, Packet, Revision, decode_binary, decode_text};
use actix_socketio::engine::payload::{decode_binary_payload, decode_text_payload};

const MAX_PACKETS: usize = 50;
const LIMITS: FrameLimits = FrameLimits { max_message: 1000, max_fragments: 8 };
const LONGEST_HEADER: usize = 14;

/// Engine.IO packets of both revisions, as text and as binary websocket messages.
pub fn eio_packet(input: &[u8]) {
    for revision in [Revision::V3, Revision::V4] {
        if let Ok(Packet::Binary(Binary::Borrowed(bytes))) = decode_binary(input, revision) {
            assert!(bytes.len() <= input.len());
        }
        let Ok(text) = std::str::from_utf8(input) else { continue };
        match decode_text(text, revision) {
            Ok(Packet::Text(data) | Packet::Ping(data) | Packet::Pong(data)) => {
                assert_eq!(data.len() + 1, text.len());
            }
            // Base64 never makes more of it.
            Ok(Packet::Binary(binary)) => assert!(binary.into_bytes().len() < text.len().max(1)),
            _ => {}
        }
    }
}

/// Payloads of long-polling: text of both revisions, and the binary one of revision 3.
pub fn eio_payload(input: &[u8]) {
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
}

/// Websocket frames in any slicing: the first byte says how long the slices are. The guard of the embedded transport must
/// refuse as too big exactly what the reader of the native one refuses as too big, and neither may pile up bytes.
pub fn ws_frame(input: &[u8]) {
    let Some((step, input)) = input.split_first() else { return };
    let (mut reader, mut guard) = (FrameReader::default(), FrameGuard::default());
    for slice in input.chunks(usize::from(*step).max(1)) {
        let guarded = guard.check(slice, &LIMITS);
        let read = reader.feed(&mut slice.to_vec(), &LIMITS, |_| ControlFlow::Continue(()));
        assert!(reader.buffered() <= 2 * LIMITS.max_message + LONGEST_HEADER);
        if read.is_err() || guarded.is_err() {
            return;
        }
    }
}

//! Websocket frames in any slicing: the first byte says how long the slices are. The guard of the embedded transport must
//! refuse as too big exactly what the reader of the native one refuses as too big, and neither may pile up bytes.
#![no_main]

use std::ops::ControlFlow;

use actix_socketio::engine::frame::{FrameGuard, FrameLimits, FrameReader};
use libfuzzer_sys::fuzz_target;

const LIMITS: FrameLimits = FrameLimits { max_message: 1000, max_fragments: 8 };
const LONGEST_HEADER: usize = 14;

fuzz_target!(|input: &[u8]| {
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
});

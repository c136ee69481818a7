use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits { max_message: 1000, max_fragments: 8 };

/// A client's frame.
fn frame(fin: bool, opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![if fin { 0x80 } else { 0 } | opcode];
    match body.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [7, 77, 177, 254];
    out.extend_from_slice(&mask);
    out.extend(body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Everything `input` holds, as text, read in pieces of `step` bytes.
fn read(input: &[u8], step: usize) -> Result<Vec<String>, FrameError> {
    let (mut reader, mut guard) = (FrameReader::default(), FrameGuard::default());
    let mut seen = Vec::new();
    for piece in input.chunks(step) {
        guard.check(piece, &LIMITS).map_err(|refused| refused.error)?;
        reader.feed(&mut piece.to_vec(), &LIMITS, |event| {
            seen.push(match event {
                WsEvent::Text(text) => format!("text {text}"),
                WsEvent::Binary(bytes) => format!("binary {bytes:?}"),
                WsEvent::Ping(bytes) => format!("ping {bytes:?}"),
                WsEvent::Pong => "pong".to_owned(),
                WsEvent::Close(code) => format!("close {code:?}"),
            });
            ControlFlow::Continue(())
        })?;
    }
    Ok(seen)
}

#[test]
fn whole_and_fragmented_messages_in_any_slicing() {
    let mut input = frame(true, 1, "héllo".as_bytes());
    input.extend(frame(false, 2, &[1]));
    input.extend(frame(true, 9, &[5]));
    input.extend(frame(true, 0, &[2]));
    input.extend(frame(true, 2, &[9; 300]));
    input.extend(frame(true, 8, &1000u16.to_be_bytes()));
    for step in [1, 2, 3, 7, 1000] {
        let seen = read(&input, step).unwrap();
        assert_eq!(seen[..3], ["text héllo", "ping [5]", "binary [1, 2]"]);
        assert_eq!(seen[4], "close Some(1000)");
    }
}

#[test]
fn a_declared_size_is_refused_before_the_body_is_there() {
    let header = [0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0];
    assert_eq!(read(&header, 10), Err(FrameError::TooBig));
}

#[test]
fn fragments_are_bounded_in_size_and_number() {
    let mut big = frame(false, 2, &[0; 600]);
    big.extend(frame(true, 0, &[0; 600]));
    assert_eq!(read(&big, 5000), Err(FrameError::TooBig));
    let mut many = frame(false, 2, &[]);
    for _ in 0..10 {
        many.extend(frame(false, 0, &[]));
    }
    assert_eq!(read(&many, 5000), Err(FrameError::TooManyFragments));
}

#[test]
fn the_guard_says_what_comes_before_a_refused_frame() {
    let mut input = frame(true, 1, b"5");
    let before = input.len();
    input.extend([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0]);
    let refused = Refused { error: FrameError::TooBig, before };
    assert_eq!(FrameGuard::default().check(&input, &LIMITS), Err(refused));
    let mut guard = FrameGuard::default();
    guard.check(&input[..before + 3], &LIMITS).unwrap();
    assert_eq!(guard.check(&input[before + 3..], &LIMITS).unwrap_err().before, 0);
}

#[test]
fn protocol_errors() {
    assert_eq!(read(&[0x81, 0x01, b'x'], 9), Err(FrameError::Protocol), "unmasked");
    assert_eq!(read(&frame(true, 3, &[]), 9), Err(FrameError::Protocol), "reserved opcode");
    assert_eq!(read(&frame(true, 0, &[]), 9), Err(FrameError::Protocol), "stray continuation");
    assert_eq!(read(&frame(false, 9, &[]), 9), Err(FrameError::Protocol), "fragmented control frame");
    let mut reserved = frame(true, 1, b"x");
    reserved[0] |= 0x40;
    assert_eq!(read(&reserved, 9), Err(FrameError::Protocol), "reserved bit");
    assert_eq!(read(&frame(true, 1, &[0xff]), 9), Err(FrameError::Utf8));
    let mut nested = frame(false, 1, b"x");
    nested.extend(frame(true, 1, b"y"));
    assert_eq!(read(&nested, 99), Err(FrameError::Protocol), "a message inside a message");
}

#[test]
fn a_break_keeps_the_rest_for_later() {
    let mut input = frame(true, 1, b"one");
    input.extend(frame(true, 1, b"two"));
    let mut reader = FrameReader::default();
    let mut seen = 0;
    let mut once = |_: WsEvent<'_>| {
        seen += 1;
        ControlFlow::Break(())
    };
    reader.feed(&mut input, &LIMITS, &mut once).unwrap();
    assert_eq!(reader.buffered(), 9);
    reader.feed(&mut [], &LIMITS, &mut once).unwrap();
    assert_eq!((seen, reader.buffered()), (2, 0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_nor_pile_up(input in proptest::collection::vec(any::<u8>(), 0..4000), step in 1usize..99) {
        let mut reader = FrameReader::default();
        for piece in input.chunks(step) {
            if reader.feed(&mut piece.to_vec(), &LIMITS, |_| ControlFlow::Continue(())).is_err() {
                break;
            }
            prop_assert!(reader.buffered() <= 2 * LIMITS.max_message + MAX_CLIENT_HEADER);
        }
    }

    #[test]
    fn the_guard_refuses_whatever_the_reader_would_call_too_big(sizes in proptest::collection::vec((0usize..700, any::<bool>()), 1..12)) {
        let mut input = Vec::new();
        let mut open = false;
        for (size, fin) in sizes {
            input.extend(frame(fin, if open { 0 } else { 2 }, &vec![1; size]));
            open = !fin;
        }
        let guarded = FrameGuard::default().check(&input, &LIMITS).map_err(|refused| refused.error);
        let result = FrameReader::default().feed(&mut input, &LIMITS, |_| ControlFlow::Continue(()));
        prop_assert_eq!(guarded, result);
    }
}

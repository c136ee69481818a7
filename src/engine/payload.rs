//! Payloads: several packets in one HTTP body. Pure: no actix, no tokio.
//!
//! Revision 4 separates records with U+001E. Revision 3 puts a length before each: in text bodies counted in
//! UTF-16 code units, in binary ones in bytes.

use std::ops::ControlFlow;

use super::packet::{Packet, PacketError, Revision, decode_binary, decode_text};

/// Between two packets of a revision 4 payload.
pub const SEPARATOR: u8 = 0x1e;

/// Decodes a text body and hands each packet to `on`, at most `max` of them.
pub fn decode_text_payload<'a>(
    body: &'a str,
    revision: Revision,
    max: usize,
    mut on: impl FnMut(Packet<'a>) -> ControlFlow<()>,
) -> Result<(), PacketError> {
    let mut count = 0;
    let mut rest = body;
    loop {
        let record = match revision {
            Revision::V4 => match rest.split_once(char::from(SEPARATOR)) {
                Some((record, tail)) => {
                    rest = tail;
                    (record, false)
                }
                None => (std::mem::take(&mut rest), true),
            },
            Revision::V3 => {
                let (record, tail) = split_v3(rest)?;
                rest = tail;
                (record, tail.is_empty())
            }
        };
        count += 1;
        if count > max {
            return Err(PacketError::TooMany);
        }
        let (record, is_last) = record;
        if on(decode_text(record, revision)?).is_break() || is_last {
            return Ok(());
        }
    }
}

/// `<length>:<record>…`, the length in UTF-16 code units.
fn split_v3(text: &str) -> Result<(&str, &str), PacketError> {
    let (length, rest) = text.split_once(':').ok_or(PacketError::Payload)?;
    if length.is_empty() || length.len() > 10 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PacketError::Payload);
    }
    let length: usize = length.parse().map_err(|_| PacketError::Payload)?;
    let mut units = 0;
    let mut end = rest.len();
    for (at, character) in rest.char_indices() {
        if units >= length {
            end = at;
            break;
        }
        units += character.len_utf16();
    }
    if units != length {
        return Err(PacketError::Payload);
    }
    Ok(rest.split_at(end))
}

/// Decodes a binary body of revision 3: records of `<0 text | 1 binary><decimal digits as bytes><255><data>`.
pub fn decode_binary_payload<'a>(
    body: &'a [u8],
    max: usize,
    mut on: impl FnMut(Packet<'a>) -> ControlFlow<()>,
) -> Result<(), PacketError> {
    let mut rest = body;
    let mut count = 0;
    while let Some((&kind, tail)) = rest.split_first() {
        let digits = tail.iter().take(10).position(|byte| *byte == 255).ok_or(PacketError::Payload)?;
        if digits == 0 || tail[..digits].iter().any(|digit| *digit > 9) {
            return Err(PacketError::Payload);
        }
        let length = tail[..digits].iter().fold(0usize, |length, digit| length * 10 + usize::from(*digit));
        let data = tail.get(digits + 1..digits + 1 + length).ok_or(PacketError::Payload)?;
        rest = &tail[digits + 1 + length..];
        count += 1;
        if count > max {
            return Err(PacketError::TooMany);
        }
        let packet = match kind {
            0 => decode_text(std::str::from_utf8(data).map_err(|_| PacketError::Utf8)?, Revision::V3)?,
            1 => decode_binary(data, Revision::V3)?,
            _ => return Err(PacketError::Payload),
        };
        if on(packet).is_break() {
            return Ok(());
        }
    }
    if count == 0 { Err(PacketError::Payload) } else { Ok(()) }
}

/// Appends a text record of revision 3.
pub(super) fn write_v3_text(out: &mut Vec<u8>, record: &str) {
    let units: usize = record.chars().map(char::len_utf16).sum();
    out.extend_from_slice(units.to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(record.as_bytes());
}

/// Appends a record to a binary payload of revision 3.
pub(super) fn write_v3_binary(out: &mut Vec<u8>, is_binary: bool, type_byte: Option<u8>, data: &[u8]) {
    out.push(u8::from(is_binary));
    let length = data.len() + usize::from(type_byte.is_some());
    out.extend(length.to_string().bytes().map(|digit| digit - b'0'));
    out.push(255);
    out.extend(type_byte);
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::packet::Binary;

    fn text(body: &str, revision: Revision) -> Result<Vec<Packet<'_>>, PacketError> {
        let mut packets = Vec::new();
        decode_text_payload(body, revision, 5, |packet| {
            packets.push(packet);
            ControlFlow::Continue(())
        })?;
        Ok(packets)
    }

    fn binary(body: &[u8]) -> Result<Vec<Packet<'_>>, PacketError> {
        let mut packets = Vec::new();
        decode_binary_payload(body, 5, |packet| {
            packets.push(packet);
            ControlFlow::Continue(())
        })?;
        Ok(packets)
    }

    #[test]
    fn revision_4() {
        assert_eq!(text("4a\u{1e}2", Revision::V4), Ok(vec![Packet::Text("a"), Packet::Ping("")]));
        assert_eq!(text("", Revision::V4), Err(PacketError::Empty));
        assert_eq!(text("4a\u{1e}", Revision::V4), Err(PacketError::Empty));
        assert_eq!(text("2\u{1e}2\u{1e}2\u{1e}2\u{1e}2\u{1e}2", Revision::V4), Err(PacketError::TooMany));
    }

    #[test]
    fn revision_3_counts_utf16_units() {
        assert_eq!(text("3:4é€2:4a", Revision::V3), Ok(vec![Packet::Text("é€"), Packet::Text("a")]));
        assert_eq!(text("3:4😀", Revision::V3), Ok(vec![Packet::Text("😀")]));
        assert_eq!(text("2:4😀", Revision::V3), Err(PacketError::Payload), "cuts a surrogate pair");
        for malformed in ["", ":", "4a", "1", "9:4a", "-1:4", "0:", "x:4a", "99999999999:4"] {
            assert!(text(malformed, Revision::V3).is_err(), "{malformed}");
        }
    }

    #[test]
    fn revision_3_binary() {
        let body = [0, 2, 255, b'4', b'a', 1, 3, 255, 4, 7, 8];
        let bytes = Packet::Binary(Binary::Borrowed(&[7, 8]));
        assert_eq!(binary(&body), Ok(vec![Packet::Text("a"), bytes]));
        for malformed in [&[][..], &[0], &[0, 255], &[0, 9, 255, b'4'], &[2, 1, 255, b'4'], &[0, 77, 255, 4]]
        {
            assert!(binary(malformed).is_err(), "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = binary(&body);
            let lossy = String::from_utf8_lossy(&body);
            let _ = text(&lossy, Revision::V3);
            let _ = text(&lossy, Revision::V4);
        }

        #[test]
        fn what_is_written_is_read(record in "\\PC{0,40}") {
            let packet = format!("4{record}");
            let mut body = Vec::new();
            write_v3_text(&mut body, &packet);
            let body = String::from_utf8(body).unwrap();
            prop_assert_eq!(text(&body, Revision::V3), Ok(vec![Packet::Text(&record)]));
            let mut body = Vec::new();
            write_v3_binary(&mut body, false, None, packet.as_bytes());
            prop_assert_eq!(binary(&body), Ok(vec![Packet::Text(&record)]));
        }
    }
}

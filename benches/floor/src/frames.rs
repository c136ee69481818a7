//! The websocket handshake and frames, without a check.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

pub(crate) const CLOSE: u8 = 0x88;
/// A close frame with status 1000.
pub(crate) const CLOSED: &[u8] = &[CLOSE, 2, 0x03, 0xe8];

/// The answer to a complete handshake request, and the request's length.
pub(crate) fn handshake(request: &[u8]) -> Option<(String, usize)> {
    const KEY: &[u8] = b"Sec-WebSocket-Key: ";
    let length = request.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let start = request.windows(KEY.len()).position(|window| window.eq_ignore_ascii_case(KEY))? + KEY.len();
    let key = request[start..].split(|byte| *byte == b'\r').next()?;
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(digest.finalize());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((answer, length))
}

/// The first byte of a complete client's frame, its payload, and its length.
pub(crate) fn read(bytes: &mut [u8]) -> Option<(u8, &[u8], usize)> {
    let (length, header) = match *bytes.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        // longer ones are not sent to it
        127 => return None,
        short => (usize::from(short), 2),
    };
    let mask = *bytes.get(header..)?.first_chunk::<4>()?;
    let first = bytes[0];
    let payload = bytes.get_mut(header + 4..header + 4 + length)?;
    if mask != [0; 4] {
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
    Some((first, payload, header + 4 + length))
}

/// Appends a text frame.
pub(crate) fn write_text(buffer: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.push(0x81);
    if length < 126 {
        buffer.push(length as u8);
    } else {
        buffer.push(126);
        buffer.extend_from_slice(&(length as u16).to_be_bytes());
    }
    for part in parts {
        buffer.extend_from_slice(part);
    }
}

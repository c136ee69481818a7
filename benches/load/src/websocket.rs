//! Websocket frames of a client: text only, and masked with zeros, which is valid and costs nothing here.

use std::io;

/// What a server's frame is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Close,
}

/// Appends a text frame.
pub(crate) fn write_text(buffer: &mut Vec<u8>, parts: &[&[u8]]) {
    write(buffer, 0x81, parts);
}

/// Appends the answer to a ping.
pub(crate) fn write_pong(buffer: &mut Vec<u8>, payload: &[u8]) {
    write(buffer, 0x8a, &[payload]);
}

/// Appends the end: status 1000.
pub(crate) fn write_close(buffer: &mut Vec<u8>) {
    write(buffer, 0x88, &[&[0x03, 0xe8]]);
}

fn write(buffer: &mut Vec<u8>, first: u8, parts: &[&[u8]]) {
    const MASKED: u8 = 0x80;
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.push(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => buffer.push(MASKED | short),
        (_, Ok(medium)) => {
            buffer.push(MASKED | 126);
            buffer.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            buffer.push(MASKED | 127);
            buffer.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    buffer.extend_from_slice(&[0; 4]);
    for part in parts {
        buffer.extend_from_slice(part);
    }
}

/// The first frame and its length in bytes, or nothing while it is incomplete.
pub(crate) fn read(bytes: &[u8]) -> io::Result<Option<(Frame<'_>, usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (length, header): (usize, usize) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), 10),
            None => return Ok(None),
        },
        short if *short < 126 => (usize::from(*short), 2),
        _ => return Err(io::Error::other("the server masked a frame")),
    };
    let end = header.saturating_add(length);
    let Some(payload) = bytes.get(header..end) else { return Ok(None) };
    let frame = match first {
        0x81 => Frame::Text(payload),
        0x88 => Frame::Close,
        0x89 => Frame::Ping(payload),
        other => return Err(io::Error::other(format!("a frame that this client does not read: {other:#x}"))),
    };
    Ok(Some((frame, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_when_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            write_text(&mut bytes, &[&vec![b'x'; length]]);
            // a server's frame has no mask
            let header = bytes.len() - length - 4;
            bytes.drain(header..header + 4);
            bytes[1] &= 0x7f;
            assert_eq!(read(&bytes[..bytes.len() - 1]).unwrap(), None);
            let (frame, end) = read(&bytes).unwrap().unwrap();
            assert_eq!(frame, Frame::Text(&vec![b'x'; length]));
            assert_eq!(end, bytes.len());
        }
    }
}

//! As much of HTTP/1.1 answers as the servers here send: a head, and a body by length or in chunks.

use std::io;

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// In bytes, the empty line included.
    pub(crate) length: usize,
    pub(crate) body: Body,
}

/// How the body is delimited.
pub(crate) enum Body {
    Sized(usize),
    Chunked,
}

/// The head that bytes begin with, when it is complete.
pub(crate) fn head(bytes: &[u8]) -> Option<Head> {
    let length = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let status =
        bytes.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok()).unwrap_or(0);
    let mut body = Body::Sized(0);
    for line in bytes[..length].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(0);
            body = Body::Sized(length);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            body = Body::Chunked;
        }
    }
    Some(Head { status, length, body })
}

/// A complete answer that bytes begin with: status, body, and the length of all of it.
pub(crate) fn answer(bytes: &[u8]) -> io::Result<Option<(u16, Vec<u8>, usize)>> {
    let Some(head) = head(bytes) else { return Ok(None) };
    let rest = &bytes[head.length..];
    match head.body {
        Body::Sized(length) => {
            Ok(rest.get(..length).map(|body| (head.status, body.to_vec(), head.length + length)))
        }
        Body::Chunked => {
            let mut body = Vec::new();
            let mut taken = 0;
            loop {
                let Some(line) = rest[taken..].windows(2).position(|window| window == b"\r\n") else {
                    return Ok(None);
                };
                let size = std::str::from_utf8(&rest[taken..taken + line]).ok();
                let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
                let size = size.ok_or_else(|| io::Error::other("a chunk without a size"))?;
                let start = taken + line + 2;
                let Some(chunk) = rest.get(start..start + size + 2) else { return Ok(None) };
                body.extend_from_slice(&chunk[..size]);
                taken = start + size + 2;
                if size == 0 {
                    return Ok(Some((head.status, body, head.length + taken)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_length_and_in_chunks() {
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP";
        assert_eq!(answer(sized).unwrap(), Some((200, b"ok".to_vec(), sized.len() - 4)));
        assert_eq!(answer(&sized[..sized.len() - 5]).unwrap(), None);
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(answer(chunked).unwrap(), Some((200, b"ok!".to_vec(), chunked.len())));
        assert_eq!(answer(&chunked[..chunked.len() - 1]).unwrap(), None);
    }
}

//! Websocket frames (RFC 6455, section 5). Pure: no actix, no tokio.
//!
//! The native transport reads with [`FrameReader`]; the embedded one checks what it is about to read with
//! [`FrameGuard`]. Both judge a frame by its header, before its body is buffered.

use std::ops::ControlFlow;

/// Longest header of a frame a server sends: no mask.
pub const MAX_SERVER_HEADER: usize = 10;
const MAX_CLIENT_HEADER: usize = 14;

/// Opcode of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// Continues a fragmented message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// Closing handshake.
    Close = 8,
    /// Question for a pong.
    Ping = 9,
    /// Answer to a ping.
    Pong = 10,
}

/// Bounds on what a client may send.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes of one message, its fragments together.
    pub max_message: usize,
    /// Frames of one message.
    pub max_fragments: usize,
}

/// Why a websocket has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Reserved bits or opcodes, a missing mask, a fragmented or long control frame, a stray continuation.
    #[error("websocket protocol error")]
    Protocol,
    /// A message, its fragments together, over the limit.
    #[error("message too big")]
    TooBig,
    /// A message in more fragments than allowed.
    #[error("too many fragments")]
    TooManyFragments,
    /// A text message that is not UTF-8.
    #[error("invalid utf-8")]
    Utf8,
}

impl FrameError {
    /// The close code that says it (RFC 6455, section 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Utf8 => 1007,
            Self::TooBig | Self::TooManyFragments => 1009,
        }
    }
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug)]
struct Header {
    fin: bool,
    opcode: OpCode,
    mask: [u8; 4],
    /// Bytes of the header itself.
    size: usize,
    /// Bytes of the body.
    length: usize,
}

/// Reads a header; none while it is incomplete. A length over `max` is refused before any of the body is there.
fn parse_header(input: &[u8], max: usize) -> Result<Option<Header>, FrameError> {
    let &[first, second, ..] = input else { return Ok(None) };
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(FrameError::Protocol);
    }
    let fin = first & 0x80 != 0;
    let opcode = match first & 0x0f {
        0 => OpCode::Continuation,
        1 => OpCode::Text,
        2 => OpCode::Binary,
        8 => OpCode::Close,
        9 => OpCode::Ping,
        10 => OpCode::Pong,
        _ => return Err(FrameError::Protocol),
    };
    let short = usize::from(second & 0x7f);
    let is_control = opcode as u8 >= OpCode::Close as u8;
    if is_control && (short > 125 || !fin) {
        return Err(FrameError::Protocol);
    }
    let (length, at) = match short {
        126 => match input.get(2..4) {
            Some(bytes) => (usize::from(bytes[0]) << 8 | usize::from(bytes[1]), 4),
            None => return Ok(None),
        },
        127 => match input.get(2..10) {
            Some(bytes) => {
                let length = bytes.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
                (usize::try_from(length).map_err(|_| FrameError::TooBig)?, 10)
            }
            None => return Ok(None),
        },
        length => (length, 2),
    };
    if length > max {
        return Err(FrameError::TooBig);
    }
    match input.get(at..at + 4) {
        Some(mask) => {
            let mask = [mask[0], mask[1], mask[2], mask[3]];
            Ok(Some(Header { fin, opcode, mask, size: at + 4, length }))
        }
        None => Ok(None),
    }
}

fn unmask(body: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = body.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// What a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsEvent<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping to be answered with the same bytes.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The closing handshake, with the code if one was sent.
    Close(Option<u16>),
}

/// The fragments of a message so far.
#[derive(Debug)]
struct Assembly {
    is_text: bool,
    fragments: usize,
    bytes: Vec<u8>,
}

/// Turns the bytes of one websocket into messages. Holds bytes only while a frame or a message is incomplete.
#[derive(Debug, Default)]
pub struct FrameReader {
    partial: Vec<u8>,
    assembly: Option<Box<Assembly>>,
}

impl FrameReader {
    /// Takes `input` (unmasked in place) and hands every complete message to `on`. After a
    /// [`ControlFlow::Break`] the rest is kept for the next call, which may come with empty input.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        limits: &FrameLimits,
        mut on: impl FnMut(WsEvent<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        if self.partial.is_empty() {
            let used = self.parse(input, limits, &mut on)?;
            if used < input.len() {
                self.partial = input[used..].to_vec();
            }
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(input);
        let used = self.parse(&mut partial, limits, &mut on)?;
        if used < partial.len() {
            partial.drain(..used);
            self.partial = partial;
        }
        Ok(())
    }

    /// Bytes held for incomplete frames and messages.
    pub fn buffered(&self) -> usize {
        self.partial.len() + self.assembly.as_ref().map_or(0, |assembly| assembly.bytes.len())
    }

    fn parse(
        &mut self,
        input: &mut [u8],
        limits: &FrameLimits,
        on: &mut impl FnMut(WsEvent<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(header) = parse_header(&input[used..], limits.max_message)? {
            let start = used + header.size;
            let Some(body) = input.get_mut(start..start + header.length) else { break };
            unmask(body, header.mask);
            used = start + header.length;
            if self.frame(header, body, limits, on)?.is_break() {
                break;
            }
        }
        Ok(used)
    }

    fn frame(
        &mut self,
        header: Header,
        body: &[u8],
        limits: &FrameLimits,
        on: &mut impl FnMut(WsEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FrameError> {
        match header.opcode {
            OpCode::Ping => Ok(on(WsEvent::Ping(body))),
            OpCode::Pong => Ok(on(WsEvent::Pong)),
            OpCode::Close => match body {
                [] => Ok(on(WsEvent::Close(None))),
                [high, low, ..] => Ok(on(WsEvent::Close(Some(u16::from_be_bytes([*high, *low]))))),
                _ => Err(FrameError::Protocol),
            },
            OpCode::Text | OpCode::Binary => {
                if self.assembly.is_some() {
                    return Err(FrameError::Protocol);
                }
                let is_text = header.opcode == OpCode::Text;
                if header.fin {
                    return deliver(is_text, body, on);
                }
                self.assembly = Some(Box::new(Assembly { is_text, fragments: 1, bytes: body.to_vec() }));
                Ok(ControlFlow::Continue(()))
            }
            OpCode::Continuation => {
                let assembly = self.assembly.as_mut().ok_or(FrameError::Protocol)?;
                assembly.fragments += 1;
                if assembly.bytes.len() + body.len() > limits.max_message {
                    return Err(FrameError::TooBig);
                }
                if assembly.fragments > limits.max_fragments {
                    return Err(FrameError::TooManyFragments);
                }
                assembly.bytes.extend_from_slice(body);
                if !header.fin {
                    return Ok(ControlFlow::Continue(()));
                }
                match self.assembly.take() {
                    Some(whole) => deliver(whole.is_text, &whole.bytes, on),
                    None => Err(FrameError::Protocol),
                }
            }
        }
    }
}

fn deliver(
    is_text: bool,
    body: &[u8],
    on: &mut impl FnMut(WsEvent<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, FrameError> {
    if is_text {
        let text = std::str::from_utf8(body).map_err(|_| FrameError::Utf8)?;
        Ok(on(WsEvent::Text(text)))
    } else {
        Ok(on(WsEvent::Binary(body)))
    }
}

/// Watches the bytes of a websocket go by and refuses a frame or a fragmented message by its headers, for a
/// reader that would buffer it first and judge it afterwards.
#[derive(Debug, Default)]
pub struct FrameGuard {
    head: Vec<u8>,
    /// Bytes of the current body still to pass.
    body: usize,
    /// Size and fragments of the message so far.
    message: usize,
    fragments: usize,
}

/// What a [`FrameGuard`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub error: FrameError,
    /// How many of the bytes that were checked last come before the frame that was refused: they are fine.
    pub before: usize,
}

impl FrameGuard {
    /// Checks the next bytes. After an error the websocket has to be closed.
    pub fn check(&mut self, input: &[u8], limits: &FrameLimits) -> Result<(), Refused> {
        let mut rest = input;
        let mut before = 0;
        self.check_frames(&mut rest, limits, |left| before = input.len() - left)
            .map_err(|error| Refused { error, before })
    }

    /// Calls `begins` with what is left of the input whenever a frame begins in it.
    fn check_frames(
        &mut self,
        input: &mut &[u8],
        limits: &FrameLimits,
        mut begins: impl FnMut(usize),
    ) -> Result<(), FrameError> {
        while !input.is_empty() {
            if self.body > 0 {
                let passing = self.body.min(input.len());
                self.body -= passing;
                *input = &input[passing..];
                continue;
            }
            if self.head.is_empty() {
                begins(input.len());
            }
            let held = self.head.len();
            let wanted = (MAX_CLIENT_HEADER - held).min(input.len());
            self.head.extend_from_slice(&input[..wanted]);
            match parse_header(&self.head, limits.max_message)? {
                Some(header) => {
                    *input = &input[header.size - held..];
                    self.head.clear();
                    self.body = header.length;
                    self.account(&header, limits)?;
                }
                None => *input = &input[wanted..],
            }
        }
        Ok(())
    }

    fn account(&mut self, header: &Header, limits: &FrameLimits) -> Result<(), FrameError> {
        if header.opcode as u8 >= OpCode::Close as u8 {
            return Ok(());
        }
        self.message += header.length;
        self.fragments += 1;
        if self.message > limits.max_message {
            return Err(FrameError::TooBig);
        }
        if self.fragments > limits.max_fragments {
            return Err(FrameError::TooManyFragments);
        }
        if header.fin {
            (self.message, self.fragments) = (0, 0);
        }
        Ok(())
    }
}

/// Writes the header of an unmasked frame right before `end` of the reserved bytes of `buffer`
/// (at least [`MAX_SERVER_HEADER`] before it) and returns where the frame begins.
pub(super) fn put_header(buffer: &mut [u8], end: usize, opcode: OpCode, length: usize) -> usize {
    let mut header = [0u8; MAX_SERVER_HEADER];
    let size = header_bytes(&mut header, opcode, length);
    buffer[end - size..end].copy_from_slice(&header[..size]);
    end - size
}

/// Appends a whole unmasked frame to `out`.
pub fn write_frame(out: &mut Vec<u8>, opcode: OpCode, body: &[u8]) {
    let mut header = [0u8; MAX_SERVER_HEADER];
    let size = header_bytes(&mut header, opcode, body.len());
    out.extend_from_slice(&header[..size]);
    out.extend_from_slice(body);
}

fn header_bytes(header: &mut [u8; MAX_SERVER_HEADER], opcode: OpCode, length: usize) -> usize {
    header[0] = 0x80 | opcode as u8;
    match length {
        0..=125 => {
            header[1] = length as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;

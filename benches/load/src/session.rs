//! From an open socket to a Socket.IO client in the main namespace: websocket handshake, Engine.IO open, CONNECT, heartbeats.
//! What comes after that is the [`Application`]'s.

use std::io;

use crate::http;
use crate::reactor::{Handler, Outgoing};
use crate::websocket::{self, Frame};

const HANDSHAKE: &[u8] =
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a mode does with its clients.
pub(crate) trait Application {
    /// The server answered CONNECT.
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()>;
    /// A Socket.IO packet other than the answer to CONNECT, without the Engine.IO type.
    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()>;
    /// The connection ended.
    fn closed(&mut self, out: &mut Outgoing, id: usize);
}

/// Queues a Socket.IO packet, given in parts.
pub(crate) fn send(out: &mut Outgoing, id: usize, packet: &[&[u8]]) {
    websocket::write_text(out.buffer(id), packet);
}

/// Ends as a client does that calls `close()`: the namespace, then the websocket.
pub(crate) fn disconnect(out: &mut Outgoing, id: usize) {
    websocket::write_text(out.buffer(id), &[b"41"]);
    websocket::write_close(out.buffer(id));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    Connected,
}

/// All clients of a mode.
pub(crate) struct Sessions<A> {
    phases: Vec<Phase>,
    pub(crate) application: A,
}

impl<A: Application> Sessions<A> {
    pub(crate) fn new(application: A) -> Sessions<A> {
        Sessions { phases: Vec::new(), application }
    }

    fn frame(&mut self, out: &mut Outgoing, id: usize, frame: &Frame<'_>) -> io::Result<()> {
        let message = match frame {
            Frame::Text(message) => message,
            Frame::Ping(payload) => {
                websocket::write_pong(out.buffer(id), payload);
                return Ok(());
            }
            Frame::Close => {
                out.close(id);
                return Ok(());
            }
        };
        match (self.phases[id], message) {
            (Phase::Connected, [b'4', packet @ ..]) => self.application.packet(out, id, packet),
            (_, [b'2']) => {
                send(out, id, &[b"3"]);
                Ok(())
            }
            (Phase::Open, [b'0', ..]) => {
                send(out, id, &[b"40"]);
                Ok(())
            }
            (Phase::Open, [b'4', b'0', ..]) => {
                self.phases[id] = Phase::Connected;
                self.application.connected(out, id)
            }
            // events of a server whose handler runs before it answers CONNECT
            (Phase::Open, [b'4', b'2', ..]) | (_, [b'6']) => Ok(()),
            (_, [b'1']) => {
                out.close(id);
                Ok(())
            }
            _ => Err(unexpected(message)),
        }
    }
}

impl<A: Application> Handler for Sessions<A> {
    fn opened(&mut self, out: &mut Outgoing, id: usize) {
        if self.phases.len() <= id {
            self.phases.resize(id + 1, Phase::Handshake);
        }
        self.phases[id] = Phase::Handshake;
        out.buffer(id).extend_from_slice(HANDSHAKE);
    }

    fn bytes(&mut self, out: &mut Outgoing, id: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        if self.phases[id] == Phase::Handshake {
            let Some(head) = http::head(bytes) else { return Ok(0) };
            if head.status != 101 {
                return Err(unexpected(bytes));
            }
            self.phases[id] = Phase::Open;
            taken = head.length;
        }
        while let Some((frame, length)) = websocket::read(&bytes[taken..])? {
            self.frame(out, id, &frame)?;
            taken += length;
        }
        Ok(taken)
    }

    fn closed(&mut self, out: &mut Outgoing, id: usize) {
        self.application.closed(out, id);
    }
}

/// The error of a client that was told what it does not understand.
pub(crate) fn unexpected(message: &[u8]) -> io::Error {
    let start = &message[..message.len().min(200)];
    io::Error::other(format!("unexpected from the server: {}", String::from_utf8_lossy(start)))
}

/// The id and the arguments of an ACK packet.
pub(crate) fn ack(packet: &[u8]) -> Option<(u64, &[u8])> {
    let [b'3', rest @ ..] = packet else { return None };
    let (id, digits) = number(rest);
    (digits > 0).then(|| (id, &rest[digits..]))
}

/// The number that bytes begin with, and how many digits it has.
pub(crate) fn number(bytes: &[u8]) -> (u64, usize) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value =
        bytes[..digits].iter().fold(0u64, |value, digit| value.wrapping_mul(10) + u64::from(digit - b'0'));
    (value, digits)
}

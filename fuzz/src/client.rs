//! A client that writes every byte itself, and does not care whether the server still listens.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use actix_socketio::protocol::Parser;
use socket2::{Domain, Socket, Type};

/// Whatever the load, a server has answered or closed by then.
const PATIENCE: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of whole frames.
pub(super) struct Opcode;

impl Opcode {
    pub(super) const TEXT: u8 = 0x81;
    pub(super) const BINARY: u8 = 0x82;
    pub(super) const CLOSE: u8 = 0x88;
}

/// A TCP connection.
pub(super) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    /// From one of many addresses of this machine: one alone runs out of ports.
    pub(super) fn connect(address: SocketAddr) -> Self {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let from = Ipv4Addr::new(127, 0, 0, LAST.fetch_add(1, Ordering::Relaxed).max(1));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("bind");
        socket.connect(&address.into()).expect("the server accepts");
        socket.set_tcp_nodelay(true).expect("nodelay");
        Self { stream: socket.into(), read: Vec::new() }
    }

    pub(super) fn try_clone(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a handle"), read: self.read.clone() }
    }

    /// Writes what the server takes at once.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        // One that does not read is not written to for ever.
        let _ = self.stream.set_write_timeout(Some(Duration::from_millis(200)));
        let _ = self.stream.write_all(bytes);
    }

    /// Writes a masked frame.
    pub(super) fn frame(&mut self, first: u8, body: &[u8]) {
        self.write(&frame(first, body));
    }

    /// Writes a Socket.IO packet as a websocket message.
    pub(super) fn message(&mut self, parser: Parser, packet: &[u8]) {
        match parser {
            Parser::Json => self.frame(Opcode::TEXT, &[b"4", packet].concat()),
            Parser::MsgPack => self.frame(Opcode::BINARY, packet),
        }
    }

    /// Asks for a websocket; whether there is one.
    pub(super) fn open_websocket(&mut self, target: &str) -> bool {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.write(head.as_bytes());
        let Some(end) = self.until(PATIENCE, |read| find(read, b"\r\n\r\n")) else { return false };
        let is_open = self.read.starts_with(b"HTTP/1.1 101");
        self.read.drain(..end + 4);
        is_open
    }

    /// Sends a request and reads its answer: the body, if it comes in time.
    pub(super) fn request(&mut self, head: &str, body: &[u8], patience: Option<Duration>) -> Option<Vec<u8>> {
        self.write(&[head.as_bytes(), body].concat());
        let whole = self.until(patience.unwrap_or(PATIENCE), |read| {
            let head = find(read, b"\r\n\r\n")? + 4;
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let end = head + length?.parse::<usize>().ok()?;
            (read.len() >= end).then_some((head, end))
        });
        let (head, end) = whole?;
        let body = self.read[head..end].to_vec();
        self.read.drain(..end);
        Some(body)
    }

    /// The next frame of the server; none at the end.
    pub(super) fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, body, used) = self.until(Duration::MAX, |read| {
            let (&first, &second) = (read.first()?, read.get(1)?);
            let (length, at) = match second {
                126 => (usize::from(u16::from_be_bytes([*read.get(2)?, *read.get(3)?])), 4),
                127 => panic!("no witness is sent so much"),
                short => (usize::from(short), 2),
            };
            Some((first, read.get(at..at + length)?.to_vec(), at + length))
        })?;
        self.read.drain(..used);
        Some((first, body))
    }

    /// Reads and forgets what is there.
    pub(super) fn skim(&mut self) {
        self.until(Duration::from_millis(1), |_| None::<()>);
        self.read.clear();
    }

    /// Says that nothing more will come, and reads to the end: the server has to close its side.
    pub(super) fn finish(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let begin = Instant::now();
        self.until(PATIENCE, |_| None::<()>);
        assert!(begin.elapsed() < PATIENCE, "the server does not close");
    }

    /// Goes away without a word.
    pub(super) fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads until `done` has a result, the time is over, or the server closes.
    fn until<T>(&mut self, patience: Duration, mut done: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let begin = Instant::now();
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(result) = done(&self.read) {
                return Some(result);
            }
            let left = patience.checked_sub(begin.elapsed()).filter(|left| !left.is_zero())?;
            let limit = (patience != Duration::MAX).then_some(left);
            self.stream.set_read_timeout(limit).expect("a timeout");
            match self.stream.read(&mut chunk) {
                Ok(read @ 1..) => self.read.extend_from_slice(&chunk[..read]),
                _ => return None,
            }
        }
    }
}

/// A masked frame.
pub(super) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match body.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(long).expect("inputs are short").to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(body.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

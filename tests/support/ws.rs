//! A websocket client that frames by hand.

use super::http::{Http, Response};
use super::server::Address;

/// What a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The end of the stream.
    End,
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// Bit of a final frame.
pub(crate) const FIN: u8 = 0x80;

/// The example key of RFC 6455 and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The headers of a handshake.
pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
];

/// A websocket.
pub(crate) struct Ws {
    pub(crate) http: Http,
    /// The answer to the handshake.
    pub(crate) response: Response,
}

impl Ws {
    /// Opens one.
    pub(crate) async fn open(address: &Address, target: &str) -> Self {
        match Self::try_open(address, target, &[]).await {
            Ok(ws) => ws,
            Err(refusal) => panic!("no websocket: {} {}", refusal.status, refusal.text()),
        }
    }

    /// Opens one, or returns why not.
    pub(crate) async fn try_open(
        address: &Address,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Response> {
        let mut http = Http::connect(address).await;
        let headers: Vec<_> = HANDSHAKE.iter().chain(headers).copied().collect();
        http.send("GET", target, &headers, b"").await;
        let response = http.receive().await;
        if response.status != 101 {
            return Err(response);
        }
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
        Ok(Self { http, response })
    }

    /// Writes a frame as a client has to; `first` is the first byte.
    pub(crate) async fn frame(&mut self, first: u8, body: &[u8]) {
        self.http.write(&frame(first, body)).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.http.write(bytes).await;
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.frame(FIN | TEXT, text.as_bytes()).await;
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.frame(FIN | BINARY, bytes).await;
    }

    pub(crate) async fn ping(&mut self, data: &[u8]) {
        self.frame(FIN | PING, data).await;
    }

    pub(crate) async fn close(&mut self, code: u16) {
        self.frame(FIN | CLOSE, &code.to_be_bytes()).await;
    }

    /// The next frame.
    pub(crate) async fn receive(&mut self) -> Frame {
        let (opcode, body) = loop {
            if let Some((first, body, used)) = parse(&self.http.buffer) {
                let body = body.to_vec();
                self.http.buffer.drain(..used);
                assert_eq!(first & 0xf0, FIN, "servers send whole messages");
                break (first & 0x0f, body);
            }
            if !self.http.fill().await {
                return Frame::End;
            }
        };
        match opcode {
            TEXT => Frame::Text(String::from_utf8(body).expect("UTF-8")),
            BINARY => Frame::Binary(body),
            CLOSE => Frame::Close(body.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]))),
            PING => Frame::Ping(body),
            PONG => Frame::Pong(body),
            other => panic!("opcode {other}"),
        }
    }

    /// The next frame, which has to be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.receive().await {
            Frame::Text(text) => text,
            other => panic!("text expected, got {other:?}"),
        }
    }

    /// The next frame, which has to be binary.
    pub(crate) async fn binary(&mut self) -> Vec<u8> {
        match self.receive().await {
            Frame::Binary(bytes) => bytes,
            other => panic!("binary expected, got {other:?}"),
        }
    }

    /// Skips to the close frame and returns its code; none if the stream just ends.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.receive().await {
                Frame::Close(code) => return code,
                Frame::End => return None,
                _ => {}
            }
        }
    }

    /// Skips to the end of the stream.
    pub(crate) async fn ended(&mut self) {
        while self.receive().await != Frame::End {}
    }
}

/// A masked frame.
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = header(first, body.len() as u64);
    bytes.extend_from_slice(&mask);
    bytes.extend(body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// First byte, mask bit and length.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}

/// A server's frame: its first byte, its body and how long it is.
fn parse(input: &[u8]) -> Option<(u8, &[u8], usize)> {
    let &[first, second, ..] = input else { return None };
    assert_eq!(second & 0x80, 0, "servers do not mask");
    let (length, at) = match second {
        126 => (usize::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(input.get(2..10)?.try_into().ok()?) as usize, 10),
        short => (usize::from(short), 2),
    };
    Some((first, input.get(at..at + length)?, at + length))
}

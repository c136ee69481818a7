//! A server on worker threads of its own, and a websocket client that speaks to it over TCP.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use actix_socketio::SocketIo;
use actix_web::{App, web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A server in threads of its own; stopped when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Runs `serve` with a listener and what tells it to stop.
    pub(crate) fn start(serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, stopped));
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// The server helper, with so many worker threads.
    pub(crate) fn workers(io: &SocketIo, workers: usize) -> Self {
        let io = io.clone();
        Self::start(move |listener, stopped| {
            let mounted = io.clone();
            let server = io
                .server(move || {
                    let io = mounted.clone();
                    App::new()
                        .app_data(web::Data::new(io.clone()))
                        .configure(move |config| io.configure(config))
                })
                .listen(listener)
                .unwrap()
                .workers(workers)
                .disable_signals()
                .run_until(async { drop(stopped.await) });
            actix_web::rt::System::new().block_on(server).unwrap();
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A failure has been printed; a second panic would hide the first.
            let _ = thread.join();
        }
    }
}

/// A Socket.IO client over a websocket.
pub(crate) struct RawClient {
    stream: TcpStream,
    pub(crate) id: String,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_at(address, "/socket.io/", "").await
    }

    /// At another path, with headers of its own (`Name: value\r\n`).
    pub(crate) async fn connect_at(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let mut client = Self { stream, id: String::new() };
        assert!(client.frame().await.unwrap().starts_with('0'));
        client.send("0").await;
        let connected = client.packet().await.unwrap();
        let connected: serde_json::Value =
            serde_json::from_str(connected.strip_prefix('0').unwrap()).unwrap();
        client.id = connected["sid"].as_str().unwrap().to_owned();
        client
    }

    /// Sends a Socket.IO packet.
    pub(crate) async fn send(&mut self, packet: &str) {
        self.send_frame(&format!("4{packet}")).await;
    }

    /// Sends a text frame: an Engine.IO packet, or what claims to be one.
    pub(crate) async fn send_frame(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next text frame; none when the server closed.
    async fn frame(&mut self) -> Option<String> {
        let first = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.ok()? {
            126 => usize::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()? as usize,
            short => usize::from(short),
        };
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        (first == 0x81).then(|| String::from_utf8(body).unwrap())
    }

    /// The next Socket.IO packet; none when the server closed.
    pub(crate) async fn packet(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_secs(10), self.frame());
            let frame = next.await.expect("a packet within ten seconds")?;
            match frame.split_at(1) {
                ("4", packet) => return Some(packet.to_owned()),
                ("2", _) => self.send_frame("3").await,
                _ => {}
            }
        }
    }

    /// Emits and returns the acknowledgement; nothing else may come meanwhile.
    pub(crate) async fn ask(&mut self, event: &str) -> String {
        self.send(&format!("27[{event:?}]")).await;
        let answer = self.packet().await.unwrap();
        answer.strip_prefix("37").unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

/// An HTTP request over a connection of its own: head and body of the answer.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    (head, answer.split_off(end + 4))
}

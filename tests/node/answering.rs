//! What a node posts to: the backend, an issuer of keys, a webhook, a collector.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The heads, in lower case, and the bodies of requests.
type Requests = Vec<(String, Vec<u8>)>;

/// An HTTP server that answers every request alike: status, and body.
pub(crate) struct Answering {
    pub(crate) port: u16,
    pub(crate) answer: Arc<Mutex<(u16, String)>>,
    pub(crate) asked: Arc<Mutex<Requests>>,
}

impl Answering {
    pub(crate) async fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked) = (Arc::new(Mutex::new((200, "{\"ok\":true}".to_owned()))), Arc::default());
        let server = Self { port, answer: answer.clone(), asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, asked, tls) = (answer.clone(), asked.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, &answer, &asked).await;
                            }
                        }
                        None => serve(stream, &answer, &asked).await,
                    }
                });
            }
        });
        server
    }

    pub(crate) fn answers(&self, status: u16, body: &Value) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    pub(crate) fn asked(&self) -> Requests {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Mutex<(u16, String)>,
    asked: &Mutex<Requests>,
) {
    let mut input = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8(input[..head].to_vec()).unwrap().to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while input.len() < head + length {
            if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = input[head..head + length].to_vec();
        input.drain(..head + length);
        asked.lock().unwrap().push((text, body));
        let (status, body) = answer.lock().unwrap().clone();
        let response = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

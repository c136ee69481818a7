//! One HTTP/1.1 connection, byte by byte.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::server::{Address, Io};
use super::within;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The packets of a revision 4 payload.
    pub(crate) fn packets(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.text().split('\x1e').map(str::to_owned).collect()
    }

    /// Asserts one of the errors of the protocol.
    pub(crate) fn assert_error(&self, status: u16, code: u8, message: &str) {
        let expected = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        assert_eq!((self.status, self.text()), (status, &*expected));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

/// A connection.
pub(crate) struct Http {
    address: Address,
    /// None before the first byte, if that decides where the connection goes.
    io: Option<Io>,
    pub(crate) buffer: Vec<u8>,
}

impl Http {
    pub(crate) async fn connect(address: &Address) -> Self {
        let mut http = Self { address: address.clone(), io: None, buffer: Vec::new() };
        if address.edge.is_none() {
            http.dial(b"").await;
        }
        http
    }

    /// The stream, once something was written.
    pub(crate) fn io(&mut self) -> &mut Io {
        self.io.as_mut().expect("dialled")
    }

    /// The stream alone.
    pub(crate) fn into_io(self) -> Io {
        self.io.expect("dialled")
    }

    async fn dial(&mut self, bytes: &[u8]) -> &mut Io {
        if self.io.is_none() {
            self.io = Some(within("connect", self.address.dial(bytes)).await);
        }
        self.io.as_mut().expect("just dialled")
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let io = self.dial(bytes).await;
        within("write", async {
            io.write_all(bytes).await.expect("write");
            io.flush().await.expect("flush");
        })
        .await;
    }

    /// Writes the head of a request.
    pub(crate) async fn write_head(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes()).await;
    }

    /// Writes a request.
    pub(crate) async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if method == "POST" {
            headers.push(("Content-Length", &length));
        }
        self.write_head(method, target, &headers).await;
        if !body.is_empty() {
            self.write(body).await;
        }
    }

    /// Reads more; false at the end.
    pub(crate) async fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 64 * 1024];
        let read = within("read", self.dial(b"").await.read(&mut chunk)).await.unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..read]);
        read > 0
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill().await
    }

    /// Reads an answer.
    pub(crate) async fn receive(&mut self) -> Response {
        match self.try_receive().await {
            Some(response) => response,
            None => panic!("the connection ends in an answer: {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// Reads an answer; none if the connection ends before it.
    pub(crate) async fn try_receive(&mut self) -> Option<Response> {
        let head_end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        self.buffer.drain(..head_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        if status == 101 || status == 204 {
            return Some(response);
        }
        response.body = if response.header("transfer-encoding") == Some("chunked") {
            self.chunked().await?
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().ok()?;
            self.exactly(length).await?
        } else {
            while self.fill().await {}
            std::mem::take(&mut self.buffer)
        };
        Some(response)
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.buffer, b"\r\n") {
                    Some(end) => break end,
                    None if !self.fill().await => return None,
                    None => {}
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..end]).ok()?, 16).ok()?;
            self.buffer.drain(..end + 2);
            let chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One request on a connection of its own.
pub(crate) async fn request(
    address: &Address,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut http = Http::connect(address).await;
    http.send(method, target, headers, body).await;
    http.receive().await
}

/// A GET.
pub(crate) async fn get(address: &Address, target: &str) -> Response {
    request(address, "GET", target, &[], b"").await
}

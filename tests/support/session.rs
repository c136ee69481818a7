//! An Engine.IO session over long-polling, and its way to a websocket.

use serde_json::Value;

use super::http::{Http, Response, get, request};
use super::server::Address;
use super::ws::Ws;

/// A polling session. Each of its requests takes a connection of its own.
pub(crate) struct Polling {
    pub(crate) address: Address,
    pub(crate) sid: String,
    /// The JSON of the OPEN packet.
    pub(crate) open: Value,
    pub(crate) response: Response,
    path: String,
    revision: u8,
}

impl Polling {
    /// Opens a session at `/engine.io/`.
    pub(crate) async fn open(address: &Address) -> Self {
        Self::open_at(address, "/engine.io/", "").await
    }

    /// Opens a session; `query` is appended to the usual one.
    pub(crate) async fn open_at(address: &Address, path: &str, query: &str) -> Self {
        let response = get(address, &format!("{path}?EIO=4&transport=polling{query}")).await;
        let packet = response.text().to_owned();
        assert_eq!(response.status, 200, "{packet}");
        Self::new(address, path, 4, response, packet.strip_prefix('0').expect("an OPEN packet"))
    }

    /// Opens a session of revision 3.
    pub(crate) async fn open_v3(address: &Address, path: &str, query: &str) -> Self {
        let response = get(address, &format!("{path}?EIO=3&transport=polling{query}")).await;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let begin = response.body.iter().position(|byte| *byte == b'{').expect("JSON");
        let end = response.body.iter().position(|byte| *byte == b'}').expect("JSON") + 1;
        let json = String::from_utf8(response.body[begin..end].to_vec()).expect("UTF-8");
        Self::new(address, path, 3, response, &json)
    }

    fn new(address: &Address, path: &str, revision: u8, response: Response, json: &str) -> Self {
        let open: Value = serde_json::from_str(json).expect("JSON");
        let sid = open["sid"].as_str().expect("a sid").to_owned();
        Self { address: address.clone(), sid, open, response, path: path.to_owned(), revision }
    }

    /// Path and query of this session's requests.
    pub(crate) fn target(&self, transport: &str) -> String {
        format!("{}?EIO={}&transport={transport}&sid={}", self.path, self.revision, self.sid)
    }

    /// A GET and its answer.
    pub(crate) async fn get(&self) -> Response {
        get(&self.address, &self.target("polling")).await
    }

    /// The packets of a GET.
    pub(crate) async fn poll(&self) -> Vec<String> {
        self.get().await.packets()
    }

    /// A GET whose answer is read later.
    pub(crate) async fn begin_poll(&self) -> Http {
        let mut http = Http::connect(&self.address).await;
        http.send("GET", &self.target("polling"), &[], b"").await;
        http
    }

    /// A POST of text and its answer.
    pub(crate) async fn post(&self, body: &str) -> Response {
        self.post_with(&[("Content-Type", "text/plain;charset=UTF-8")], body.as_bytes()).await
    }

    /// A POST that has to succeed.
    pub(crate) async fn send(&self, body: &str) {
        let response = self.post(body).await;
        assert_eq!((response.status, response.text()), (200, "ok"));
    }

    /// A POST with headers.
    pub(crate) async fn post_with(&self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        request(&self.address, "POST", &self.target("polling"), headers, body).await
    }

    /// A websocket for this session, before anything is said on it.
    pub(crate) async fn websocket(&self) -> Ws {
        Ws::open(&self.address, &self.target("websocket")).await
    }

    /// A websocket whose probe was answered.
    pub(crate) async fn probe(&self) -> Ws {
        let mut ws = self.websocket().await;
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws
    }

    /// The whole upgrade, with nothing on its way meanwhile.
    pub(crate) async fn upgrade(&self) -> Ws {
        let mut ws = self.probe().await;
        ws.send("5").await;
        ws
    }

    /// Asserts that the session is unknown at this very moment.
    pub(crate) async fn assert_gone(&self) {
        self.get().await.assert_error(400, 1, "Session ID unknown");
    }

    /// Waits until the session, which has ended, is unknown. Meanwhile polls are answered at once.
    pub(crate) async fn gone(&self) {
        let begin = std::time::Instant::now();
        loop {
            let response = self.get().await;
            if response.status != 200 {
                return response.assert_error(400, 1, "Session ID unknown");
            }
            assert!(matches!(response.text(), "1" | "6"), "{}", response.text());
            assert!(begin.elapsed() < super::PATIENCE, "the session does not end");
        }
    }
}

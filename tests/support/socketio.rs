//! A Socket.IO server, and a raw client of it on a websocket.

use actix_socketio::SocketIo;

use super::server::{Address, Options, TestServer, Variant};
use super::ws::{Frame, Ws};

/// A running server at `/socket.io/`.
pub(crate) struct IoServer {
    pub(crate) server: TestServer,
    pub(crate) address: Address,
    pub(crate) io: SocketIo,
}

impl IoServer {
    pub(crate) fn start(variant: Variant, io: SocketIo) -> Self {
        let mounted = io.clone();
        let closing = io.clone();
        let options = Options {
            before_stop: Some(Box::new(move || {
                let io = closing.clone();
                Box::pin(async move { io.close().await })
            })),
            ..Options::default()
        };
        let server = TestServer::start(variant, options, move |config| mounted.configure(config));
        Self { address: server.address.clone(), server, io }
    }

    /// A websocket session that has joined no namespace.
    pub(crate) async fn open(&self) -> Ws {
        let mut ws = Ws::open(&self.address, "/socket.io/?EIO=4&transport=websocket").await;
        assert!(ws.text().await.starts_with("0{"), "the OPEN packet");
        ws
    }

    /// A websocket session in the namespace `/`.
    pub(crate) async fn connect(&self) -> Ws {
        let mut ws = self.open().await;
        ws.send("40").await;
        let reply = ws.text().await;
        assert!(reply.starts_with(r#"40{"sid":""#), "{reply}");
        ws
    }

    /// Asserts that a client in `/` is served: an event `echo` with an ack comes back.
    pub(crate) async fn assert_serves(&self, ws: &mut Ws) {
        ws.send(r#"4277["echo","still here"]"#).await;
        loop {
            match ws.receive().await {
                Frame::Text(text) if text == "2" => ws.send("3").await,
                Frame::Text(text) if text.starts_with("4377") => {
                    assert_eq!(text, r#"4377["still here"]"#);
                    return;
                }
                Frame::Text(_) | Frame::Binary(_) => {}
                other => panic!("the client was hurt: {other:?}"),
            }
        }
    }
}

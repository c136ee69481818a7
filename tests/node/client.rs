//! A client of a node, in the namespace `/`, on a websocket: every byte of it is written here.

use serde_json::Value;

use crate::LONG;
use crate::support::{Address, Frame, Ws};

pub(crate) struct Client {
    ws: Ws,
    /// Its socket's id.
    pub(crate) id: String,
}

impl Client {
    pub(crate) async fn connect(address: &Address) -> Self {
        let mut ws = Ws::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        assert!(ws.text().await.starts_with("0{"), "the OPEN packet");
        ws.send("40").await;
        let reply = ws.text().await;
        let reply: Value = serde_json::from_str(reply.strip_prefix("40").expect("CONNECT")).unwrap();
        Self { ws, id: reply["sid"].as_str().unwrap().to_owned() }
    }

    /// The next packet that is no heartbeat; none at the end.
    pub(crate) async fn packet(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(LONG, self.ws.receive()).await.expect("nothing comes") {
                Frame::Text(text) if text == "2" => self.ws.send("3").await,
                Frame::Text(text) => return Some(text),
                Frame::End | Frame::Close(_) => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next event: its name, and the arguments.
    pub(crate) async fn event(&mut self) -> Value {
        let packet = self.packet().await.expect("the connection ended");
        let list = packet.strip_prefix("42").unwrap_or_else(|| panic!("{packet}"));
        serde_json::from_str(list).unwrap_or_else(|_| panic!("{packet}"))
    }

    /// Answers the next event, which has to want it.
    pub(crate) async fn answer(&mut self, answer: &Value) {
        let packet = self.packet().await.expect("the connection ended");
        let (head, _) = packet.split_once('[').unwrap();
        let id = head.strip_prefix("42").unwrap();
        self.send(&format!("43{id}{answer}")).await;
    }

    pub(crate) async fn send(&mut self, packet: &str) {
        self.ws.send(packet).await;
    }
}

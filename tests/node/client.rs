//! A client of a node, in the namespace `/`, on a websocket: every byte of it is written here.

use serde_json::Value;

use crate::LONG;
use crate::support::{Address, Frame, Ws};

pub(crate) struct Client {
    pub(crate) ws: Ws,
    /// Its socket's id.
    pub(crate) id: String,
}

impl Client {
    pub(crate) async fn connect(address: &Address) -> Self {
        let ws = Ws::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        Self::over(ws).await.expect("CONNECT")
    }

    /// Joins the namespace; none if the connection ends before.
    pub(crate) async fn over(mut ws: Ws) -> Option<Self> {
        let Frame::Text(open) = ws.receive().await else { return None };
        assert!(open.starts_with("0{"), "the OPEN packet");
        ws.send("40").await;
        let Frame::Text(reply) = ws.receive().await else { return None };
        let reply: Value = serde_json::from_str(reply.strip_prefix("40").expect("CONNECT")).unwrap();
        Some(Self { id: reply["sid"].as_str().unwrap().to_owned(), ws })
    }

    /// The next packet that is no heartbeat, which comes soon; the close code, if there is one, at the end.
    pub(crate) async fn packet(&mut self) -> Result<String, Option<u16>> {
        tokio::time::timeout(LONG, self.packet_some_time()).await.expect("nothing comes")
    }

    /// The same, whenever it comes.
    pub(crate) async fn packet_some_time(&mut self) -> Result<String, Option<u16>> {
        loop {
            match self.ws.receive().await {
                Frame::Text(text) if text == "2" => self.ws.send("3").await,
                Frame::Text(text) => return Ok(text),
                Frame::Close(code) => {
                    self.ws.close(code.unwrap_or(1000)).await;
                    return Err(code);
                }
                Frame::End => return Err(None),
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
        self.ws.send(&format!("43{id}{answer}")).await;
    }
}

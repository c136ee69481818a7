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

    /// Connects with this auth payload and these headers: what the CONNECT is answered with, and the client.
    pub(crate) async fn ask(address: &Address, auth: &str, headers: &[(&str, &str)]) -> (String, Self) {
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut ws = Ws::try_open(address, target, headers).await.expect("a websocket");
        assert!(ws.text().await.starts_with("0{"), "the OPEN packet");
        ws.send(&format!("40{auth}")).await;
        let answer = ws.text().await;
        let id = answer.strip_prefix("40").and_then(|json| serde_json::from_str::<Value>(json).ok());
        let id = id.and_then(|json| Some(json["sid"].as_str()?.to_owned())).unwrap_or_default();
        (answer, Self { ws, id })
    }

    /// Emits an event with the acknowledgement id 7, and waits for the acknowledgement.
    pub(crate) async fn call(&mut self, event: &Value) -> Value {
        self.ws.send(&format!("427{event}")).await;
        loop {
            let packet = self.packet().await.expect("the connection ended");
            if let Some(answer) = packet.strip_prefix("437") {
                return serde_json::from_str::<Value>(answer).unwrap()[0].take();
            }
        }
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

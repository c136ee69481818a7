//! Nodes as processes of their own (the testbed), and clients of them that write every byte themselves.

use std::env::consts::EXE_SUFFIX;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::LONG;
use crate::nats_server::scratch;
use crate::support::{Address, Frame, Ws};

/// A node; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Option<PathBuf>,
    address: Address,
}

impl Process {
    /// Begins to join the cluster.
    pub(crate) fn starting(nats: &str) -> Starting {
        Self::begin(nats, None)
    }

    /// The same, and what it has to say from warnings up can be read.
    pub(crate) fn starting_with_log(nats: &str) -> Starting {
        Self::begin(nats, Some(scratch("log")))
    }

    fn begin(nats: &str, log: Option<PathBuf>) -> Starting {
        // This test is `target/<profile>/deps/cluster-<hash>`.
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples").join(format!("testbed{EXE_SUFFIX}"));
        if !program.exists() {
            let cargo = Command::new(env!("CARGO")).args(["build", "--example", "testbed"]).status().unwrap();
            assert!(cargo.success());
        }
        let mut command = Command::new(program);
        if let Some(log) = &log {
            command.env("RUST_LOG", "warn").env("NO_COLOR", "1").stderr(File::create(log).unwrap());
        }
        let command = command.env("PORT", "0").env("NATS_URL", nats);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        Starting(Some(child), log)
    }

    /// Tells the process something: `TERM`, `KILL`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, id) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The lines that it has logged until now.
    pub(crate) fn log(&self) -> Vec<String> {
        let file = self.log.as_deref().expect("started with a log");
        std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.address).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that does not accept clients yet.
pub(crate) struct Starting(Option<Child>, Option<PathBuf>);

impl Starting {
    pub(crate) fn wait(mut self) -> Process {
        let mut child = self.0.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let socket = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Process { child, log: self.1.take(), address: Address { socket, tls: None, edge: None } }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A client in the namespace `/`, on a websocket.
pub(crate) struct Client {
    ws: Ws,
    /// Its socket's id.
    pub(crate) id: String,
    acks: u64,
}

impl Client {
    async fn connect(address: &Address) -> Self {
        let mut ws = Ws::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        assert!(ws.text().await.starts_with("0{"), "the OPEN packet");
        ws.send("40").await;
        let reply = ws.text().await;
        let reply: Value = serde_json::from_str(reply.strip_prefix("40").unwrap()).unwrap();
        let id = reply["sid"].as_str().unwrap().to_owned();
        let mut client = Self { ws, id, acks: 0 };
        // The testbed says it to everybody.
        assert_eq!(client.next().await[0], "auth");
        client
    }

    /// The id of its node.
    pub(crate) fn node(&self) -> &str {
        &self.id[self.id.len() - 8..]
    }

    /// The next packet that is no heartbeat; none at the end.
    async fn packet(&mut self) -> Option<String> {
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
    pub(crate) async fn next(&mut self) -> Value {
        let packet = self.packet().await.expect("the connection ended");
        let (_, body) = packet.split_once('[').unwrap();
        assert!(packet.starts_with("42"), "{packet}");
        serde_json::from_str(&format!("[{body}")).unwrap()
    }

    /// Answers the next event, which has to be this one and to want it.
    pub(crate) async fn answer(&mut self, event: &str, answer: &Value) {
        let packet = self.packet().await.expect("the connection ended");
        let (head, body) = packet.split_once('[').unwrap();
        assert!(body.starts_with(&format!("\"{event}\"")), "{packet}");
        let id = head.strip_prefix("42").unwrap();
        self.ws.send(&format!("43{id}[{answer}]")).await;
    }

    pub(crate) async fn emit(&mut self, event: &str, args: &[Value]) {
        let mut all = vec![json!(event)];
        all.extend_from_slice(args);
        self.ws.send(&format!("42{}", Value::from(all))).await;
    }

    /// Emits, and waits for the first argument of the acknowledgement. No event may come before it.
    pub(crate) async fn ask(&mut self, event: &str, args: &[Value]) -> Value {
        self.acks += 1;
        let id = self.acks;
        let mut all = vec![json!(event)];
        all.extend_from_slice(args);
        self.ws.send(&format!("42{id}{}", Value::from(all))).await;
        let packet = self.packet().await.expect("the connection ended");
        let body = packet.strip_prefix(&format!("43{id}")).unwrap_or_else(|| panic!("{packet}"));
        serde_json::from_str::<Value>(body).unwrap()[0].clone()
    }

    pub(crate) async fn join(&mut self, room: &str) {
        assert_eq!(self.ask("join", &[json!(room)]).await, "ok");
    }
}

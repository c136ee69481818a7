//! Every example, run as a user runs it: its own process, real sockets. And what the README says of defaults.
#![allow(clippy::unwrap_used)]

#[path = "support/port.rs"]
mod port;

use std::env::consts::EXE_SUFFIX;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use actix_socketio::config::{Config, EngineConfig};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// A running example; killed when dropped.
struct Example {
    child: Child,
    port: u16,
}

impl Example {
    /// Builds it if a full test run has not done so already, starts it on a free port and waits until it accepts
    /// connections.
    fn start(name: &str) -> Self {
        // This test is `target/<profile>/deps/examples-<hash>`.
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap().join("examples");
        let program = folder.join(format!("{name}{EXE_SUFFIX}"));
        if !program.exists() {
            let cargo = Command::new(env!("CARGO")).args(["build", "--example", name]).status().unwrap();
            assert!(cargo.success());
        }
        let port = port::free_port();
        let mut child = Command::new(program).env("PORT", port.to_string()).spawn().unwrap();
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "the example has ended");
            assert!(begin.elapsed() < LIMIT, "the example does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    /// The body of the answer, which must be a success.
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn client(&self, namespace: &str, auth: &Value) -> Client<'_> {
        Client::connect(self, namespace, auth)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As much of a Socket.IO client as it takes: long-polling, JSON, no attachments.
struct Client<'a> {
    example: &'a Example,
    path: String,
    /// `/chat,` for what is not the namespace `/`.
    prefix: String,
    id: String,
    acks: u32,
    /// What came and has not been asked for.
    waiting: Vec<(String, Value)>,
}

impl<'a> Client<'a> {
    fn connect(example: &'a Example, namespace: &str, auth: &Value) -> Self {
        let path = "/socket.io/?EIO=4&transport=polling".to_owned();
        let open: Value = serde_json::from_str(&example.request("GET", &path, "")[1..]).unwrap();
        let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let mut client = Self { example, path, prefix, id: String::new(), acks: 0, waiting: Vec::new() };
        client.post(&format!("40{}{auth}", client.prefix));
        let connected = client.wait_for("40");
        client.id = connected["sid"].as_str().unwrap_or_else(|| panic!("{connected}")).to_owned();
        client
    }

    fn post(&self, packet: &str) {
        assert_eq!(self.example.request("POST", &self.path, packet), "ok");
    }

    /// The payload of the next packet that begins so.
    fn wait_for(&mut self, kind: &str) -> Value {
        let kind = match kind {
            "40" | "42" => format!("{kind}{}", self.prefix),
            _ => kind.to_owned(),
        };
        let begin = Instant::now();
        loop {
            let found = self.waiting.iter().position(|(packet, _)| *packet == kind);
            if let Some(index) = found {
                return self.waiting.remove(index).1;
            }
            assert!(begin.elapsed() < LIMIT, "no {kind}");
            for packet in self.example.request("GET", &self.path, "").split('\u{1e}') {
                assert!(!packet.starts_with("44"), "refused: {packet}");
                let begin = packet.find(['[', '{']).unwrap_or(packet.len());
                let payload = serde_json::from_str(&packet[begin..]).unwrap_or_default();
                self.waiting.push((packet[..begin].to_owned(), payload));
            }
        }
    }

    fn send(&mut self, event: &str, data: &Value) -> u32 {
        self.acks += 1;
        self.post(&format!("42{}{}{}", self.prefix, self.acks, json!([event, data])));
        self.acks
    }

    /// Emits and waits for the first argument of the acknowledgement.
    fn ask(&mut self, event: &str, data: &Value) -> Value {
        let id = self.send(event, data);
        self.wait_for(&format!("43{}{id}", self.prefix))[0].clone()
    }

    /// The arguments of the next event, which must have that name.
    fn expect(&mut self, event: &str) -> Value {
        let mut args = self.wait_for("42");
        assert_eq!(args[0], event, "{args}");
        args.as_array_mut().unwrap().remove(0);
        args
    }
}

#[test]
fn chat() {
    let example = Example::start("chat");
    let mut ada = example.client("/chat", &json!({ "name": "Ada" }));
    let mut grace = example.client("/chat", &json!({ "name": "Grace" }));
    assert_eq!(ada.ask("join", &json!("lobby")), "welcome");
    assert_eq!(grace.ask("join", &json!("lobby")), "welcome");
    assert_eq!(ada.ask("say", &json!({ "room": "lobby", "text": "hello" })), "delivered");
    assert_eq!(grace.expect("said"), json!(["Ada", "hello"]));
}

#[test]
fn actix_app() {
    let example = Example::start("actix_app");
    let mut client = example.client("/", &json!({}));
    assert_eq!(client.ask("join", &json!("kitchen")), "ok");
    let people: Value = serde_json::from_str(&example.request("GET", "/people/kitchen", "")).unwrap();
    assert_eq!(people, json!([client.id]));
    std::thread::scope(|scope| {
        let announced = scope.spawn(|| example.request("POST", "/announce/kitchen", "lunch is ready"));
        // The id of the acknowledgement stands between the type and the arguments.
        let packet = client.example.request("GET", &client.path, "");
        let (id, args) = packet.strip_prefix("42").unwrap().split_once('[').unwrap();
        assert_eq!(args, r#""news","lunch is ready"]"#);
        client.post(&format!(r#"43{id}["yes, chef"]"#));
        let heard: Value = serde_json::from_str(&announced.join().unwrap()).unwrap();
        assert_eq!(heard, json!({ "heard": ["yes, chef"] }));
    });
}

#[test]
fn user_actors() {
    let example = Example::start("user_actors");
    let mut one = example.client("/", &json!({}));
    let mut two = example.client("/", &json!({}));
    assert_eq!(one.ask("add", &json!(2)), 2);
    assert_eq!(one.ask("add", &json!(3)), 5, "its own actor adds up");
    assert_eq!(two.ask("add", &json!(1)), 1, "the other has one of its own");
    assert_eq!(one.ask("total", &json!(10)), 10);
    assert_eq!(two.ask("total", &json!(10)), 20, "one actor for both");
    one.send("join", &json!("game"));
    assert_eq!(one.expect("players"), json!([1]));
    two.send("join", &json!("game"));
    assert_eq!(two.expect("players"), json!([2]));
    assert_eq!(one.expect("players"), json!([2]));
}

#[test]
fn tokio_main() {
    let example = Example::start("tokio_main");
    let mut client = example.client("/", &json!({}));
    assert_eq!(client.ask("double", &json!(21)), 42);
    let first = client.expect("tick")[0].as_u64().unwrap();
    assert_eq!(client.expect("tick"), json!([first + 1]));
}

/// `1,000,000`
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[test]
fn the_readme_names_the_defaults() {
    let readme = include_str!("../README.md");
    let (engine, socketio) = (EngineConfig::default(), Config::default());
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let mebibytes = |bytes: usize| format!("{} MiB", bytes / 1024 / 1024);
    for (field, default) in [
        (
            "EngineConfig::ping_interval` + `ping_timeout",
            seconds(engine.ping_interval) + " + " + &seconds(engine.ping_timeout),
        ),
        ("EngineConfig::upgrade_timeout", seconds(engine.upgrade_timeout)),
        ("EngineConfig::max_http_buffer_size", thousands(engine.max_http_buffer_size)),
        ("EngineConfig::max_packets_per_post", thousands(engine.max_packets_per_post)),
        ("EngineConfig::max_packets_per_poll", thousands(engine.max_packets_per_poll)),
        ("EngineConfig::max_fragments", thousands(engine.max_fragments)),
        ("EngineConfig::body_timeout", seconds(engine.body_timeout)),
        ("EngineConfig::outbox_bytes", mebibytes(engine.outbox_bytes)),
        ("EngineConfig::outbox_age", seconds(engine.outbox_age)),
        ("EngineConfig::inbox_bytes", mebibytes(engine.inbox_bytes)),
        ("EngineConfig::http_compression", format!("from {}", thousands(engine.http_compression.unwrap()))),
        ("Config::connect_timeout", seconds(socketio.connect_timeout)),
        ("Config::ack_timeout", seconds(socketio.ack_timeout)),
        ("Config::max_pending_acks", thousands(socketio.max_pending_acks)),
        ("Config::max_attachments", socketio.max_attachments.to_string()),
        ("Config::max_packet_bytes", thousands(socketio.max_packet_bytes)),
        ("Config::packet_timeout", seconds(socketio.packet_timeout)),
        ("Config::max_namespaces", thousands(socketio.max_namespaces)),
    ] {
        let row = format!("| `{field}` | {default} ");
        assert!(readme.contains(&row), "{row}");
    }
    assert_eq!(engine.max_connections, None);
}

#[test]
fn the_readme_begins_with_the_chat() {
    let example = include_str!("../examples/chat.rs");
    let (begin, end) = (example.find("use actix_socketio").unwrap(), example.find("    let port").unwrap());
    assert!(include_str!("../README.md").contains(&example[begin..end]));
}

//! The permissions that PROTOCOL.md recommends, on a server that enforces them: what must work works, and nothing else.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use futures_util::StreamExt as _;
use socketio_cluster::bus::{Bus, BusEvent, Publish};
use socketio_cluster::external::{Receipt, Reply};
use socketio_cluster::node::NodeId;
use socketio_cluster::request::RequestError;
use socketio_cluster::subject::Subjects;
use socketio_cluster::{Emitter, NatsOptions};
use tokio::sync::mpsc;

use crate::server::NatsServer;
use crate::{LONG, connect_with, message, next, publish, settle};

/// The server as documented, with one more user, who may do everything.
fn server() -> NatsServer {
    let page = include_str!("../../PROTOCOL.md");
    let section = page.split_once("## Permissions").expect("a section").1;
    let config = section.split("```").nth(1).expect("a configuration");
    let users = "users: [\n";
    assert_eq!(config.matches(users).count(), 1, "{config}");
    NatsServer::configured(&config.replace(users, "users: [\n{ user: spy, password: spy }\n"))
}

/// Any NATS client, with the login of a role, and what the server refuses it.
struct Peer {
    role: &'static str,
    client: Client,
    refusals: mpsc::UnboundedReceiver<String>,
}

impl Peer {
    async fn new(server: &NatsServer, role: &'static str) -> Self {
        let (sender, refusals) = mpsc::unbounded_channel();
        let client = ConnectOptions::with_user_and_password(role.to_owned(), role.to_owned())
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    _ = sender.send(error.to_string());
                }
                std::future::ready(())
            })
            .connect(server.url())
            .await
            .expect("connects");
        Self { role, client, refusals }
    }

    async fn refusal(&mut self, what: &str, subject: &str) {
        let refusal = tokio::time::timeout(LONG, self.refusals.recv()).await.expect("in time").expect("open");
        assert!(refusal.contains(what) && refusal.contains(subject), "{}: {refusal}", self.role);
    }

    /// Whether the spy hears what this one publishes; otherwise the server said no.
    async fn may_publish(&mut self, spy: &Client, subject: &str) -> bool {
        let mut heard = spy.subscribe(subject.to_owned()).await.expect("subscribed");
        // Answered at once by the server, so it knows the subscription.
        spy.request("nobody.there", Bytes::new()).await.expect_err("nobody answers");
        self.client.publish(subject.to_owned(), "x".into()).await.expect("sent");
        tokio::select! {
            _ = heard.next() => true,
            () = self.refusal("Publish", subject) => false,
        }
    }

    /// Whether this one hears what is published on a subject; otherwise the server said no.
    async fn may_subscribe(&mut self, spy: &Client, subject: &str, group: Option<&str>) -> bool {
        let mut heard = match group {
            Some(group) => self.client.queue_subscribe(subject.to_owned(), group.to_owned()).await,
            None => self.client.subscribe(subject.to_owned()).await,
        }
        .expect("sent");
        // Something that a wildcard would bring.
        let example = subject.replace('>', "control").replace('*', "81");
        let keep_publishing = async {
            loop {
                spy.publish(example.clone(), "x".into()).await.expect("sent");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            _ = heard.next() => true,
            () = self.refusal("Subscription", subject) => false,
            () = keep_publishing => false,
        }
    }
}

/// Every kind of subject there is, and some of others.
fn subjects() -> Vec<String> {
    let subjects = Subjects::default();
    let node = NodeId::random();
    let mut all: Vec<_> = [
        subjects.control().clone(),
        subjects.nodes().clone(),
        subjects.namespace("/").clone(),
        subjects.room("/", "lobby").clone(),
        subjects.node(node),
        subjects.fence(node, 7),
        subjects.emit().clone(),
        subjects.event("/", "work").expect("short"),
    ]
    .map(|subject| subject.as_str().to_owned())
    .into();
    all.extend(
        ["_INBOX_node.x.1", "_INBOX_emitter.x.1", "_INBOX.x.1", "other.app", "sio", "sio.new"]
            .map(str::to_owned),
    );
    all
}

const WILDCARDS: [&str; 9] =
    [">", "*.*", "sio.>", "sio.*", "sio.room.*", "sio.node.*", "*.emit", "_INBOX_node.>", "_INBOX_node.*.*"];

fn is_one_of(subject: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| subject.starts_with(start))
}

#[tokio::test]
async fn a_node_may_do_all_that_nodes_do() {
    let server = server();
    let spy = Peer::new(&server, "spy").await.client;
    let mut node = Peer::new(&server, "node").await;
    for subject in subjects() {
        let expected = is_one_of(&subject, &["sio.", "_INBOX_emitter."]);
        assert_eq!(node.may_publish(&spy, &subject).await, expected, "{subject}");
        let expected = is_one_of(&subject, &["sio.", "_INBOX_node."]);
        assert_eq!(node.may_subscribe(&spy, &subject, None).await, expected, "{subject}");
        assert_eq!(node.may_subscribe(&spy, &subject, Some("nodes")).await, expected, "{subject}");
    }
    for subject in ["$SYS.REQ.SERVER.PING", "$JS.API.INFO"] {
        node.client.publish(subject, "".into()).await.expect("sent");
        node.refusal("Publish", subject).await;
    }
}

#[tokio::test]
async fn an_emitter_emits_and_neither_reads_nor_plays_a_node_nor_a_worker() {
    let server = server();
    let spy = Peer::new(&server, "spy").await.client;
    let mut emitter = Peer::new(&server, "emitter").await;
    for subject in subjects() {
        assert_eq!(emitter.may_publish(&spy, &subject).await, subject == "sio.emit", "{subject}");
        let is_own = subject.starts_with("_INBOX_emitter.");
        assert_eq!(emitter.may_subscribe(&spy, &subject, None).await, is_own, "{subject}");
        assert_eq!(emitter.may_subscribe(&spy, &subject, Some("workers")).await, is_own, "{subject}");
    }
    for subject in WILDCARDS {
        assert!(!emitter.may_subscribe(&spy, subject, None).await, "{subject}");
    }
    for subject in ["$SYS.REQ.SERVER.PING", "$JS.API.INFO"] {
        emitter.client.publish(subject, "".into()).await.expect("sent");
        emitter.refusal("Publish", subject).await;
    }
}

#[tokio::test]
async fn a_worker_hears_events_and_answers_each_once() {
    let server = server();
    let spy = Peer::new(&server, "spy").await.client;
    let mut worker = Peer::new(&server, "worker").await;
    for subject in subjects() {
        assert!(!worker.may_publish(&spy, &subject).await, "{subject}");
        assert!(!worker.may_subscribe(&spy, &subject, None).await, "{subject}: not in a group");
        let is_event = subject.starts_with("sio.event.");
        assert_eq!(worker.may_subscribe(&spy, &subject, Some("workers")).await, is_event, "{subject}");
    }
    for subject in WILDCARDS {
        assert!(!worker.may_subscribe(&spy, subject, Some("workers")).await, "{subject}");
    }
    assert!(worker.may_subscribe(&spy, "sio.event.~Lw.*", Some("workers")).await);

    // A node asks, the worker answers; once.
    let subjects = Subjects::default();
    let event = subjects.event("/", "other work").expect("short");
    let mut events =
        worker.client.queue_subscribe(event.as_str().to_owned(), "others".to_owned()).await.expect("sent");
    let login = format!("nats://node:node@127.0.0.1:{}", server.port);
    let (node, _events) = connect_with(NatsOptions::from(login).inbox_prefix("_INBOX_node")).await;
    let ask = || node.request(Publish::new(event.clone(), Bytes::from_static(b"{}"))).expect("taken");
    let mut tries = 0;
    let answer = loop {
        let answering = async {
            let asked = events.next().await.expect("open");
            let reply = asked.reply.expect("an answer is expected").to_string();
            assert!(reply.starts_with("_INBOX_node."), "{reply}");
            worker.client.publish(reply.clone(), "done".into()).await.expect("sent");
            reply
        };
        tokio::select! {
            reply = answering => break reply,
            refused = ask().within(LONG) => {
                // The subscription may be on its way still.
                assert_eq!(refused, Err(RequestError::NoResponders));
                tries += 1;
                assert!(tries < 1000);
            }
        }
    };
    worker.client.publish(answer.clone(), "again".into()).await.expect("sent");
    worker.refusal("Publish", &answer).await;
    let pending = ask();
    let asked = events.next().await.expect("open");
    worker.client.publish(asked.reply.expect("an inbox"), "done".into()).await.expect("sent");
    assert_eq!(pending.within(LONG).await, Ok(Bytes::from_static(b"done")));
}

#[tokio::test]
async fn an_emitter_of_this_package_works_under_its_permissions() {
    let server = server();
    let subjects = Subjects::default();
    let options = |role: &str| {
        NatsOptions::from(format!("nats://{role}:{role}@127.0.0.1:{}", server.port))
            .inbox_prefix(format!("_INBOX_{role}"))
    };
    let (node, mut events) = connect_with(options("node")).await;
    node.subscribe(subjects.emit().clone());
    settle(&node, &mut events).await;
    let emitter = Emitter::connect(options("emitter")).await.expect("connects");
    emitter.emit("e", &[1]).expect("taken");
    assert_eq!(message(&mut events).await.reply, None);
    let confirmed = emitter.confirmed(LONG);
    let answering = async {
        let BusEvent::Message(received) = next(&mut events).await else { panic!("no message") };
        let reply = subjects.reply(&received.reply.expect("an answer is expected")).expect("an inbox");
        let receipt = Receipt { nodes: 1, sockets: 0, missing: vec![] };
        publish(&node, &reply, Reply::Done(receipt).write()).expect("taken");
    };
    let (receipt, ()) = tokio::join!(confirmed.emit("e", &[1]), answering);
    assert_eq!(receipt.expect("done").nodes, 1);
    // With the inbox of others the answer is out of reach, and nobody else's.
    let other = Emitter::connect(options("emitter").inbox_prefix("_INBOX_node")).await.expect("connects");
    let asked = other.confirmed(Duration::from_millis(200));
    let (answer, received) = tokio::join!(asked.emit("e", &[1]), message(&mut events));
    assert!(answer.is_err(), "{answer:?}");
    assert!(received.reply.is_some_and(|reply| reply.starts_with("_INBOX_node.")));
    let silence =
        node.request(Publish::new(subjects.event("/", "e").expect("short"), Bytes::new())).expect("taken");
    assert_eq!(silence.within(LONG).await, Err(RequestError::NoResponders));
}

//! Names that are no tokens, messages that are none, and messages that are too large.

use std::time::Instant;

use actix_socketio::cluster::bus::{Bus as _, Publish};
use actix_socketio::cluster::message::{self, Envelope, Message};
use actix_socketio::cluster::node::{Epoch, NodeId};
use actix_socketio::cluster::subject::Subjects;
use actix_socketio::cluster::{Emitter, NatsBus, codec};
use actix_socketio::config::EngineConfig;
use actix_socketio::error::EmitError;
use actix_socketio::{Args, RemoteSocket, ServerSideEvent};
use bytes::Bytes;
use serde_bytes::ByteBuf;

use crate::nats::{acquainted, builder, nodes};
use crate::nats_server::NatsServer;
use crate::processes::Process;
use crate::{LONG, client, ms, until};

fn names() -> Vec<String> {
    let short = [
        ".",
        "..",
        "a.b.c",
        "*",
        ">",
        "a.>",
        " ",
        "\t\r\n",
        "\r\nPUB sio.control 0\r\n",
        "\0",
        "a\0b",
        "~",
        "~~YQ",
        "$SYS",
        "$SYS.>",
        "日本語",
        "🦀",
        "e\u{301}",
        "sio.control",
        "\"'\\",
    ];
    let long = ["x".repeat(10_000), "é".repeat(5_000), "a.b ".repeat(2_500)];
    short.into_iter().map(str::to_owned).chain(long).collect()
}

#[actix_web::test]
async fn hostile_names_are_names_like_any_other() {
    let server = NatsServer::start(&[]);
    let [io, other] = nodes(&server).await;
    let emitter = Emitter::connect(server.url()).await.unwrap();
    let (member, socket) = client(&io).await;
    let (stranger, _) = client(&other).await;
    let all: Vec<_> = names().into_iter().chain([String::new()]).collect();
    for (number, name) in all.iter().enumerate() {
        assert!(socket.join(&**name).await.unwrap().missing_nodes.is_empty(), "{name:.40?}");
        // A room, an event, both, and what is excepted.
        other.to(&**name).emit(name, &number).await.unwrap();
        assert_eq!(member.expect::<usize>(name).await.unwrap(), number);
        other.except(&**name).emit("not for members", &()).await.unwrap();
        stranger.expect::<()>("not for members").await.unwrap();
        let found = other.to(&**name).fetch_sockets().await;
        assert_eq!((found.sockets.len(), found.missing_nodes.len()), (1, 0), "{name:.40?}");
        assert_eq!(other.of("/").room_size(name).await.members, 1);
        // From outside.
        emitter.to(name).emit(name, &[number]).unwrap();
        assert_eq!(member.expect::<usize>(name).await.unwrap(), number, "{name:.40?}");
        let receipt = emitter.to(name).confirmed(LONG).join(&[&format!("{name}!")]).await.unwrap();
        assert_eq!((receipt.nodes, receipt.sockets), (2, 1), "{name:.40?}");
        other.to(format!("{name}!")).emit("e", &number).await.unwrap();
        assert_eq!(member.expect::<usize>("e").await.unwrap(), number);
        assert_eq!(other.of("/").close_room(name).await.sockets, 1);
        assert!(!socket.rooms().contains(name));
    }
    other.to(member.id()).emit("last", &()).await.unwrap();
    member.expect::<()>("last").await.unwrap();
    let stats = [io.cluster_stats(), other.cluster_stats()];
    assert!(stats.iter().all(|stats| (stats.lost, stats.refused) == (0, 0)), "{stats:?}");
}

#[actix_web::test]
async fn hostile_namespaces_and_server_side_events() {
    let server = NatsServer::start(&[]);
    let [io, other] = nodes(&server).await;
    for name in names() {
        // What a client can say of a namespace ends at a comma or a query.
        let namespace = format!("/{name}");
        io.of(&namespace)
            .on_server_side_emit(&name, async |event: ServerSideEvent| event.data::<String>().unwrap());
        other.of(&namespace);
        let (client, _) = client(&io).await;
        let Ok(client) = client.also(&namespace).await else { continue };
        other.of(&namespace).to("r").emit("nobody", &()).await.unwrap();
        other.of(&namespace).emit("e", &name).await.unwrap();
        assert_eq!(client.expect::<String>("e").await.unwrap(), name);
        let acks = other.of(&namespace).server_side_emit_with_ack::<String, _>(&name, &name).await.unwrap();
        assert_eq!(acks.answers, [(io.node_id().to_owned(), name)]);
    }
}

/// Valid messages of a node that does not exist.
fn valid() -> Vec<Bytes> {
    let payload = message::Payload {
        encoding: message::Encoding::Json,
        body: Bytes::from_static(b"[1]"),
        attachments: vec![],
    };
    let target = message::Target { namespace: "/".into(), rooms: vec!["r".into()], except: vec!["x".into()] };
    let broadcast = message::Broadcast {
        target: target.clone(),
        flags: message::Flags::default(),
        ack: None,
        event: "ghost".into(),
        args: payload,
    };
    let rooms = vec![("r".into(), 3), ("s".into(), u64::MAX)];
    let membership = message::Membership { namespace: "/".into(), rooms, wants_answer: true };
    let request =
        message::Request { id: u64::MAX, target: target.clone(), action: message::Action::FetchSockets };
    let action = message::Action::FetchPage { after: "".into(), limit: u64::MAX };
    let page = message::Request { id: u64::MAX, target, action };
    [
        Message::Broadcast(broadcast),
        Message::Membership(membership),
        Message::Request(request),
        Message::Request(page),
        Message::FenceRequest(u64::MAX),
        Message::FenceAnswer(1),
        Message::Leaving,
    ]
    .into_iter()
    .map(|message| {
        let envelope = Envelope { from: NodeId::random(), epoch: Epoch(1), order: 1, sequence: 1, message };
        codec::encode(&envelope).unwrap()
    })
    .collect()
}

/// Messages that are none: cut off, of other versions, and noise.
fn garbage() -> Vec<Bytes> {
    let mut garbage = vec![Bytes::new(), Bytes::from_static(b"{}"), Bytes::from(vec![0xff; 4000])];
    for message in valid() {
        garbage.extend((0..message.len()).map(|length| message.slice(..length)));
        for (at, value) in [(0, 0), (0, 2), (0, 255), (1, 0), (1, 99), (1, 255)] {
            let mut bytes = message.to_vec();
            bytes[at] = value;
            garbage.push(bytes.into());
        }
        // Counts that nothing follows.
        garbage.push([&message[..26], &[0xff; 9], &[1]].concat().into());
    }
    // Any noise will do, as long as it is the same each time.
    let mut state = 1_u64;
    for length in (0..400).map(|number| number % 97) {
        let noise = (0..length).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        garbage.push(noise.collect());
    }
    garbage.retain(|bytes| codec::decode(bytes).is_err());
    garbage
}

#[actix_web::test]
async fn garbage_on_every_subject_is_refused_and_counted() {
    let server = NatsServer::start(&[]);
    let [io, other] = nodes(&server).await;
    let ((a, a_socket), (b, b_socket)) = (client(&io).await, client(&other).await);
    for socket in [&a_socket, &b_socket] {
        socket.join("r").await.unwrap();
    }
    let (bus, _events) = NatsBus::connect(server.url()).await.unwrap();
    let subjects = Subjects::default();
    let id = NodeId::parse(io.node_id().as_bytes()).unwrap();
    let of_nodes = [
        subjects.control().clone(),
        subjects.nodes().clone(),
        subjects.node(id),
        subjects.room("/", "r").clone(),
        subjects.namespace("/").clone(),
    ];
    let garbage = garbage();
    let begin = Instant::now();
    for body in &garbage {
        for subject in of_nodes.iter().chain([subjects.emit(), &subjects.fence(id, 1)]) {
            bus.publish(Publish::new(subject.clone(), body.clone())).unwrap();
        }
    }
    assert!(bus.close(LONG).await);
    let sent = (garbage.len() * of_nodes.len()) as u64;
    until(|| io.cluster_stats().refused >= sent).await;
    // What is not JSON is refused by one node for all.
    let expected = sent + sent / 5 * 4 + garbage.len() as u64;
    until(|| io.cluster_stats().refused + other.cluster_stats().refused >= expected).await;
    assert!(begin.elapsed() < LONG);
    // As if nothing had been.
    for node in [&io, &other] {
        let found = node.to("r").fetch_sockets().await;
        assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
        node.to("r").emit("e", &1).await.unwrap();
        for client in [&a, &b] {
            assert_eq!(client.expect::<i32>("e").await.unwrap(), 1);
        }
        assert_eq!(node.nodes().len(), 2);
        assert_eq!(node.cluster_stats().lost, 0);
    }
}

#[actix_web::test]
async fn what_a_made_up_node_says_hurts_nobody() {
    let server = NatsServer::start(&[]);
    let [io, other] = nodes(&server).await;
    let ((a, a_socket), (b, b_socket)) = (client(&io).await, client(&other).await);
    for socket in [&a_socket, &b_socket] {
        socket.join("r").await.unwrap();
    }
    let (bus, _events) = NatsBus::connect(server.url()).await.unwrap();
    let subjects = Subjects::default();
    let id = NodeId::parse(io.node_id().as_bytes()).unwrap();
    for body in valid() {
        for subject in [
            subjects.control().clone(),
            subjects.nodes().clone(),
            subjects.node(id),
            subjects.room("/", "r").clone(),
            subjects.namespace("/").clone(),
            subjects.emit().clone(),
            subjects.fence(id, 1),
        ] {
            bus.publish(Publish::new(subject, body.clone())).unwrap();
        }
    }
    assert!(bus.close(LONG).await);
    until(|| io.nodes().len() > 2).await;
    // They give no more sign of life.
    until(|| io.nodes().len() == 2 && other.nodes().len() == 2).await;
    let found = other.to("r").fetch_sockets().await;
    assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
    io.to("r").emit("e", &1).await.unwrap();
    for client in [&a, &b] {
        assert_eq!(client.wait_for::<i32>("e").await.unwrap(), 1);
    }
}

#[actix_web::test]
async fn what_is_missing_is_logged_with_its_sender_and_count() {
    let server = NatsServer::start(&[]);
    let url = server.url();
    let process = tokio::task::spawn_blocking(move || Process::starting_with_log(&url).wait()).await.unwrap();
    let (bus, _events) = NatsBus::connect(server.url()).await.unwrap();
    let (from, subjects) = (NodeId::random(), Subjects::default());
    let lines = |what: &str| -> Vec<String> {
        process.log().into_iter().filter(|line| line.contains(what) && line.contains(from.as_str())).collect()
    };
    // Numbers 2 to 4 are lost on the way, and 6 to 7.
    for (order, sequence) in [(1, 1), (2, 5), (3, 8), (4, 9)] {
        let message = Message::FenceRequest(order);
        let envelope = Envelope { from, epoch: Epoch(1), order, sequence, message };
        let body = codec::encode(&envelope).unwrap();
        bus.publish(Publish::new(subjects.control().clone(), body)).unwrap();
    }
    assert!(bus.close(LONG).await);
    until(|| lines("messages of another node are lost").len() == 2).await;
    for (line, count) in lines("messages of another node are lost").iter().zip([3, 2]) {
        assert!(line.contains("WARN") && line.contains(&format!("count={count}")), "{line}");
        assert!(line.contains("sio.control"), "{line}");
    }
}

#[actix_web::test]
async fn what_is_larger_than_the_broker_takes_is_split() {
    const LIMIT: usize = 2_000_000;
    let server = NatsServer::configured("max_payload: 8KB");
    let node = async |name| {
        let mut engine = EngineConfig::default();
        engine.max_http_buffer_size = LIMIT * 2;
        let builder = builder(server.url(), name).await.cluster(|cluster| cluster.max_message = LIMIT);
        builder.engine_config(engine).build()
    };
    let (io, other) = (node("one").await, node("two").await);
    acquainted(&[&io, &other]).await;
    let ((a, _), (b, b_socket)) = (client(&io).await, client(&other).await);
    b_socket.join("r").await.unwrap();
    for size in [7_900, 8_192, 8_200, 100_000, LIMIT - 1000] {
        let text = "é".repeat(size / 2);
        io.to("r").emit("text", &text).await.unwrap();
        io.emit("binary", &ByteBuf::from(vec![7; size])).await.unwrap();
        io.to(b.id()).emit("to its inbox", &size).await.unwrap();
        assert!(b.expect::<String>("text").await.unwrap() == text);
        assert_eq!(b.expect::<ByteBuf>("binary").await.unwrap().len(), size);
        assert_eq!(b.expect::<usize>("to its inbox").await.unwrap(), size);
        a.expect::<ByteBuf>("binary").await.unwrap();
    }
    let refused = io.emit("binary", &ByteBuf::from(vec![7; LIMIT])).await;
    assert!(matches!(refused, Err(EmitError::Cluster(_))), "{refused:?}");

    // Acknowledgements, up to the limit.
    let text = "x".repeat(LIMIT / 2);
    let operator = io.to("r");
    let (acks, asked) =
        tokio::join!(operator.emit_with_ack::<String, _>("ask", &text), b.answer::<String, _>("ask", &text));
    assert!(asked.unwrap() == text && acks.unwrap().answers[0].data == text);
    // Above it nobody waits, and nobody believes that there was no such socket.
    let begin = Instant::now();
    let operator = io.to("r").timeout(LONG);
    let too_large = "x".repeat(LIMIT + 1000);
    let (acks, _) =
        tokio::join!(operator.emit_with_ack::<Args, _>("ask", &()), b.answer::<(), _>("ask", &too_large));
    let acks = acks.unwrap();
    assert!(begin.elapsed() < ms(5000), "{:?}", begin.elapsed());
    assert_eq!((acks.answers.len(), acks.missing), (0, vec![b.id().to_owned()]));

    // Descriptions of sockets that are too many for one message.
    b_socket.data().share(&text).unwrap();
    let mut others = Vec::new();
    for _ in 0..4 {
        let (client, socket) = client(&other).await;
        socket.data().share(&text).unwrap();
        others.push(client);
    }
    let found = io.fetch_sockets().await;
    assert_eq!((found.sockets.len(), found.missing_nodes), (6, vec![]));
    let is_whole = |socket: &&RemoteSocket| socket.data::<String>().is_some_and(|data| data == text);
    assert_eq!(found.sockets.iter().filter(is_whole).count(), 5);
    // One that is too large by itself cannot be told, which is said.
    b_socket.data().share(&"x".repeat(LIMIT)).unwrap();
    assert_eq!(io.fetch_sockets().await.missing_nodes, [other.node_id()]);
    assert_eq!(other.fetch_sockets().await.missing_nodes, Vec::<String>::new());
    assert_eq!(
        (io.cluster_stats().lost, other.cluster_stats().lost),
        (0, 0),
        "what is refused is not missed"
    );
}

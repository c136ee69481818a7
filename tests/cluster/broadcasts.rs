//! What one node emits reaches the sockets of all.

use std::collections::BTreeMap;
use std::time::Instant;

use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::error::AckError;
use actix_socketio::protocol::Parser;
use actix_socketio::test::TestClient;
use actix_socketio::{Args, SocketIo};
use futures_util::StreamExt as _;
use serde_bytes::ByteBuf;

use crate::{builder, client, ms, nodes, until};

/// Which of the clients got `event`, once and nothing else. `fence` is emitted last and reaches all of them.
async fn got(io: &SocketIo, clients: &[&TestClient], event: &str) -> Vec<usize> {
    io.emit("fence", &()).await.unwrap();
    let mut got = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        loop {
            let next = client.next().await.unwrap();
            match &*next.name {
                "fence" => break,
                name if name == event => got.push(index),
                other => panic!("client {index} got {other}"),
            }
        }
    }
    got
}

#[actix_web::test]
async fn whom_it_reaches() {
    let [io, other, third] = nodes(&MemoryHub::default()).await;
    let (a, a_socket) = client(&io).await;
    let (b, b_socket) = client(&other).await;
    let (c, c_socket) = client(&third).await;
    let (d, _) = client(&third).await;
    let clients = [&a, &b, &c, &d];
    for socket in [&a_socket, &b_socket] {
        assert!(socket.join("r").await.unwrap().missing_nodes.is_empty());
    }
    for socket in [&b_socket, &c_socket] {
        socket.join(["s", "t"]).await.unwrap();
    }
    macro_rules! reaches {
        ($from:expr, $expected:expr) => {
            $from.emit("e", &1).await.unwrap();
            assert_eq!(got(&io, &clients, "e").await, $expected, stringify!($from));
        };
    }
    let nobody: [usize; 0] = [];
    reaches!(io, [0, 1, 2, 3]);
    reaches!(io.to("r"), [0, 1]);
    reaches!(io.to("s"), [1, 2]);
    reaches!(io.to("r").to("s").to("t"), [0, 1, 2]);
    reaches!(io.except("r"), [2, 3]);
    reaches!(io.to("r").except("s"), [0]);
    reaches!(io.to(d.id()), [3]);
    reaches!(io.to(d.id()).to("r"), [0, 1, 3]);
    reaches!(io.to("s").except(c.id()), [1]);
    reaches!(io.local(), [0]);
    reaches!(io.volatile(), [0, 1, 2, 3]);
    reaches!(io.to("nobody"), nobody);
    reaches!(a_socket.broadcast(), [1, 2, 3]);
    reaches!(a_socket.to("r"), [1]);
    reaches!(io.of("/none"), nobody);
}

#[actix_web::test]
async fn in_the_order_in_which_it_was_emitted_whatever_the_rooms() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (member, socket) = client(&other).await;
    socket.join(["a", "b"]).await.unwrap();
    let targets = [io.to("a"), io.to("b"), io.to(["a", "b"]), io.to(member.id()), io.except("c")];
    for number in 0..500_usize {
        targets[number % targets.len()].emit("n", &number).await.unwrap();
    }
    for number in 0..500_usize {
        assert_eq!(member.expect::<usize>("n").await.unwrap(), number);
    }
}

#[actix_web::test]
async fn arguments_arrive_as_they_are() {
    let hub = MemoryHub::default();
    let one = builder(&hub, "json").build();
    let two = builder(&hub, "msgpack").parser(Parser::MsgPack).build();
    until(|| one.nodes().len() == 2 && two.nodes().len() == 2).await;
    let (json, _) = client(&one).await;
    let (packed, _) = client(&two).await;
    let text = r#"[{"big":12345678901234567890,"b":1.0,"a":[null,"é"]}]"#;
    two.emit("raw", &Args::from_json(text, vec![]).unwrap()).await.unwrap();
    let args: Args = packed.expect("raw").await.unwrap();
    assert!(args.to_json().unwrap().0.contains("12345678901234567890"));
    assert_eq!(json.expect::<Args>("raw").await.unwrap().len(), 1);
    one.emit("raw", &Args::from_json(text, vec![]).unwrap()).await.unwrap();
    assert_eq!(&*json.expect::<Args>("raw").await.unwrap().to_json().unwrap().0, text);
    let bytes = ByteBuf::from(vec![7; 5000]);
    for io in [&one, &two] {
        io.emit("binary", &(1, &bytes)).await.unwrap();
        for client in [&json, &packed] {
            let (number, back): (i32, ByteBuf) = client.wait_for("binary").await.unwrap();
            assert_eq!((number, &back), (1, &bytes));
        }
    }
}

#[actix_web::test]
async fn acknowledgements_of_all_nodes_are_collected() {
    let [io, other, _empty] = nodes(&MemoryHub::default()).await;
    let (a, _) = client(&io).await;
    let (b, _) = client(&other).await;
    let (silent, _) = client(&other).await;
    let begin = Instant::now();
    let operator = io.except(silent.id());
    let (acks, ..) = tokio::join!(
        operator.emit_with_ack::<i32, _>("how many", &()),
        a.answer::<(), _>("how many", &1),
        b.answer::<(), _>("how many", &2)
    );
    assert!(begin.elapsed() < ms(5000), "it must not wait for the timeout");
    let acks = acks.unwrap();
    let answers: BTreeMap<_, _> = acks.answers.iter().map(|answer| (&*answer.socket, answer.data)).collect();
    assert_eq!(answers, BTreeMap::from([(a.id(), 1), (b.id(), 2)]));
    assert!(acks.missing.is_empty() && acks.invalid.is_empty() && acks.missing_nodes.is_empty());

    let operator = io.to(silent.id()).timeout(ms(100));
    let acks = operator.emit_with_ack::<i32, _>("x", &()).await.unwrap();
    assert_eq!((acks.answers.len(), acks.missing), (0, vec![silent.id().to_owned()]));
    assert!(acks.missing_nodes.is_empty(), "its node said whom it asked");

    let mut stream = io.to(b.id()).emit_with_ack_stream::<i32, _>("leaving", &()).await.unwrap();
    b.expect::<()>("leaving").await.unwrap();
    b.close().await;
    assert_eq!(stream.next().await, Some((b.id().to_owned(), Err(AckError::Disconnected))));
    assert_eq!(stream.next().await, None);
}

#[actix_web::test]
async fn a_broadcast_above_the_limit_is_refused_to_all() {
    let hub = MemoryHub::default();
    let small = || builder(&hub, "n").cluster(|cluster| cluster.max_message = 10_000).build();
    let (io, other) = (small(), small());
    until(|| io.nodes().len() == 2 && other.nodes().len() == 2).await;
    let (a, _) = client(&io).await;
    let (b, _) = client(&other).await;
    assert!(io.emit("large", &"x".repeat(10_000)).await.is_err());
    io.emit("small", &"x".repeat(9_000)).await.unwrap();
    for client in [&a, &b] {
        assert_eq!(client.expect::<String>("small").await.unwrap().len(), 9_000);
    }
}

#[actix_web::test]
async fn what_leaves_stops_coming() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (a, socket) = client(&other).await;
    socket.join("r").await.unwrap();
    io.to("r").emit("e", &1).await.unwrap();
    assert_eq!(a.expect::<i32>("e").await.unwrap(), 1);
    assert_eq!(io.of("/").close_room("r").await.sockets, 1);
    io.to("r").emit("e", &2).await.unwrap();
    io.emit("last", &()).await.unwrap();
    a.expect::<()>("last").await.unwrap();
    assert_eq!(socket.rooms(), [a.id()]);
}

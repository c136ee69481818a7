//! What is asked of all nodes, and who did not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::test::TestClient;
use actix_socketio::{RoomEvent, RoomMessage, ServerSideEvent, SocketIo};
use serde::{Deserialize, Serialize};

use crate::{builder, client, ms, nodes, until};

#[actix_web::test]
async fn sockets_are_found_wherever_they_are() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (a, _) = client(&io).await;
    let b = TestClient::builder(&other).query("who", "b").header(("x-color", "red")).connect().await.unwrap();
    let socket = other.of("/").socket(b.id()).await.unwrap();
    socket.join(["r", "räume.*> \n"]).await.unwrap();
    socket.data().share(&vec![1, 2]).unwrap();
    let found = io.fetch_sockets().await;
    assert!(found.missing_nodes.is_empty());
    let mut ids: Vec<_> = found.sockets.iter().map(|socket| socket.id().to_owned()).collect();
    ids.sort();
    let mut expected = [a.id().to_owned(), b.id().to_owned()];
    expected.sort();
    assert_eq!(ids, expected);

    let found = io.to("räume.*> \n").fetch_sockets().await.sockets;
    let [remote] = &found[..] else { panic!("{found:?}") };
    assert!(!remote.is_here());
    assert_eq!(remote.rooms(), [b.id(), "r", "räume.*> \n"]);
    assert_eq!(remote.data::<Vec<i32>>(), Some(vec![1, 2]));
    let handshake = remote.handshake().unwrap();
    assert_eq!((handshake.query("who"), handshake.header("x-color")), (Some("b"), Some("red")));

    remote.emit("hello", &"b").await.unwrap();
    assert_eq!(b.expect::<String>("hello").await.unwrap(), "b");
    let (answer, _) = tokio::join!(remote.emit_with_ack::<i32, _>("ask", &()), b.answer::<(), _>("ask", &7));
    assert_eq!(answer.unwrap(), 7);
    assert!(remote.join("u").await.unwrap().missing_nodes.is_empty());
    remote.leave("r").await;
    assert_eq!(socket.rooms(), [b.id(), "räume.*> \n", "u"]);
    remote.disconnect(false).await;
    b.expect_disconnect().await.unwrap();
    assert!(remote.join("u").await.is_err(), "it is gone");
}

/// Pages of seven over fifty sockets of two nodes, while others come and go.
#[actix_web::test]
async fn sockets_come_in_pages_each_once_and_in_order() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (mut staying, mut leaving) = (Vec::new(), Vec::new());
    for index in 0..50 {
        let (client, _) = client(if index % 3 == 0 { &io } else { &other }).await;
        (if index % 5 == 4 { &mut leaving } else { &mut staying }).push(client);
    }
    assert_eq!(io.of("/").sockets_here_after("", 100).await.len(), 17);
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = io.fetch_page(after.as_deref(), 7).await;
        assert!(page.missing_nodes.is_empty());
        assert!((40..=60).contains(&page.total), "{}", page.total);
        found.extend(page.sockets.iter().map(|socket| socket.id().to_owned()));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
        assert_eq!((page.sockets.len(), after.as_ref()), (7, found.last()));
        if let Some(gone) = leaving.pop() {
            drop(gone);
            staying.push(client(if pages % 2 == 0 { &io } else { &other }).await.0);
        }
    }
    assert!(found.is_sorted() && found.windows(2).all(|two| two[0] != two[1]), "{found:?}");
    for client in &staying[..40] {
        assert!(found.iter().any(|id| id == client.id()), "{} was there all the time", client.id());
    }
    // Of a room, and of one socket on the other node.
    other.to(staying[1].id()).sockets_join("r").await;
    for target in ["r", staying[1].id()] {
        let page = io.to(target).fetch_page(None, 1).await;
        assert_eq!((page.sockets[0].id(), page.total, page.next), (staying[1].id(), 1, None));
    }
    let page = io.fetch_page(None, 0).await;
    assert_eq!((page.sockets.len(), page.next.as_deref()), (1, Some(page.sockets[0].id())));
}

#[actix_web::test]
async fn rooms_and_their_sizes() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let ((_a, a), (_b, b)) = (client(&io).await, client(&other).await);
    a.join("x").await.unwrap();
    b.join(["x", "y"]).await.unwrap();
    let root = io.of("/");
    assert_eq!(root.room_names().await.rooms, [("x".to_owned(), 2), ("y".to_owned(), 1)]);
    assert_eq!((root.room_size("x").await.members, root.room_size("none").await.members), (2, 0));
    assert_eq!((root.room_size_here("x"), root.room_size_here("y")), (1, 0));
    let moved = io.to("x").sockets_join("z").await;
    assert_eq!((moved.sockets, moved.missing_nodes.len()), (2, 0));
    assert_eq!(root.room_size("z").await.members, 2);
    assert_eq!(io.to("x").sockets_leave("z").await.sockets, 2);
    assert_eq!(root.room_size("z").await.members, 0);
    assert_eq!(io.to("y").disconnect_sockets(true).await.sockets, 1);
    until(|| other.connection_count() == 0).await;
    assert_eq!(io.connection_count(), 1);
}

#[actix_web::test]
async fn servers_talk_among_themselves() {
    let [io, other, third] = nodes(&MemoryHub::default()).await;
    for (node, name) in [(&io, "io"), (&other, "other")] {
        node.of("/").on_server_side_emit("ping", move |event: ServerSideEvent| async move {
            format!("{name} {}", event.data::<i32>().unwrap())
        });
    }
    other.of("/").on_server_side_emit("panic", |event: ServerSideEvent| async move {
        assert!(event.args().is_empty(), "on purpose")
    });
    let acks = io.server_side_emit_with_ack::<String, _>("ping", &7).await.unwrap();
    assert_eq!(
        acks.answers,
        [(other.node_id().to_owned(), "other 7".to_owned())],
        "not itself, not who has no listener"
    );
    assert!(acks.missing_nodes.is_empty() && acks.invalid.is_empty());
    let acks = io.server_side_emit_with_ack::<String, _>("panic", &7).await.unwrap();
    assert!(acks.answers.is_empty() && acks.missing_nodes.is_empty());
    io.server_side_emit("ping", &1).await.unwrap();
    assert!(io.server_side_emit("connect", &1).await.is_err(), "reserved");
    assert_eq!(third.server_side_emit_with_ack::<String, _>("ping", &1).await.unwrap().answers.len(), 2);
}

#[actix_web::test]
async fn the_nodes_are_known_by_name_and_load() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (_client, _) = client(&other).await;
    other.sockets_join(["one room", "another"]).await;
    until(|| (io.nodes()[1].sockets, io.nodes()[1].rooms) == (1, 2)).await;
    let nodes = io.nodes();
    assert_eq!((nodes[0].sockets, nodes[0].rooms, other.nodes()[0].rooms), (0, 0, 2));
    assert_eq!((&*nodes[0].name, &*nodes[1].name), ("n0", "n1"));
    assert!(nodes[0].is_here && !nodes[1].is_here && nodes[1].is_reachable);
    assert_eq!((&*nodes[0].id, &*nodes[1].id), (io.node_id(), other.node_id()));
    assert!(nodes[1].since.elapsed().unwrap() < Duration::from_secs(60));
    // Both are this process: they say of each other what it takes.
    assert!(nodes.iter().all(|node| (0.0..64.0).contains(&node.load)));
    let stop = Arc::new(AtomicBool::new(false));
    let busy = {
        let stop = stop.clone();
        std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
    };
    until(|| io.nodes().iter().all(|node| node.load > 0.2)).await;
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
}

#[actix_web::test]
async fn nobody_waits_for_a_node_that_is_gone() {
    let hub = MemoryHub::default();
    let [io, leaving] = nodes(&hub).await;
    leaving.close().await;
    until(|| io.nodes().len() == 1).await;
    let begin = Instant::now();
    assert!(io.fetch_sockets().await.missing_nodes.is_empty());
    assert!(begin.elapsed() < ms(1000));
}

#[actix_web::test]
async fn a_node_with_other_buckets_is_refused_loudly() {
    let hub = MemoryHub::default();
    let io = builder(&hub, "good").build();
    let odd = builder(&hub, "odd").cluster(|cluster| cluster.buckets = 7).build();
    assert!(io.cluster_ready(ms(1000)).await && odd.cluster_ready(ms(1000)).await);
    assert_eq!((io.nodes().len(), odd.nodes().len()), (1, 1));
    let (a, _) = client(&io).await;
    odd.emit("e", &1).await.unwrap();
    io.emit("last", &()).await.unwrap();
    a.expect::<()>("last").await.unwrap();
}

/// The actor of a room.
struct Game(Vec<u32>);

impl Actor for Game {
    type Context = Context<Self>;
}

impl Handler<RoomEvent> for Game {
    type Result = ();
    fn handle(&mut self, _: RoomEvent, _: &mut Self::Context) {}
}

#[derive(Message, Serialize, Deserialize)]
#[rtype(result = "()")]
struct Move(u32);

impl RoomMessage for Move {
    const NAME: &'static str = "move";
}

impl Handler<Move> for Game {
    type Result = ();
    fn handle(&mut self, Move(to): Move, _: &mut Self::Context) {
        self.0.push(to);
    }
}

#[derive(Message)]
#[rtype(result = "Vec<u32>")]
struct Moves;

impl Handler<Moves> for Game {
    type Result = Vec<u32>;
    fn handle(&mut self, _: Moves, _: &mut Self::Context) -> Vec<u32> {
        self.0.clone()
    }
}

#[actix_web::test]
async fn the_actors_of_a_room_are_reached_on_every_node() {
    let [io, other, _empty]: [SocketIo; 3] = nodes(&MemoryHub::default()).await;
    for node in [&io, &other] {
        node.of("/").rooms(|_| Game(Vec::new())).room_message::<Game, Move>();
    }
    let ((_a, a), (_b, b)) = (client(&io).await, client(&other).await);
    a.join("chess").await.unwrap();
    b.join("chess").await.unwrap();
    let reached = io.of("/").tell_room("chess", &Move(3)).await.unwrap();
    assert_eq!((reached.actors, reached.missing_nodes.len()), (2, 0));
    for node in [&io, &other] {
        let game = node.of("/").room_actor::<Game>("chess").await.unwrap();
        assert_eq!(game.send(Moves).await.unwrap(), [3]);
    }
    assert_eq!(io.of("/").tell_room("none", &Move(3)).await.unwrap().actors, 0);
}

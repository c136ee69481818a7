//! A join is known everywhere when it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::cluster::message::Message;
use actix_socketio::error::JoinError;
use actix_socketio::test::TestClient;
use actix_socketio::{RoomHandle, Socket};

use crate::tap::Tap;
use crate::{builder, client, ms, nodes, until};

#[actix_web::test]
async fn an_emit_after_a_join_reaches_the_new_member() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (a, socket) = client(&io).await;
    for number in 0..300 {
        let room = format!("room {number}");
        assert!(socket.join(&*room).await.unwrap().missing_nodes.is_empty());
        other.to(&*room).emit("e", &number).await.unwrap();
        assert_eq!(a.expect::<i32>("e").await.unwrap(), number);
        socket.leave(&room).await;
    }
    assert!(io.cluster_stats().subscriptions <= 1025);
}

#[actix_web::test]
async fn rooms_joined_in_a_middleware_are_open_when_the_client_is_connected() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    io.of("/").middleware(async |socket: Socket| {
        socket.join("early").await.map(|_| ()).map_err(|error| error.to_string())
    });
    io.of_pattern("/dyn-{id}").unwrap();
    for number in 0..50 {
        let client = TestClient::connect(&io).await.unwrap();
        other.to("early").emit("e", &number).await.unwrap();
        assert_eq!(client.expect::<i32>("e").await.unwrap(), number);
        let name = format!("/dyn-{number}");
        let client = client.also(&name).await.unwrap();
        other.of(&name).emit("e", &number).await.unwrap();
        assert_eq!(client.expect::<i32>("e").await.unwrap(), number);
    }
}

#[actix_web::test]
async fn the_id_of_a_socket_of_another_node_is_nobody_elses_room() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let ((_a, a), (_b, b)) = (client(&io).await, client(&other).await);
    assert_eq!(a.join(b.id()).await, Err(JoinError::ForeignId));
}

#[actix_web::test]
async fn nodes_tell_each_other_who_holds_a_room() {
    let [io, other] = nodes(&MemoryHub::default()).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    io.of("/").rooms(move |room: RoomHandle| {
        sender.send(room).unwrap();
        Watch
    });
    let ((_a, a), (b_client, b)) = (client(&io).await, client(&other).await);
    b.join("r").await.unwrap();
    a.join("r").await.unwrap();
    let room = receiver.recv_timeout(Duration::from_secs(5)).unwrap();
    until(|| room.other_nodes() == [(other.node_id().to_owned(), 1)]).await;
    assert_eq!((room.size_here(), room.size().await.members), (1, 2));
    b_client.close().await;
    until(|| room.other_nodes().is_empty()).await;
}

#[actix_web::test]
async fn what_nodes_said_of_rooms_is_asked_again_when_messages_are_lost() {
    let hub = MemoryHub::default();
    let (tap, events) = Tap::new(&hub);
    let io = builder(&hub, "io").build();
    let other = builder(&hub, "other").bus((tap.clone(), events)).build();
    until(|| io.nodes().len() == 2 && other.nodes().len() == 2).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    io.of("/").rooms(move |room: RoomHandle| {
        sender.send(room).unwrap();
        Watch
    });
    let ((_a, a), (_b, b), (_c, c)) = (client(&io).await, client(&other).await, client(&other).await);
    a.join("r").await.unwrap();
    let room = receiver.recv_timeout(Duration::from_secs(5)).unwrap();
    let of_other = |members| vec![(other.node_id().to_owned(), members)];
    b.join("r").await.unwrap();
    until(|| room.other_nodes() == of_other(1)).await;

    // It closes there, and opens again with two, unheard; then the numbers show it.
    let is_said = Arc::new(AtomicBool::new(false));
    let lost = is_said.clone();
    tap.lose(move |message| {
        let is_it = matches!(message, Message::Membership(_));
        lost.fetch_or(is_it, Ordering::SeqCst);
        is_it
    });
    b.leave("r").await;
    until(|| is_said.swap(false, Ordering::SeqCst)).await;
    let _ = tokio::join!(b.join("r"), c.join("r"));
    until(|| is_said.load(Ordering::SeqCst)).await;
    tap.lose_nothing();
    until(|| room.other_nodes() == of_other(2)).await;
    assert!(io.cluster_stats().lost >= 2);
}

/// The actor of a room that does nothing.
struct Watch;

impl actix::Actor for Watch {
    type Context = actix::Context<Self>;
}

impl actix::Handler<actix_socketio::RoomEvent> for Watch {
    type Result = ();
    fn handle(&mut self, _: actix_socketio::RoomEvent, _: &mut Self::Context) {}
}

#[actix_web::test]
async fn a_silent_node_is_named_and_nobody_hangs() {
    let hub = MemoryHub::default();
    let io = builder(&hub, "io").cluster(|cluster| cluster.request_timeout = ms(300)).build();
    // A node that speaks once and never answers.
    let other = builder(&hub, "frozen").build();
    until(|| io.nodes().len() == 2).await;
    let frozen = other.node_id().to_owned();
    drop(other);
    let (_a, a) = client(&io).await;
    let begin = Instant::now();
    let joined = a.join("r").await.unwrap();
    assert!(begin.elapsed() < ms(2000));
    let found = io.fetch_sockets().await;
    // It is missing, or known to be dead by now.
    for missing in [joined.missing_nodes, found.missing_nodes] {
        assert!(missing.is_empty() || missing == [frozen.clone()]);
    }
    until(|| io.nodes().len() == 1).await;
}

//! Emitting to many, and what can be done to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_socketio::engine::TransportKind;
use actix_socketio::error::JoinError;
use actix_socketio::test::TestClient;
use actix_socketio::{DisconnectReason, Membership, RoomEvent, Socket, SocketIo};
use serde::{Serialize, Serializer};

use crate::{Seen, ms, until};

async fn clients<const N: usize>(io: &SocketIo) -> ([TestClient; N], [Socket; N]) {
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..N {
        let client = TestClient::connect(io).await.unwrap();
        sockets.push(io.of("/").socket(client.id()).await.unwrap());
        clients.push(client);
    }
    (clients.try_into().unwrap(), sockets.try_into().unwrap())
}

/// Which of them got `event`, and that they got it once and nothing else.
async fn got(clients: &[TestClient], event: &str) -> Vec<usize> {
    let mut got = Vec::new();
    // Whatever comes is there: emits return when it is in the outboxes.
    tokio::time::sleep(ms(10)).await;
    for (index, client) in clients.iter().enumerate() {
        match client.expect_nothing_for(ms(1)).await {
            Ok(()) => {}
            Err(error) => {
                assert!(error.to_string().contains(&format!("{event:?}")), "{error}");
                client.expect_nothing_for(ms(1)).await.unwrap();
                got.push(index);
            }
        }
    }
    got
}

#[actix_web::test]
async fn whom_it_reaches() {
    let io = SocketIo::new();
    let (clients, sockets) = clients::<4>(&io).await;
    for index in [0, 1] {
        sockets[index].join("a").await.unwrap();
    }
    for index in [1, 2] {
        sockets[index].join(["b", "c"]).await.unwrap();
    }
    let own = sockets[0].id();
    let all = io.of("/");
    macro_rules! reaches {
        ($from:expr, $expected:expr) => {
            $from.emit("e", &1).await.unwrap();
            assert_eq!(got(&clients, "e").await, $expected, stringify!($from));
        };
    }
    let nobody: [usize; 0] = [];
    reaches!(io, [0, 1, 2, 3]);
    reaches!(all.to("a"), [0, 1]);
    reaches!(all.in_room("a"), [0, 1]);
    reaches!(io.to("a").to("b"), [0, 1, 2]);
    reaches!(io.to(["a", "b", "c"]), [0, 1, 2]);
    reaches!(io.to(vec!["b".to_owned(), "c".to_owned()]), [1, 2]);
    reaches!(io.except("a"), [2, 3]);
    reaches!(io.to("a").except("b"), [0]);
    reaches!(io.except(["a", "b"]).to(["a", "b", "c"]), nobody);
    reaches!(io.to(own), [0]);
    reaches!(io.to(own).except(own), nobody);
    reaches!(io.to(own).to("b"), [0, 1, 2]);
    reaches!(io.except(own), [1, 2, 3]);
    reaches!(io.to("nobody"), nobody);
    reaches!(io.local().to("a"), [0, 1]);
    reaches!(io.compress(false).to("a"), [0, 1]);
    reaches!(io.volatile().to("a"), [0, 1]);
    reaches!(sockets[0], [0]);
    reaches!(sockets[0].broadcast(), [1, 2, 3]);
    reaches!(sockets[0].to("a"), [1]);
    reaches!(sockets[3].to("a"), [0, 1]);
    reaches!(sockets[0].in_room(["a", "b"]), [1, 2]);
    reaches!(sockets[0].except("b"), [3]);
    reaches!(sockets[0].local(), [1, 2, 3]);
    reaches!(sockets[0].volatile(), [0]);
    reaches!(sockets[0].volatile().broadcast(), [1, 2, 3]);
    reaches!(sockets[0].compress(true).to("a"), [1]);
    io.to("a").send(&1).await.unwrap();
    assert_eq!(got(&clients, "message").await, [0, 1]);
    sockets[3].send(&1).await.unwrap();
    assert_eq!(got(&clients, "message").await, [3]);
}

#[actix_web::test]
async fn operators_are_values() {
    let io = SocketIo::new();
    let (clients, sockets) = clients::<3>(&io).await;
    sockets[0].join("a").await.unwrap();
    sockets[1].join("b").await.unwrap();
    let a = io.to("a");
    let narrowed = a.clone().to("b").except("a");
    a.emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0]);
    narrowed.emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [1]);
    a.emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0]);
    // Nothing of it stays behind on the socket.
    let _ = sockets[2].to("a").except("b").volatile();
    sockets[2].broadcast().emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0, 1]);
}

#[actix_web::test]
async fn a_socket_has_its_own_room_and_no_other_may_join_it() {
    let io = SocketIo::new();
    let (clients, [one, two]) = clients::<2>(&io).await;
    assert_eq!(one.rooms(), [one.id()]);
    assert_eq!(two.join(one.id()).await, Err(JoinError::ForeignId));
    assert_eq!(two.rooms(), [two.id()]);
    // Its own: it is in there anyway.
    one.join(one.id()).await.unwrap();
    assert_eq!(one.rooms(), [one.id()]);
    one.leave(one.id()).await;
    io.to(one.id()).emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0]);
    assert_eq!(io.of("/").room_names_here(), Vec::<String>::new());
    io.to(two.id()).sockets_join(one.id()).await;
    assert_eq!(two.rooms(), [two.id()]);
    // Several at once: what comes before the refusal is joined.
    assert_eq!(two.join(["fine", one.id()]).await, Err(JoinError::ForeignId));
    assert_eq!(two.rooms(), [two.id(), "fine"]);
}

#[actix_web::test]
async fn joining_and_leaving() {
    let io = SocketIo::new();
    let (clients, [one, two]) = clients::<2>(&io).await;
    let all = io.of("/");
    one.join(["a", "b", "a"]).await.unwrap();
    one.join("a").await.unwrap();
    assert_eq!(one.rooms(), [one.id(), "a", "b"]);
    assert_eq!((all.room_size_here("a"), all.room_size_here("none")), (1, 0));
    two.join("a").await.unwrap();
    assert_eq!(all.room_size_here("a"), 2);
    one.leave("a").await;
    one.leave("a").await;
    one.leave("never").await;
    assert_eq!((all.room_size_here("a"), one.rooms()), (1, vec![one.id().to_owned(), "b".to_owned()]));
    all.to("a").emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [1]);
    clients[1].close().await;
    until(|| all.room_names_here() == ["b"]).await;
}

#[actix_web::test]
async fn fetched_sockets_can_be_used() {
    let io = SocketIo::new();
    let (clients, [one, two]) = clients::<2>(&io).await;
    one.join("room").await.unwrap();
    one.data().share(&("name", 7)).unwrap();
    one.data().set("private");
    let fetched = io.to("room").fetch_sockets().await.sockets;
    assert_eq!(fetched.len(), 1);
    let remote = &fetched[0];
    assert_eq!((remote.id(), remote.rooms()), (one.id(), one.rooms()));
    assert_eq!(remote.data::<(String, u32)>(), Some(("name".to_owned(), 7)));
    assert_eq!(remote.data::<u32>(), None);
    assert_eq!(remote.transport(), Some(TransportKind::Websocket));
    assert!(remote.handshake().unwrap().url.starts_with("/socket.io/"));
    remote.emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0]);
    let (answer, _) =
        tokio::join!(remote.emit_with_ack::<i32, _>("x", &()), clients[0].answer::<(), _>("x", &3));
    assert_eq!(answer.unwrap(), 3);
    remote.join("other").await.unwrap();
    remote.leave("room").await;
    assert_eq!(one.rooms(), [one.id(), "other"]);
    assert_eq!(io.fetch_sockets().await.into_iter().count(), 2);
    assert_eq!(io.except(two.id()).fetch_sockets().await.into_iter().count(), 1);
    remote.disconnect(false).await;
    assert_eq!(clients[0].expect_disconnect().await.unwrap(), DisconnectReason::ServerNamespaceDisconnect);
    assert_eq!(io.fetch_sockets().await.into_iter().count(), 1);
}

#[actix_web::test]
async fn many_are_made_to_join_leave_and_go() {
    let io = SocketIo::new();
    let (clients, sockets) = clients::<4>(&io).await;
    io.to([sockets[0].id(), sockets[1].id(), sockets[2].id()]).sockets_join(["a", "b"]).await;
    io.to("a").except(sockets[0].id()).sockets_leave("b").await;
    io.to("b").emit("e", &1).await.unwrap();
    assert_eq!(got(&clients, "e").await, [0]);
    io.of("/").close_room("a").await;
    assert_eq!(io.of("/").room_names_here(), ["b"]);
    assert!(sockets[1].is_connected());
    io.except("b").disconnect_sockets(false).await;
    io.emit("e", &1).await.unwrap();
    assert_eq!(clients[0].expect::<i32>("e").await.unwrap(), 1);
    for client in &clients[1..] {
        client.expect_disconnect().await.unwrap();
    }
    io.disconnect_sockets(true).await;
    until(|| io.connection_count() == 3).await;
}

#[actix_web::test]
async fn volatile_is_dropped_for_who_cannot_take_it() {
    let io = SocketIo::new();
    let (clients, sockets) = clients::<2>(&io).await;
    clients[0].set_reading(false);
    clients[0].expect_nothing().await.unwrap();
    // More than is handed to a transport at once.
    let filler = "x".repeat(60_000);
    io.emit("filler", &filler).await.unwrap();
    clients[1].expect::<String>("filler").await.unwrap();
    io.volatile().emit("v", &1).await.unwrap();
    sockets[0].volatile().emit("v", &1).await.unwrap();
    io.emit("last", &1).await.unwrap();
    clients[0].set_reading(true);
    clients[0].expect::<String>("filler").await.unwrap();
    clients[0].expect::<i32>("last").await.unwrap();
    clients[1].expect::<i32>("v").await.unwrap();
    clients[1].expect::<i32>("last").await.unwrap();
}

#[actix_web::test]
async fn emitting_to_one_socket_waits_for_room() {
    let io = SocketIo::builder().adjust(|_, engine| engine.outbox_bytes = 5_000).build();
    let ([client], [socket]) = clients::<1>(&io).await;
    client.set_reading(false);
    client.expect_nothing().await.unwrap();
    let sender = actix_web::rt::spawn(async move {
        for number in 0..50 {
            socket.emit("n", &(number, "x".repeat(1000))).await.unwrap();
        }
    });
    tokio::time::sleep(ms(20)).await;
    assert!(!sender.is_finished());
    client.set_reading(true);
    for number in 0..50 {
        assert_eq!(client.expect::<i32>("n").await.unwrap(), number);
    }
    sender.await.unwrap();
}

/// A number that knows how often it was serialized.
struct Counted(Arc<AtomicUsize>);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_u8(7)
    }
}

#[actix_web::test]
async fn a_broadcast_is_encoded_once() {
    let io = SocketIo::new();
    let (clients, sockets) = clients::<5>(&io).await;
    let count = Arc::new(AtomicUsize::new(0));
    for socket in &sockets {
        socket.join(["a", "b"]).await.unwrap();
    }
    io.to(["a", "b"]).emit("e", &Counted(count.clone())).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    for client in &clients {
        assert_eq!(client.expect::<u8>("e").await.unwrap(), 7);
    }
    let asked = io.timeout(ms(1)).emit_with_ack::<u8, _>("e", &Counted(count.clone())).await.unwrap();
    assert_eq!((asked.missing.len(), count.load(Ordering::Relaxed)), (5, 2));
}

#[actix_web::test]
async fn listeners_see_what_goes_out() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_all = seen.clone();
    io.of("/").on_any_outgoing(move |socket, event, args| {
        let (json, _) = args.to_json().unwrap();
        of_all.push(format!("{} {event} {json}", &socket.id()[..4]));
    });
    let (_clients, [one, two]) = clients::<2>(&io).await;
    let (a, b) = (one.id()[..4].to_owned(), two.id()[..4].to_owned());
    one.emit("unicast", &(1, "x")).await.unwrap();
    assert_eq!(seen.all(), [format!("{a} unicast [1,\"x\"]")]);
    seen.clear();
    io.emit("broadcast", &2).await.unwrap();
    let mut all = seen.all();
    all.sort();
    let mut expected = [format!("{a} broadcast [2]"), format!("{b} broadcast [2]")];
    expected.sort();
    assert_eq!(all, expected);
    seen.clear();
    one.timeout(ms(1)).emit_with_ack::<(), _>("ask", &()).await.unwrap_err();
    assert_eq!(seen.all(), [format!("{a} ask []")]);
}

#[actix_web::test]
async fn a_socket_may_listen_to_what_goes_out_to_it() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let ([_one, _two], [one, two]) = clients::<2>(&io).await;
    let of_one = seen.clone();
    one.on_any_outgoing(move |_, event, _| of_one.push(event));
    io.emit("broadcast", &2).await.unwrap();
    two.emit("not mine", &1).await.unwrap();
    one.emit("mine", &1).await.unwrap();
    two.to(one.id()).emit("to me", &1).await.unwrap();
    assert_eq!(seen.all(), ["broadcast", "mine", "to me"]);
}

#[actix_web::test]
async fn the_life_of_rooms_in_order() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let listener = seen.clone();
    io.of("/").on_room_event(move |event| {
        listener.push(match event {
            RoomEvent::Created { room } => format!("created {room}"),
            RoomEvent::Joined { room, .. } => format!("joined {room}"),
            RoomEvent::Left { room, .. } => format!("left {room}"),
            RoomEvent::Deleted { room } => format!("deleted {room}"),
            other => format!("{other:?}"),
        });
    });
    let (clients, [one, two]) = clients::<2>(&io).await;
    one.join("a").await.unwrap();
    two.join("a").await.unwrap();
    one.join("a").await.unwrap();
    io.to("a").emit("e", &1).await.unwrap();
    one.leave("a").await;
    clients[1].close().await;
    seen.wait(6).await;
    one.join("a").await.unwrap();
    let life =
        ["created a", "joined a", "joined a", "left a", "left a", "deleted a", "created a", "joined a"];
    assert_eq!(seen.wait(8).await, life);
}

#[actix_web::test]
async fn memberships_are_shown_with_the_socket() {
    let seen = Seen::default();
    let io = SocketIo::new();
    let listener = seen.clone();
    io.of("/")
        .middleware(async |socket: Socket| {
            socket.data().set(7_u32);
            socket.join("first").await.map(drop).map_err(|error| error.to_string())
        })
        .on_membership(|_, _, _| panic!("on purpose"))
        .on_membership(move |socket, room, change| {
            let number = socket.data().get::<u32>().unwrap();
            let word = if change == Membership::Joined { "joined" } else { "left" };
            listener.push(format!(
                "{number} {word} {room}, in it: {}",
                socket.rooms().contains(&room.to_owned())
            ));
        });
    let ([client], [socket]) = clients::<1>(&io).await;
    socket.join(["a", "b"]).await.unwrap();
    socket.join("a").await.unwrap();
    socket.leave("a").await;
    socket.leave("a").await;
    client.disconnect().await;
    let expected = [
        "7 joined first, in it: true",
        "7 joined a, in it: true",
        "7 joined b, in it: true",
        "7 left a, in it: false",
        "7 left first, in it: true",
        "7 left b, in it: true",
    ];
    assert_eq!(seen.wait(expected.len()).await, expected);
}

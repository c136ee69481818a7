//! The user's own actors, in the three forms.

use std::time::Duration;

use actix::prelude::*;
use actix_socketio::test::TestClient;
use actix_socketio::{FromSocket, Namespace, RoomEvent, Socket, SocketIo};
use serde::{Deserialize, Serialize};

use crate::{Seen, ms, until};

/// An actor that does nothing.
pub(crate) struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

#[derive(Debug, Deserialize, Serialize)]
struct Move {
    by: i32,
}

impl Message for Move {
    type Result = i32;
}

/// An actor for everybody.
#[derive(Default)]
struct Game {
    at: i32,
}

impl Actor for Game {
    type Context = Context<Self>;
}

impl Handler<FromSocket<Move>> for Game {
    type Result = i32;

    fn handle(&mut self, message: FromSocket<Move>, _: &mut Self::Context) -> i32 {
        assert_eq!((&*message.event, message.socket.is_connected()), ("move", true));
        self.at += message.data.by;
        self.at
    }
}

#[actix_web::test]
async fn a_recipient_handles_events_and_its_result_is_the_acknowledgement() {
    let game = Game::default().start();
    let io = SocketIo::new();
    io.of("/").on("move", game.recipient::<FromSocket<Move>>());
    let (one, two) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    assert_eq!(one.emit_with_ack::<i32, _>("move", &Move { by: 2 }).await.unwrap(), 2);
    assert_eq!(two.emit_with_ack::<i32, _>("move", &Move { by: 3 }).await.unwrap(), 5);
    one.emit("move", "nonsense").await.unwrap();
    assert_eq!(one.emit_with_ack::<i32, _>("move", &Move { by: -1 }).await.unwrap(), 4);
}

#[actix_web::test]
async fn a_recipient_on_another_arbiter() {
    let arbiter = Arbiter::new();
    let game = Game::start_in_arbiter(&arbiter.handle(), |_| Game::default());
    let io = SocketIo::new();
    io.of("/").on("move", game.recipient::<FromSocket<Move>>());
    let client = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<i32, _>("move", &Move { by: 2 }).await.unwrap(), 2);
    arbiter.stop();
    arbiter.join().unwrap();
}

/// An actor for each socket.
struct Player {
    socket: Socket,
    at: i32,
    seen: Seen,
}

impl Actor for Player {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.seen.push("started");
        // Emits by itself, as long as it lives.
        ctx.run_interval(ms(10), |player, ctx| {
            let (socket, at) = (player.socket.clone(), player.at);
            let tick = async move { socket.volatile().emit("tick", &at).await };
            ctx.spawn(tick.into_actor(player).map(|_, _, _| ()));
        });
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.seen.push("stopped");
    }
}

impl Handler<FromSocket<Move>> for Player {
    type Result = i32;

    fn handle(&mut self, message: FromSocket<Move>, _: &mut Self::Context) -> i32 {
        self.at += message.data.by;
        self.at
    }
}

#[actix_web::test]
async fn one_per_socket_lives_and_dies_with_it() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_maker = seen.clone();
    io.of("/")
        .actor(move |socket| Player { socket, at: 0, seen: of_maker.clone() })
        .forward::<Player, Move>("move");
    let one = TestClient::connect(&io).await.unwrap();
    let two = TestClient::connect(&io).await.unwrap();
    assert_eq!(seen.wait(2).await, ["started", "started"]);
    assert_eq!(one.emit_with_ack::<i32, _>("move", &Move { by: 2 }).await.unwrap(), 2);
    assert_eq!(two.emit_with_ack::<i32, _>("move", &Move { by: 5 }).await.unwrap(), 5);
    while one.wait_for::<i32>("tick").await.unwrap() != 2 {}
    let socket = io.of("/").socket(one.id()).await.unwrap();
    let address = socket.actor::<Player>().unwrap();
    assert!(socket.actor::<Game>().is_none() && address.connected());
    one.close().await;
    assert_eq!(seen.wait(3).await[2], "stopped");
    until(|| !address.connected()).await;
    assert!(socket.actor::<Player>().is_none());
    assert_eq!(two.emit_with_ack::<i32, _>("move", &Move { by: 1 }).await.unwrap(), 6);
}

/// An actor for each room.
struct Table {
    name: String,
    seen: Seen,
    traffic: usize,
}

impl Actor for Table {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.seen.push(format!("{} started", self.name));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.seen.push(format!("{} stopped", self.name));
    }
}

impl Handler<RoomEvent> for Table {
    type Result = ();

    fn handle(&mut self, event: RoomEvent, _: &mut Self::Context) {
        self.seen.push(match event {
            RoomEvent::Created { room } => format!("created {room}"),
            RoomEvent::Joined { room, .. } => format!("joined {room}"),
            RoomEvent::Left { room, .. } => format!("left {room}"),
            RoomEvent::Message { event, args, .. } => {
                self.traffic += 1;
                format!("{event} {}", args.deserialize::<i32>().unwrap())
            }
            RoomEvent::Deleted { room } => format!("deleted {room}"),
            other => format!("{other:?}"),
        });
    }
}

#[derive(Message)]
#[rtype(result = "usize")]
struct Traffic;

impl Handler<Traffic> for Table {
    type Result = usize;

    fn handle(&mut self, _: Traffic, _: &mut Self::Context) -> usize {
        self.traffic
    }
}

#[actix_web::test]
async fn one_per_room_sees_its_life_and_its_traffic() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_maker = seen.clone();
    io.of("/").rooms(move |room| Table { name: room.name().to_owned(), seen: of_maker.clone(), traffic: 0 });
    let (one, two) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    io.sockets_join("t").await;
    io.to("t").emit("deal", &1).await.unwrap();
    seen.wait(5).await;
    let table = io.of("/").room_actor::<Table>("t").await.unwrap();
    assert_eq!(table.send(Traffic).await.unwrap(), 1);
    assert!(io.of("/").room_actor::<Game>("t").await.is_none());
    assert!(io.of("/").room_actor::<Table>("none").await.is_none());
    assert_eq!(one.expect::<i32>("deal").await.unwrap(), 1);
    one.close().await;
    until(|| io.of("/").room_size_here("t") == 1).await;
    io.of("/").close_room("t").await;
    let life = [
        "t started",
        "created t",
        "joined t",
        "joined t",
        "deal 1",
        "left t",
        "left t",
        "deleted t",
        "t stopped",
    ];
    assert_eq!(seen.wait(9).await, life);
    assert!(io.of("/").room_actor::<Table>("t").await.is_none());
    assert!(two.is_connected());
}

/// An actor of the application that knows nothing of sockets but a namespace.
struct Clock {
    namespace: Namespace,
}

impl Actor for Clock {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(Duration::from_millis(5), |clock, ctx| {
            let namespace = clock.namespace.clone();
            let strike = async move { namespace.to("hall").emit("strike", &1).await };
            ctx.spawn(strike.into_actor(clock).map(|result, _, _| result.unwrap()));
        });
    }
}

#[actix_web::test]
async fn any_actor_may_emit() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    io.sockets_join("hall").await;
    let _clock = Clock { namespace: io.of("/") }.start();
    for _ in 0..3 {
        client.expect::<i32>("strike").await.unwrap();
    }
}

//! Events handled by actors of your own: one for the whole server, one per socket, one per room.
//!
//! `cargo run --example user_actors`

use actix::prelude::*;
use actix_socketio::{Data, FromSocket, RoomEvent, RoomHandle, Socket, SocketIo};
use actix_web::App;
use serde::Deserialize;

/// The arguments of an event. As a message its result is the acknowledgement.
#[derive(Deserialize, Message)]
#[rtype(result = "u64")]
struct Add(u64);

/// One actor for everybody.
#[derive(Default)]
struct Total(u64);

impl Actor for Total {
    type Context = Context<Self>;
}

impl Handler<FromSocket<Add>> for Total {
    type Result = u64;

    fn handle(&mut self, add: FromSocket<Add>, _: &mut Context<Self>) -> u64 {
        self.0 += add.data.0;
        self.0
    }
}

/// One actor per socket: lives and dies with it, so its state needs no map and no lock.
struct Player(u64);

impl Actor for Player {
    type Context = Context<Self>;
}

impl Handler<FromSocket<Add>> for Player {
    type Result = u64;

    fn handle(&mut self, add: FromSocket<Add>, _: &mut Context<Self>) -> u64 {
        self.0 += add.data.0;
        self.0
    }
}

/// One actor per open room: sees who comes, who goes and what is broadcast.
struct Game {
    room: RoomHandle,
    players: usize,
}

impl Actor for Game {
    type Context = Context<Self>;
}

impl Handler<RoomEvent> for Game {
    type Result = ();

    fn handle(&mut self, event: RoomEvent, ctx: &mut Context<Self>) {
        match event {
            RoomEvent::Joined { .. } => self.players += 1,
            RoomEvent::Left { .. } => self.players -= 1,
            _ => return,
        }
        let (room, players) = (self.room.clone(), self.players);
        let told = async move {
            if let Err(error) = room.emit("players", &players).await {
                eprintln!("{error}");
            }
        };
        // The next event waits until this one has been told.
        ctx.wait(told.into_actor(self));
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let io = SocketIo::new();
    io.of("/")
        .on("total", Total::default().start().recipient::<FromSocket<Add>>())
        .actor(|_socket| Player(0))
        .forward::<Player, Add>("add")
        .rooms(|room| Game { room, players: 0 })
        .on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room).await });

    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let mounted = io.clone();
    io.server(move || App::new().configure(|config| mounted.configure(config)))
        .bind(("127.0.0.1", port))?
        .run()
        .await
}

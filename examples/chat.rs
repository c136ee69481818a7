//! A chat in one file: open rooms, messages with an acknowledgement. Point any Socket.IO client at it.
//!
//! `cargo run --example chat`; in a browser or Node.js:
//! `const socket = io("http://127.0.0.1:3000/chat", { auth: { name: "Ada" } });`
//! `socket.emit("join", "lobby"); socket.emit("say", { room: "lobby", text: "hello" }, console.log);`

use actix_socketio::error::{EmitError, JoinError};
use actix_socketio::{Data, Socket, SocketIo};
use actix_web::App;
use serde::{Deserialize, Serialize};

/// What a client sends when it connects.
#[derive(Clone, Deserialize)]
struct User {
    name: String,
}

#[derive(Deserialize, Serialize)]
struct Message {
    room: String,
    text: String,
}

async fn join(socket: Socket, Data(room): Data<String>) -> Result<&'static str, JoinError> {
    socket.join(room).await?;
    Ok("welcome")
}

async fn say(socket: Socket, Data(message): Data<Message>) -> Result<&'static str, EmitError> {
    let name = socket.data().get::<User>().map(|user| user.name);
    socket.to(&*message.room).emit("said", &(name, message.text)).await?;
    Ok("delivered")
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    let io = SocketIo::new();
    // An auth payload that is not a `User` is refused with CONNECT_ERROR.
    io.of("/chat")
        .middleware(|socket: Socket, Data(user): Data<User>| async move {
            socket.data().set(user);
        })
        .on("join", join)
        .on("say", say);

    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let mounted = io.clone();
    io.server(move || App::new().configure(|config| mounted.configure(config)))
        .bind(("127.0.0.1", port))?
        .run()
        .await
}

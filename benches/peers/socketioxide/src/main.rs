//! The testbed's events on socketioxide and axum, as its documentation shows them. `PORT` as the testbed's; with `REDIS_URL` it
//! is a node of a cluster.

use std::error::Error;

use axum::Router;
use axum::serve::ListenerExt;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide_redis::drivers::redis::redis_client;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use tokio::net::TcpListener;

async fn connected<A: Adapter>(socket: SocketRef<A>, TryData(auth): TryData<Value>) {
    socket.emit("auth", &auth.unwrap_or_else(|_| json!({}))).ok();
    socket.on("echo", echo::<A>);
    socket.on("join", join::<A>);
    socket.on("leave", leave::<A>);
    socket.on("bcast", bcast::<A>);
}

async fn echo<A: Adapter>(Data(argument): Data<Value>, ack: AckSender<A>) {
    ack.send(&argument).ok();
}

async fn join<A: Adapter>(socket: SocketRef<A>, Data(room): Data<String>, ack: AckSender<A>) {
    socket.join(room);
    ack.send("ok").ok();
}

async fn leave<A: Adapter>(socket: SocketRef<A>, Data(room): Data<String>, ack: AckSender<A>) {
    socket.leave(room);
    ack.send("ok").ok();
}

async fn bcast<A: Adapter>(io: SocketIo<A>, Data((room, payload)): Data<(String, Value)>) {
    io.to(room).emit("msg", &payload).await.ok();
}

async fn serve(app: Router) -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| {
        // refused by a peer that is gone already
        stream.set_nodelay(true).ok();
    });
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        let client = redis_client::Client::open(format!("{url}?protocol=resp3"))?;
        let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
        let (layer, io) = SocketIo::builder().with_adapter::<RedisAdapter<_>>(adapter).build_layer();
        io.ns("/", connected).await?;
        serve(Router::new().layer(layer)).await
    } else {
        let (layer, io) = SocketIo::new_layer();
        io.ns("/", connected);
        serve(Router::new().layer(layer)).await
    }
}

//! Socket.IO inside an existing Actix application: its own `HttpServer`, and handlers that emit.
//!
//! `cargo run --example actix_app`, then `curl -d 'lunch is ready' http://127.0.0.1:3000/announce/kitchen`

use std::time::Duration;

use actix_socketio::{Data, Socket, SocketIo, embed};
use actix_web::{App, HttpResponse, HttpServer, Responder, error, web};

/// Emits to everybody in the room, and answers with how many have acknowledged within a second.
async fn announce(
    io: web::Data<SocketIo>,
    room: web::Path<String>,
    text: String,
) -> actix_web::Result<impl Responder> {
    let operator = io.to(room.as_str()).timeout(Duration::from_secs(1));
    let acks = operator.emit_with_ack::<String, _>("news", &text).await.map_err(error::ErrorBadRequest)?;
    let who: Vec<&str> = acks.answers.iter().map(|answer| &*answer.data).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "heard": who })))
}

async fn people(io: web::Data<SocketIo>, room: web::Path<String>) -> impl Responder {
    let sockets = io.to(room.as_str()).fetch_sockets().await;
    web::Json(sockets.into_iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let io = SocketIo::new();
    io.of("/").on("join", |socket: Socket, Data(room): Data<String>| async move {
        socket.join(room).await.map(|_| "ok")
    });

    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let mounted = io.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(mounted.clone()))
            .configure(|config| mounted.configure(config))
            .route("/announce/{room}", web::post().to(announce))
            .route("/people/{room}", web::get().to(people))
    });
    embed(server, &io).bind(("127.0.0.1", port))?.run().await
}

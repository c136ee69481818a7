//! The server that outside clients, suites and load generators are pointed at.

use std::time::Duration;

use actix_socketio::DisconnectReason;
use actix_socketio::config::{CorsConfig, EngineConfig, Origins};
use actix_socketio::engine::{ConnectionHandle, ConnectionHandler, Engine, Incoming};
use actix_socketio::server::Server;
use actix_web::{App, HttpServer};

struct Echo(ConnectionHandle);

impl ConnectionHandler for Echo {
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason> {
        match message {
            Incoming::Text(text) => self.0.send_text(text),
            Incoming::Binary(bytes) => self.0.send_binary(&bytes.into_bytes()),
        };
        Ok(())
    }

    fn on_close(&mut self, _: DisconnectReason) {}
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut config = EngineConfig::default();
    config.ping_interval = Duration::from_millis(number("PING_INTERVAL", 25_000));
    config.ping_timeout = Duration::from_millis(number("PING_TIMEOUT", 20_000));
    config.upgrade_timeout = Duration::from_millis(number("UPGRADE_TIMEOUT", 10_000));
    config.max_http_buffer_size = number("MAX_PAYLOAD", 1_000_000) as usize;
    config.allow_eio3 = number("EIO3", 1) == 1;
    let mut cors = CorsConfig::default();
    cors.origins = Origins::Any;
    cors.credentials = true;
    config.cors = Some(cors);
    let engine = Engine::builder().config(config).build(|handle| Box::new(Echo(handle))).unwrap();
    let port = number("PORT", 3000);
    let workers = number("WORKERS", 1) as usize;
    println!("listening on http://127.0.0.1:{port}");
    let app = move || App::new().configure(|cfg| engine.configure(cfg));
    if std::env::var("TRANSPORT").as_deref() == Ok("embedded") {
        HttpServer::new(app)
            .workers(workers)
            .h1_allow_half_closed(false)
            .bind(("127.0.0.1", port as u16))?
            .run()
            .await
    } else {
        Server::new(app).workers(workers).bind(("127.0.0.1", port as u16))?.run().await
    }
}

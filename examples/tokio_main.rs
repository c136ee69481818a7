//! Under tokio's own runtime: no `System`, no `#[actix_web::main]`. The workers bring their threads along, and the
//! handle works from any task.
//!
//! `cargo run --example tokio_main`

use std::time::Duration;

use actix_socketio::SocketIo;
use actix_web::App;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let io = SocketIo::new();
    io.of("/").on("double", |number: actix_socketio::Data<i64>| async move { number.0.saturating_mul(2) });

    let ticker = io.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(250));
        for tick in 0u64.. {
            interval.tick().await;
            if let Err(error) = ticker.emit("tick", &tick).await {
                eprintln!("{error}");
            }
        }
    });

    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let mounted = io.clone();
    io.server(move || App::new().configure(|config| mounted.configure(config)))
        .bind(("127.0.0.1", port))?
        .run()
        .await
}

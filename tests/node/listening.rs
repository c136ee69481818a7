//! How a node listens.

use std::time::Instant;

use crate::ms;
use crate::program::Program;
use crate::support::Http;

#[tokio::test]
async fn idle_connections_are_closed_when_they_have_been_for_long_enough() {
    let node = Program::spawn(&["--port", "0"], &[("SOCKETIO_SERVER_KEEP_ALIVE", "1s")]);
    let mut http = Http::connect(&node.address().await).await;
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400);
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400, "the same connection");
    let begin = Instant::now();
    assert!(http.is_closed().await);
    let idle = begin.elapsed();
    assert!(idle > ms(500) && idle < ms(10_000), "{idle:?}");
}

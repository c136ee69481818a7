//! TLS on the server helper, whose native websockets cannot change threads there.

use crate::support::engine::engine;
use crate::support::server::Options;
use crate::support::{Frame, Polling, TestServer, Transport, Variant, Ws, tls};

fn start(workers: usize) -> (TestServer, crate::support::engine::Log) {
    let (engine, log) = engine(|_| {}, |builder| builder);
    let options = Options { tls: Some(tls::server_config()), ..Options::default() };
    let variant = Variant { transport: Transport::Native, workers, relayed: false };
    (TestServer::start(variant, options, move |config| engine.configure(config)), log)
}

async fn polling_over_tls(workers: usize) {
    let (server, log) = start(workers);
    let polling = Polling::open(&server.address).await;
    polling.send("4hello").await;
    assert_eq!(polling.poll().await, ["4hello"]);
    assert!(log.handle(&polling.sid).await.request().is_secure());
}

async fn a_websocket_over_tls(workers: usize) {
    let (server, log) = start(workers);
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=4&transport=websocket").await;
    let json: serde_json::Value = serde_json::from_str(&ws.text().await[1..]).unwrap();
    let handle = log.handle(json["sid"].as_str().unwrap()).await;
    assert!(handle.request().is_secure());
    for length in [1, 1_000, 100_000, 900_000] {
        let text = format!("4{}", "x".repeat(length));
        ws.send(&text).await;
        assert_eq!(ws.text().await, text);
    }
    // From another thread, more than one write takes.
    let message = "y".repeat(100_000);
    for _ in 0..20 {
        assert!(handle.send_text(&message));
        handle.room().await;
    }
    for _ in 0..20 {
        assert_eq!(ws.text().await.len(), message.len() + 1);
    }
    ws.close(1000).await;
    assert_eq!(ws.receive().await, Frame::Close(Some(1000)));
}

/// With several workers most of these websockets are accepted on another thread than their session's.
async fn upgrades_over_tls(workers: usize) {
    let (server, log) = start(workers);
    let mut crossed = 0;
    for _ in 0..6 {
        let polling = Polling::open(&server.address).await;
        let mut ws = polling.upgrade().await;
        if ws.response.header("x-thread") != polling.response.header("x-thread") {
            crossed += 1;
        }
        for number in 0..50 {
            let text = format!("4{number} {}", "x".repeat(2_000));
            ws.send(&text).await;
            assert_eq!(ws.text().await, text);
        }
        let handle = log.handle(&polling.sid).await;
        assert!(handle.send_text(&"z".repeat(800_000)));
        assert_eq!(ws.text().await.len(), 800_001);
        ws.close(1000).await;
        assert_eq!(ws.closed().await, Some(1000));
    }
    assert_eq!(crossed > 0, workers > 1, "{crossed} of 6 crossed threads");
}

#[tokio::test]
async fn polling_over_tls_1() {
    polling_over_tls(1).await;
}

#[tokio::test]
async fn polling_over_tls_3() {
    polling_over_tls(3).await;
}

#[tokio::test]
async fn a_websocket_over_tls_1() {
    a_websocket_over_tls(1).await;
}

#[tokio::test]
async fn a_websocket_over_tls_3() {
    a_websocket_over_tls(3).await;
}

#[tokio::test]
async fn upgrades_over_tls_1() {
    upgrades_over_tls(1).await;
}

#[tokio::test]
async fn upgrades_over_tls_3() {
    upgrades_over_tls(3).await;
}

//! A graceful stop: transports are closed, namespaces are not, so that clients come back by themselves.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_socketio::{DisconnectReason, Socket, SocketIo};

use crate::support::http::get;
use crate::support::{EngineServer, Frame, IoServer, Polling, Variant, Ws, matrix};

matrix![
    websockets_are_closed_with_1001_and_polls_with_a_close_packet,
    sockets_learn_the_reason_and_clients_no_disconnect_packet,
    a_closing_server_refuses_new_sessions,
    a_stop_ends_in_good_time,
];

async fn websockets_are_closed_with_1001_and_polls_with_a_close_packet(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=4&transport=websocket").await;
    assert!(ws.text().await.starts_with("0{"));
    let upgraded = Polling::open(&server.address).await;
    let mut upgraded = upgraded.upgrade().await;
    upgraded.send("4hello").await;
    assert_eq!(upgraded.text().await, "4hello");
    let waiting = Polling::open(&server.address).await;
    let mut poll = waiting.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = server.log.clone();
    let stopping = tokio::spawn(server.server.stop());
    for ws in [&mut ws, &mut upgraded] {
        assert_eq!(ws.receive().await, Frame::Close(Some(1001)));
        ws.close(1001).await;
        assert_eq!(ws.receive().await, Frame::End);
    }
    assert_eq!(poll.receive().await.packets(), ["1"]);
    stopping.await.unwrap();
    let records = log.lock();
    assert_eq!(records.len(), 3);
    for record in records.values() {
        assert_eq!((record.reason, record.closes), (Some(DisconnectReason::ServerShuttingDown), 1));
    }
}

async fn sockets_learn_the_reason_and_clients_no_disconnect_packet(variant: Variant) {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let io = SocketIo::new();
    let sink = reasons.clone();
    io.of("/").on_disconnect(move |_: Socket, reason: DisconnectReason| {
        let sink = sink.clone();
        async move { sink.lock().unwrap().push(reason.as_str()) }
    });
    let server = IoServer::start(variant, io);
    let mut ws = server.connect().await;
    let polling = Polling::open_at(&server.address, "/socket.io/", "").await;
    polling.send("40").await;
    assert!(polling.poll().await[0].starts_with(r#"40{"sid""#));
    let mut poll = polling.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(server.server.stop());
    assert_eq!(ws.receive().await, Frame::Close(Some(1001)), "and no 41 before it");
    assert_eq!(poll.receive().await.packets(), ["1"], "and no 41 before it");
    drop(ws);
    stopping.await.unwrap();
    assert_eq!(*reasons.lock().unwrap(), ["server shutting down"; 2]);
}

async fn a_closing_server_refuses_new_sessions(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let engine = server.engine.clone();
    // A session that nobody polls keeps the close waiting, so that it is still under way below.
    let closing = tokio::spawn(async move {
        engine.close(DisconnectReason::ServerShuttingDown, Duration::ZERO, Duration::from_secs(60)).await;
    });
    server.log.reason(&polling.sid).await;
    let target = "/engine.io/?EIO=4&transport=polling";
    get(&server.address, target).await.assert_error(503, 4, "Service unavailable");
    let target = "/engine.io/?EIO=4&transport=websocket";
    let refusal = Ws::try_open(&server.address, target, &[]).await.err().expect("a refusal");
    refusal.assert_error(503, 4, "Service unavailable");
    assert_eq!(polling.poll().await, ["1"], "the end is still delivered");
    closing.await.unwrap();
    assert_eq!(server.engine.connection_count(), 0);
}

/// Clients that do not answer the close frame, or are stuck, do not hold up the stop.
async fn a_stop_ends_in_good_time(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = 256 * 1024 * 1024);
    let mut silent = Ws::open(&server.address, "/engine.io/?EIO=4&transport=websocket").await;
    assert!(silent.text().await.starts_with("0{"));
    let polling = Polling::open(&server.address).await;
    let stuck = polling.upgrade().await;
    let handle = server.log.handle(&polling.sid).await;
    let message = "x".repeat(1_000_000);
    for _ in 0..40 {
        handle.send_text(&message);
    }
    let idle = Polling::open(&server.address).await;
    let begin = Instant::now();
    server.server.stop().await;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop((silent, stuck, idle));
}

//! Clients that do not read: what waits for them is bounded, and nobody else notices.

use std::time::{Duration, Instant};

use actix_socketio::engine::ConnectionHandle;
use actix_socketio::{DisconnectReason, Socket, SocketIo};

use crate::support::{
    EngineServer, Frame, IoServer, PATIENCE, Polling, Variant, Ws, matrix, matrix_and_relayed,
};

matrix_and_relayed![
    a_websocket_client_that_does_not_read_is_closed,
    a_polling_client_that_does_not_poll_is_closed,
    what_waits_too_long_closes,
    pings_without_reading_the_pongs_are_bounded,
    the_smallest_pings_without_reading_cost_nobody_else_anything,
];

matrix![
    volatile_messages_are_dropped_first,
    a_volatile_message_is_dropped_when_it_would_wait,
    a_single_message_over_the_bound_passes,
    emit_waits_for_room,
];

const BOUND: usize = 64 * 1024;
/// More than the kernel's buffers of one connection take.
const FLOOD: usize = 64 * 1024 * 1024;

async fn open(server: &EngineServer) -> (Ws, ConnectionHandle, String) {
    let (ws, sid) = server.websocket().await;
    (ws, server.log.handle(&sid).await, sid)
}

/// Sends as fast as the client takes it, up to [`FLOOD`]; the most bytes that were ever queued.
async fn flood(handle: &ConnectionHandle) -> usize {
    let message = "x".repeat(10_000);
    let (mut sent, mut most) = (0, 0);
    let begin = Instant::now();
    while sent < FLOOD && begin.elapsed() < PATIENCE {
        if handle.is_closed() {
            return most;
        }
        if handle.queued_bytes() < BOUND / 2 {
            handle.send_text(&message);
            sent += message.len();
            most = most.max(handle.queued_bytes());
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // The client is stuck: now it is sent more than it may leave waiting.
            if begin.elapsed() > Duration::from_secs(2) {
                handle.send_text(&message);
                most = most.max(handle.queued_bytes());
            }
        }
    }
    panic!("the client was never closed: {sent} bytes sent, {} queued", handle.queued_bytes());
}

async fn a_websocket_client_that_does_not_read_is_closed(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = BOUND);
    let (mut other, ..) = open(&server).await;
    let (ws, handle, sid) = open(&server).await;
    let most = flood(&handle).await;
    assert!(most <= 2 * BOUND + 10_100, "{most} bytes were queued");
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportError);
    assert_eq!(server.log.of(&sid).closes, 1);
    other.send("4unhurt").await;
    assert_eq!(other.text().await, "4unhurt");
    drop(ws);
}

async fn a_polling_client_that_does_not_poll_is_closed(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = BOUND);
    let other = Polling::open(&server.address).await;
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    let message = "x".repeat(1_000);
    let mut most = 0;
    for _ in 0..1_000 {
        handle.send_text(&message);
        most = most.max(handle.queued_bytes());
    }
    assert!(most <= 2 * BOUND + 1_100, "{most} bytes were queued");
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    polling.gone().await;
    other.send("4unhurt").await;
    assert_eq!(other.poll().await, ["4unhurt"]);

    // A little over the bound, and then nothing more: the verdict falls all the same.
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    for _ in 0..70 {
        handle.send_text(&message);
    }
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
}

async fn what_waits_too_long_closes(variant: Variant) {
    let server = EngineServer::start(variant, |config| {
        config.outbox_age = Duration::from_millis(300);
        config.ping_interval = Duration::from_millis(500);
        config.ping_timeout = Duration::from_secs(60);
        config.outbox_bytes = 2 * FLOOD;
    });
    let polling = Polling::open(&server.address).await;
    server.log.handle(&polling.sid).await.send_text("never fetched");
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    let (ws, handle, sid) = open(&server).await;
    let message = "x".repeat(1_000_000);
    for _ in 0..FLOOD / message.len() {
        handle.send_text(&message);
    }
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportError);
    drop(ws);
}

async fn pings_without_reading_the_pongs_are_bounded(variant: Variant) {
    use tokio::io::AsyncWriteExt as _;

    let server = EngineServer::start(variant, |config| {
        config.outbox_bytes = BOUND;
        config.ping_interval = Duration::from_secs(3);
        config.ping_timeout = Duration::from_secs(2);
    });
    let (mut ws, handle, sid) = open(&server).await;
    let pings = crate::support::ws::frame(0x89, &[7; 125]).repeat(1_000);
    let mut most = 0;
    let begin = Instant::now();
    while !handle.is_closed() && begin.elapsed() < PATIENCE {
        let write = ws.http.io().write_all(&pings);
        if let Ok(Err(_)) = tokio::time::timeout(Duration::from_millis(100), write).await {
            break;
        }
        most = most.max(handle.queued_bytes());
    }
    assert!(most <= 2 * BOUND + 1_000, "{most} bytes were queued");
    // Embedded, a client that does not read is not read either, until it misses its heartbeat.
    let reason = server.log.reason(&sid).await;
    assert!(matches!(reason, DisconnectReason::TransportError | DisconnectReason::PingTimeout), "{reason}");
}

/// There are many of them in a megabyte.
async fn the_smallest_pings_without_reading_cost_nobody_else_anything(variant: Variant) {
    use tokio::io::AsyncWriteExt as _;

    let server = EngineServer::start(variant, |config| {
        config.ping_interval = Duration::from_secs(3);
        config.ping_timeout = Duration::from_secs(2);
    });
    let (mut ws, handle, sid) = open(&server).await;
    let pings = crate::support::ws::frame(0x89, &[]).repeat(10_000);
    let begin = Instant::now();
    // The kernel has no more room for what is sent to it.
    let message = "x".repeat(10_000);
    while handle.queued_bytes() < 500_000 {
        handle.send_text(&message);
        if handle.queued_bytes() > 100_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // 12 MB, until it is closed, or (embedded) not read any more.
    for _ in 0..200 {
        let write = ws.http.io().write_all(&pings);
        match tokio::time::timeout(Duration::from_secs(1), write).await {
            Ok(Ok(())) => assert!(handle.queued_bytes() < 3 * 1024 * 1024),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    let (mut other, other_sid) = server.websocket().await;
    other.ping(b"anybody there?").await;
    assert_eq!(other.receive().await, Frame::Pong(b"anybody there?".to_vec()));
    assert_ne!(other_sid, sid);
    assert!(begin.elapsed() < PATIENCE, "its thread was busy with it for {:?}", begin.elapsed());
    let reason = server.log.reason(&sid).await;
    assert!(matches!(reason, DisconnectReason::TransportError | DisconnectReason::PingTimeout), "{reason}");
}

async fn volatile_messages_are_dropped_first(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = BOUND);
    let (mut ws, handle, sid) = open(&server).await;
    // From another thread, as fast as it goes: some wait, some are dropped, and none of it closes the client.
    let volatile = std::sync::Arc::new(actix_socketio::engine::Message::text(&"v".repeat(10_000)));
    for number in 0..20 {
        for _ in 0..20 {
            handle.send(volatile.clone(), true);
        }
        assert!(handle.send_text(&number.to_string()), "messages that are not volatile are taken");
    }
    let mut received = Vec::new();
    while received.len() < 20 {
        let text = ws.text().await;
        if !text.starts_with("4v") {
            received.push(text);
        }
    }
    assert_eq!(received, (0..20).map(|number| format!("4{number}")).collect::<Vec<_>>());
    assert_eq!(server.log.of(&sid).closes, 0);
}

async fn a_volatile_message_is_dropped_when_it_would_wait(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = 2 * FLOOD);
    let volatile = std::sync::Arc::new(actix_socketio::engine::Message::text("volatile"));
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    assert!(!handle.send(volatile.clone(), true), "no poll is waiting");
    handle.send_text("ordinary");
    assert_eq!(polling.poll().await, ["4ordinary"]);
    let mut poll = polling.begin_poll().await;
    let begin = Instant::now();
    while !handle.send(volatile.clone(), true) {
        assert!(begin.elapsed() < PATIENCE, "a poll is waiting");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(poll.receive().await.packets(), ["4volatile"]);

    // A websocket whose kernel buffers are full.
    let (mut ws, handle, _) = open(&server).await;
    let message = "x".repeat(1_000_000);
    for _ in 0..FLOOD / message.len() {
        handle.send_text(&message);
    }
    let begin = Instant::now();
    while handle.send(volatile.clone(), true) {
        assert!(begin.elapsed() < PATIENCE, "the kernel never fills up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..FLOOD / message.len() {
        loop {
            match ws.receive().await {
                Frame::Text(text) if text == "4volatile" || text == "2" => {}
                Frame::Text(text) => break assert_eq!(text.len(), message.len() + 1),
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn a_single_message_over_the_bound_passes(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.outbox_bytes = BOUND);
    let message = "x".repeat(5_000_000);
    let (mut ws, handle, _) = open(&server).await;
    assert!(handle.send_text(&message));
    assert_eq!(ws.text().await.len(), message.len() + 1);
    handle.send_text("after");
    assert_eq!(ws.text().await, "4after");
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    assert!(handle.send_text(&message));
    assert_eq!(polling.poll().await[0].len(), message.len() + 1);
    handle.send_text("after");
    assert_eq!(polling.poll().await, ["4after"]);
}

/// A handler that emits far more than the outbox holds is slowed down to its client's pace.
async fn emit_waits_for_room(variant: Variant) {
    const EVENTS: usize = 600;
    let mut config = actix_socketio::config::EngineConfig::default();
    config.path = "/socket.io/".to_owned();
    config.outbox_bytes = BOUND;
    let io = SocketIo::builder().engine_config(config).build();
    io.of("/").on("flood", |socket: Socket| async move {
        let filling = "x".repeat(10_000);
        for number in 0..EVENTS {
            socket.emit("event", &(number, &filling)).await.expect("the client reads, if slowly");
        }
    });
    let server = IoServer::start(variant, io);
    let mut ws = server.connect().await;
    ws.send(r#"42["flood"]"#).await;
    for number in 0..EVENTS {
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let text = ws.text().await;
        assert!(text.starts_with(&format!(r#"42["event",{number},"#)), "{}", &text[..40]);
    }

    let polling = Polling::open_at(&server.address, "/socket.io/", "").await;
    polling.send("40").await;
    polling.send(r#"42["flood"]"#).await;
    let mut received = Vec::new();
    while received.len() < EVENTS {
        let packets = polling.poll().await;
        received.extend(packets.into_iter().filter(|packet| packet.starts_with("42")));
    }
    for (number, packet) in received.iter().enumerate() {
        assert!(packet.starts_with(&format!(r#"42["event",{number},"#)), "{}", &packet[..40]);
    }
}

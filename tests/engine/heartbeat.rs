//! Signs of life.

use std::time::{Duration, Instant};

use actix_socketio::{DisconnectReason, SocketIo};

use crate::support::http::request;
use crate::support::{EngineServer, Frame, IoServer, Polling, Variant, Ws, matrix};

matrix![
    the_server_pings_and_a_pong_keeps_the_session,
    a_polling_session_is_pinged_too,
    no_pong_is_a_ping_timeout,
    messages_are_no_pong,
    a_ping_from_the_client_is_the_wrong_direction,
    at_exactly_interval_and_timeout_the_session_is_gone,
    a_post_cannot_revive_an_expired_session,
    the_ping_after_an_upgrade_goes_over_the_websocket,
    a_ping_does_not_put_off_a_deadline,
    a_client_of_revision_3_pings,
    a_silent_client_of_revision_3_times_out,
    a_pong_of_revision_3_is_the_wrong_direction,
];

const OPEN_WS: &str = "/engine.io/?EIO=4&transport=websocket";

fn sid(open: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    json["sid"].as_str().unwrap().to_owned()
}

fn timers(interval: u64, timeout: u64) -> impl FnOnce(&mut actix_socketio::config::EngineConfig) {
    move |config| {
        config.ping_interval = Duration::from_millis(interval);
        config.ping_timeout = Duration::from_millis(timeout);
    }
}

async fn the_server_pings_and_a_pong_keeps_the_session(variant: Variant) {
    let server = EngineServer::start(variant, timers(100, 10_000));
    let begin = Instant::now();
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let sid = sid(&ws.text().await);
    for round in 1..=5u32 {
        assert_eq!(ws.text().await, "2");
        assert!(begin.elapsed() >= Duration::from_millis(95) * round, "an interval apart");
        ws.send("3").await;
    }
    ws.send("4alive").await;
    assert_eq!(ws.text().await, "4alive");
    assert_eq!(server.log.of(&sid).closes, 0);
}

async fn a_polling_session_is_pinged_too(variant: Variant) {
    let server = EngineServer::start(variant, timers(150, 10_000));
    let polling = Polling::open(&server.address).await;
    for _ in 0..3 {
        assert_eq!(polling.poll().await, ["2"]);
        polling.send("3").await;
    }
    polling.send("4alive").await;
    assert_eq!(polling.poll().await[0], "4alive");
}

async fn no_pong_is_a_ping_timeout(variant: Variant) {
    let server = EngineServer::start(variant, timers(100, 200));
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let begin = Instant::now();
    let sid = sid(&ws.text().await);
    assert_eq!(ws.text().await, "2");
    assert_eq!(ws.closed().await, Some(1000));
    assert!(begin.elapsed() >= Duration::from_millis(250), "not before both are over");
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::PingTimeout);
    assert_eq!(server.log.of(&sid).closes, 1);

    let polling = Polling::open(&server.address).await;
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::PingTimeout);
    polling.gone().await;
    assert_eq!(server.engine.connection_count(), 0);
}

async fn messages_are_no_pong(variant: Variant) {
    let server = EngineServer::start(variant, timers(200, 300));
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let sid = sid(&ws.text().await);
    // Whatever else is said: the ping stays unanswered.
    let chatter = async {
        loop {
            ws.send("4chatter").await;
            if matches!(ws.receive().await, Frame::Close(_) | Frame::End) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::support::within("a ping timeout", chatter).await;
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::PingTimeout);
}

async fn a_ping_from_the_client_is_the_wrong_direction(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let sid = sid(&ws.text().await);
    ws.send("2").await;
    ws.ended().await;
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportError);
    let polling = Polling::open(&server.address).await;
    polling.post("2").await;
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
}

/// The poll is already open when the moment comes, and another one arrives right at it: timers that fire late
/// must not let it in.
async fn at_exactly_interval_and_timeout_the_session_is_gone(variant: Variant) {
    let server = EngineServer::start(variant, timers(150, 150));
    for _ in 0..10 {
        let polling = Polling::open(&server.address).await;
        let answered = Instant::now();
        // The last sign of life lies before the answer to the handshake.
        tokio::time::sleep_until((answered + Duration::from_millis(300)).into()).await;
        polling.assert_gone().await;
        assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::PingTimeout);
    }
}

async fn a_post_cannot_revive_an_expired_session(variant: Variant) {
    let server = EngineServer::start(variant, timers(150, 150));
    let polling = Polling::open(&server.address).await;
    let answered = Instant::now();
    tokio::time::sleep_until((answered + Duration::from_millis(300)).into()).await;
    polling.post("3").await.assert_error(400, 1, "Session ID unknown");
    polling.assert_gone().await;
}

async fn the_ping_after_an_upgrade_goes_over_the_websocket(variant: Variant) {
    let server = EngineServer::start(variant, timers(1_000, 10_000));
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.upgrade().await;
    for _ in 0..2 {
        assert_eq!(ws.text().await, "2");
        ws.send("3").await;
    }
}

/// The timer that looks for the pong also minds the deadline of the layer above, which lies before it.
async fn a_ping_does_not_put_off_a_deadline(variant: Variant) {
    let io = SocketIo::builder()
        .ping_interval(Duration::from_secs(2))
        .ping_timeout(Duration::from_secs(20))
        .connect_timeout(Duration::from_millis(2_300))
        .build();
    let server = IoServer::start(variant, io);
    let mut ws = server.open().await;
    let begin = Instant::now();
    assert_eq!(ws.text().await, "2");
    ws.ended().await;
    assert!(begin.elapsed() < Duration::from_millis(3_800), "{:?}", begin.elapsed());
}

async fn a_client_of_revision_3_pings(variant: Variant) {
    let server = EngineServer::start(variant, |config| {
        timers(100, 1_500)(config);
        config.allow_eio3 = true;
    });
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=3&transport=websocket").await;
    assert!(ws.text().await.starts_with("0{"));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2_500) {
        ws.send("2").await;
        assert_eq!(ws.text().await, "3", "and never a ping of the server's");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ws.send("2with data").await;
    assert_eq!(ws.text().await, "3with data");
    let polling = Polling::open_v3(&server.address, "/engine.io/", "").await;
    polling.send("1:2").await;
    assert_eq!(polling.get().await.text(), "1:3");
}

async fn a_silent_client_of_revision_3_times_out(variant: Variant) {
    let server = EngineServer::start(variant, |config| {
        timers(100, 200)(config);
        config.allow_eio3 = true;
    });
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=3&transport=websocket").await;
    let sid = sid(&ws.text().await);
    assert_eq!(ws.receive().await, Frame::Close(Some(1000)));
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::PingTimeout);
}

async fn a_pong_of_revision_3_is_the_wrong_direction(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.allow_eio3 = true);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "").await;
    let target = polling.target("polling");
    request(&server.address, "POST", &target, &[], b"1:3").await;
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
}

//! From polling to a websocket.

use std::time::{Duration, Instant};

use actix_socketio::DisconnectReason;

use crate::support::{EngineServer, Frame, Polling, Variant, Ws, eventually, matrix_and_relayed};

matrix_and_relayed![
    the_probe_releases_a_waiting_poll_at_once,
    every_poll_is_answered_at_once_until_the_upgrade_packet,
    after_the_upgrade_polls_are_refused,
    what_was_queued_for_polling_follows_on_the_websocket,
    messages_of_both_directions_survive_the_upgrade,
    a_wrong_probe_leaves_polling_alive_and_upgradable,
    an_abandoned_probe_leaves_polling_alive_and_upgradable,
    an_upgrade_without_probe_is_refused,
    the_upgrade_timeout_leaves_polling_alive_and_upgradable,
    a_second_probe_is_refused,
    a_probe_of_a_websocket_session_is_refused,
    a_probing_websocket_cannot_send_messages,
    a_probing_websocket_that_only_pings_is_bounded,
    closing_while_a_probe_is_open_closes_both,
    a_websocket_frame_may_come_with_the_handshake,
];

async fn the_probe_releases_a_waiting_poll_at_once(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut poll = polling.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut ws = polling.probe().await;
    let begin = Instant::now();
    assert_eq!(poll.receive().await.packets(), ["6"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "long before the next ping");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

async fn every_poll_is_answered_at_once_until_the_upgrade_packet(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.probe().await;
    for _ in 0..5 {
        assert_eq!(polling.poll().await, ["6"]);
    }
    // Posts go on meanwhile.
    polling.send("4posted").await;
    assert_eq!(polling.poll().await, ["4posted"], "polling is still the transport");
    assert_eq!(polling.poll().await, ["6"]);
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

async fn after_the_upgrade_polls_are_refused(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.upgrade().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    polling.get().await.assert_error(400, 3, "Bad request");
    polling.post("4x").await.assert_error(400, 3, "Bad request");
    ws.send("4unhurt").await;
    assert_eq!(ws.text().await, "4unhurt");
    let handle = server.log.handle(&polling.sid).await;
    assert_eq!(handle.transport().as_str(), "websocket");
}

async fn what_was_queued_for_polling_follows_on_the_websocket(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    let mut ws = polling.probe().await;
    for number in 0..100 {
        assert!(handle.send_text(&number.to_string()));
    }
    ws.send("5").await;
    for number in 0..100 {
        assert_eq!(ws.text().await, format!("4{number}"));
    }
}

/// Numbered messages in both directions, from before the probe until after the upgrade, over many sessions:
/// each arrives once and in order, wherever the switch falls.
async fn messages_of_both_directions_survive_the_upgrade(variant: Variant) {
    const MESSAGES: usize = 300;
    const SESSIONS: usize = 12;
    let server = EngineServer::start(variant, |_| {});
    for session in 0..SESSIONS {
        let polling = Polling::open(&server.address).await;
        let handle = server.log.handle(&polling.sid).await;
        let sender = tokio::task::spawn_blocking(move || {
            for number in 0..MESSAGES {
                assert!(handle.send_text(&format!("down {number}")));
                if number % 16 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let mut received = Vec::new();
        let mut sent = 0;
        let post = |sent: &mut usize, count: usize| {
            let packets: Vec<_> = (*sent..*sent + count).map(|number| format!("4!up {number}")).collect();
            *sent += count;
            packets.join("\x1e")
        };
        for _ in 0..session % 4 {
            polling.send(&post(&mut sent, 7)).await;
            received.extend(polling.poll().await);
        }
        // As the real client does: polling goes on until the probe is answered, then the poll under way is
        // awaited, then comes the upgrade packet.
        let mut poll = polling.begin_poll().await;
        let mut ws = polling.websocket().await;
        ws.send("2probe").await;
        polling.send(&post(&mut sent, 20)).await;
        assert_eq!(ws.text().await, "3probe");
        received.extend(poll.receive().await.packets());
        if session % 2 == 0 {
            received.extend(polling.poll().await);
        }
        ws.send("5").await;
        while sent < MESSAGES {
            ws.send(&post(&mut sent, 1)).await;
        }
        received.retain(|packet| packet != "6");
        while received.len() < MESSAGES {
            received.push(ws.text().await);
        }
        let expected: Vec<_> = (0..MESSAGES).map(|number| format!("4down {number}")).collect();
        assert_eq!(received, expected, "session {session}");
        let log = server.log.clone();
        let texts = eventually("all messages", || {
            let texts = log.of(&polling.sid).texts;
            (texts.len() >= MESSAGES).then_some(texts)
        })
        .await;
        let expected: Vec<_> = (0..MESSAGES).map(|number| format!("!up {number}")).collect();
        assert_eq!(texts, expected, "session {session}");
        sender.await.unwrap();
        ws.close(1000).await;
        assert_eq!(ws.closed().await, Some(1000));
    }
}

async fn assert_polls_and_upgrades(server: &EngineServer, polling: &Polling) {
    polling.send("4polling").await;
    assert_eq!(polling.poll().await, ["4polling"]);
    // It is upgradable again as soon as the first websocket's end has been noticed.
    let mut ws = loop {
        let mut ws = polling.websocket().await;
        ws.send("2probe").await;
        match ws.receive().await {
            Frame::Text(text) => {
                assert_eq!(text, "3probe");
                break ws;
            }
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(polling.poll().await, ["6"]);
    ws.send("5").await;
    ws.send("4upgraded").await;
    assert_eq!(ws.text().await, "4upgraded");
    assert_eq!(server.log.of(&polling.sid).closes, 0);
}

async fn a_wrong_probe_leaves_polling_alive_and_upgradable(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for wrong in ["2wrong", "2", "3probe", "4hello", "probe", "", "1"] {
        let polling = Polling::open(&server.address).await;
        let mut ws = polling.websocket().await;
        ws.send(wrong).await;
        assert!(ws.closed().await.is_some(), "{wrong:?}");
        assert_polls_and_upgrades(&server, &polling).await;
    }
    // Broken frames end the websocket only.
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.websocket().await;
    ws.raw(&[0xff, 0xff, 0xff, 0xff]).await;
    ws.ended().await;
    assert_polls_and_upgrades(&server, &polling).await;
}

async fn an_abandoned_probe_leaves_polling_alive_and_upgradable(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let before = Polling::open(&server.address).await;
    drop(before.websocket().await);
    assert_polls_and_upgrades(&server, &before).await;
    let after = Polling::open(&server.address).await;
    drop(after.probe().await);
    // Polls wait again once that has been noticed.
    let handle = server.log.handle(&after.sid).await;
    while after.poll_or_wait(&handle).await == ["6"] {}
    assert_polls_and_upgrades(&server, &after).await;
    let politely = Polling::open(&server.address).await;
    let mut ws = politely.probe().await;
    ws.close(1000).await;
    assert!(ws.closed().await.is_some());
    assert_polls_and_upgrades(&server, &politely).await;
}

impl Polling {
    /// A poll that is answered with a message if it would wait.
    async fn poll_or_wait(&self, handle: &actix_socketio::engine::ConnectionHandle) -> Vec<String> {
        let mut poll = self.begin_poll().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        handle.send_text("waited");
        let packets = poll.receive().await.packets();
        if packets == ["6"] {
            assert_eq!(self.poll().await, ["4waited"]);
        }
        packets
    }
}

async fn an_upgrade_without_probe_is_refused(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.websocket().await;
    ws.send("5").await;
    assert!(ws.closed().await.is_some());
    assert_polls_and_upgrades(&server, &polling).await;
}

async fn the_upgrade_timeout_leaves_polling_alive_and_upgradable(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.upgrade_timeout = Duration::from_millis(300));
    let polling = Polling::open(&server.address).await;
    let mut silent = polling.websocket().await;
    assert!(silent.closed().await.is_some(), "not even a probe");
    let mut probed = loop {
        let mut ws = polling.websocket().await;
        ws.send("2probe").await;
        if ws.receive().await == Frame::Text("3probe".to_owned()) {
            break ws;
        }
    };
    assert!(probed.closed().await.is_some(), "a probe and nothing more");
    polling.send("4still polling").await;
    assert_eq!(polling.poll().await, ["4still polling"]);
    drop(server);

    // And upgradable, which takes less than the timeout of a server on a busy machine.
    let server = EngineServer::start(variant, |config| config.upgrade_timeout = Duration::from_secs(2));
    let polling = Polling::open(&server.address).await;
    let mut silent = polling.websocket().await;
    assert!(silent.closed().await.is_some());
    assert_polls_and_upgrades(&server, &polling).await;
}

async fn a_second_probe_is_refused(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut first = polling.probe().await;
    let mut second = polling.websocket().await;
    assert_eq!(second.closed().await, Some(1008));
    first.send("5").await;
    first.send("4hello").await;
    assert_eq!(first.text().await, "4hello");
    let mut third = polling.websocket().await;
    assert_eq!(third.closed().await, Some(1008), "upgraded already");
    first.send("4unhurt").await;
    assert_eq!(first.text().await, "4unhurt");
}

async fn a_probe_of_a_websocket_session_is_refused(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=4&transport=websocket").await;
    let open = ws.text().await;
    let json: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = json["sid"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let target = format!("/engine.io/?EIO=4&transport=websocket&sid={sid}");
        let mut probe = Ws::open(&server.address, &target).await;
        probe.send("2probe").await;
        assert_eq!(probe.receive().await, Frame::Close(Some(1008)));
        probe.ended().await;
    }
    ws.send("4unhurt").await;
    assert_eq!(ws.text().await, "4unhurt");
    assert_eq!(server.log.of(&sid).texts, ["unhurt"]);
}

async fn a_probing_websocket_cannot_send_messages(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.probe().await;
    ws.send("4too early").await;
    assert!(ws.closed().await.is_some());
    assert_polls_and_upgrades(&server, &polling).await;
    assert!(!server.log.of(&polling.sid).texts.contains(&"too early".to_owned()));
}

/// Its answers go past the outbox, so the outbox does not bound them.
async fn a_probing_websocket_that_only_pings_is_bounded(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.websocket().await;
    ws.ping(b"a few are fine").await;
    assert_eq!(ws.receive().await, Frame::Pong(b"a few are fine".to_vec()));
    let pings = crate::support::ws::frame(0x89, &[7; 125]).repeat(10_000);
    use tokio::io::AsyncWriteExt as _;
    // Refused before all of it is taken.
    let _ = tokio::time::timeout(Duration::from_secs(5), ws.http.io().write_all(&pings)).await;
    let mut pongs = 0;
    while let Frame::Pong(_) = ws.receive().await {
        pongs += 1;
    }
    assert!(pongs < 1_000, "{pongs} pongs");
    assert_polls_and_upgrades(&server, &polling).await;
}

async fn closing_while_a_probe_is_open_closes_both(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut ws = polling.probe().await;
    let handle = server.log.handle(&polling.sid).await;
    handle.close(DisconnectReason::ForcedServerClose);
    assert!(ws.closed().await.is_some());
    server.log.reason(&polling.sid).await;
    assert_eq!(polling.poll().await, ["1"]);
    polling.gone().await;
}

/// Clients may send frames right behind the request, before they have seen the answer.
async fn a_websocket_frame_may_come_with_the_handshake(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut http = crate::support::Http::connect(&server.address).await;
    let mut bytes =
        format!("GET {} HTTP/1.1\r\nHost: localhost\r\n", polling.target("websocket")).into_bytes();
    for (name, value) in crate::support::ws::HANDSHAKE {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(crate::support::ws::frame(0x81, b"2probe"));
    bytes.extend(crate::support::ws::frame(0x81, b"5"));
    bytes.extend(crate::support::ws::frame(0x81, b"4early"));
    http.write(&bytes).await;
    let response = http.receive().await;
    assert_eq!(response.status, 101);
    let mut ws = Ws { http, response };
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(ws.text().await, "4early");
}

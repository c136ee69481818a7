//! Protocol revision 3: clients of Socket.IO 2.x.

use std::sync::{Arc, Mutex};

use actix_socketio::{DisconnectReason, Handshake, Socket, SocketIo};
use serde_json::{Value, json};

use crate::support::ws::{BINARY, FIN};
use crate::support::{EngineServer, Frame, IoServer, Polling, Variant, Ws, matrix_and_relayed};

matrix_and_relayed![
    revision_3_is_off_by_default,
    payload_lengths_count_utf16_units,
    malformed_lengths_are_refused,
    binary_is_base64_for_clients_that_want_it,
    binary_payloads_are_framed_in_bytes,
    a_binary_post_is_read,
    binary_websocket_frames_carry_the_packet_type,
    a_session_of_revision_3_upgrades,
    the_namespace_of_all_is_joined_without_asking,
    auth_comes_in_the_query_of_a_namespace,
];

fn allow(config: &mut actix_socketio::config::EngineConfig) {
    config.allow_eio3 = true;
}

async fn revision_3_is_off_by_default(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let target = "/engine.io/?EIO=3&transport=polling";
    let response = crate::support::http::get(&server.address, target).await;
    response.assert_error(400, 5, "Unsupported protocol version");
}

async fn payload_lengths_count_utf16_units(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "&b64=1").await;
    let body = polling.response.text();
    let (length, packet) = body.split_once(':').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), packet.len());
    assert!(packet.starts_with("0{"));
    polling.send("6:4h\u{e9}llo3:4\u{1f600}1:4").await;
    assert_eq!(server.log.of(&polling.sid).texts, ["h\u{e9}llo", "\u{1f600}", ""]);
    assert_eq!(polling.get().await.text(), "6:4h\u{e9}llo3:4\u{1f600}1:4");
}

async fn malformed_lengths_are_refused(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    for body in ["4hello", "5:4a", ":4", "-1:4", "0:", "x:4a", "99999999999999999999:4", "2:4\u{1f600}"] {
        let polling = Polling::open_v3(&server.address, "/engine.io/", "&b64=1").await;
        assert_eq!(polling.post(body).await.status, 400, "{body}");
        assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::ParseError, "{body}");
    }
}

async fn binary_is_base64_for_clients_that_want_it(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "&b64=1").await;
    polling.send("10:b4AQIDBA==2:4x").await;
    let response = polling.get().await;
    assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.text(), "10:b4AQIDBA==2:4x");
    assert_eq!(server.log.of(&polling.sid).binaries, [[1, 2, 3, 4]]);
}

async fn binary_payloads_are_framed_in_bytes(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "").await;
    let handle = server.log.handle(&polling.sid).await;
    handle.send_text("h\u{e9}");
    handle.send_binary(&[1, 2, 3]);
    let response = polling.get().await;
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    let text = [&[0, 4, 255][..], b"4h\xc3\xa9"].concat();
    let binary = [1, 4, 255, 4, 1, 2, 3];
    assert_eq!(response.body, [&text[..], &binary].concat());
    // Without binary in it, a payload is text.
    handle.send_text("text");
    let response = polling.get().await;
    assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.text(), "5:4text");
}

async fn a_binary_post_is_read(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "&b64=1").await;
    let body = [&[0, 4, 255][..], b"4h\xc3\xa9", &[1, 1, 1, 255, 4], &[5; 10]].concat();
    let octets = [("Content-Type", "application/octet-stream")];
    assert_eq!(polling.post_with(&octets, &body).await.text(), "ok");
    let record = server.log.of(&polling.sid);
    assert_eq!((record.texts, record.binaries), (vec!["h\u{e9}".to_owned()], vec![vec![5; 10]]));
    for malformed in [&[0][..], &[2, 1, 255, 4], &[0, 9, 255, 4], &[0, 255], &[1, 1, 255, 9]] {
        let polling = Polling::open_v3(&server.address, "/engine.io/", "&b64=1").await;
        assert_eq!(polling.post_with(&octets, malformed).await.status, 400, "{malformed:?}");
        assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::ParseError);
    }
}

async fn binary_websocket_frames_carry_the_packet_type(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=3&transport=websocket").await;
    assert!(ws.text().await.starts_with("0{"));
    ws.send_binary(&[4, 1, 2, 3]).await;
    assert_eq!(ws.binary().await, [4, 1, 2, 3]);
    ws.frame(BINARY, &[4, 1]).await;
    ws.frame(FIN, &[2]).await;
    assert_eq!(ws.binary().await, [4, 1, 2]);
    let sid = server.log.lock().keys().next().unwrap().clone();
    assert_eq!(server.log.of(&sid).binaries, [&[1, 2, 3][..], &[1, 2]]);
    ws.send_binary(&[]).await;
    ws.ended().await;
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::ParseError);
}

async fn a_session_of_revision_3_upgrades(variant: Variant) {
    let server = EngineServer::start(variant, allow);
    let polling = Polling::open_v3(&server.address, "/engine.io/", "").await;
    let mut poll = polling.begin_poll().await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut ws = polling.probe().await;
    assert_eq!(poll.receive().await.text(), "1:6");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

type Auths = Arc<Mutex<Vec<(String, Value)>>>;

fn server_with_auth(variant: Variant) -> (IoServer, Auths) {
    let io = SocketIo::builder().allow_eio3(true).build();
    let auths = Auths::default();
    for name in ["/", "/custom"] {
        let auths = auths.clone();
        io.of(name).on_connect(move |socket: Socket, handshake: Handshake| {
            let auths = auths.clone();
            async move {
                let auth = handshake.auth::<Value>().unwrap_or(Value::Null);
                auths.lock().unwrap().push((socket.namespace().name().to_owned(), auth));
                let _ = socket.emit("hello", "you").await;
            }
        });
    }
    (IoServer::start(variant, io), auths)
}

async fn the_namespace_of_all_is_joined_without_asking(variant: Variant) {
    let (server, auths) = server_with_auth(variant);
    let mut ws = Ws::open(&server.address, "/socket.io/?EIO=3&transport=websocket").await;
    assert!(ws.text().await.starts_with("0{"));
    assert_eq!(ws.text().await, "40", "without the sid that later revisions give");
    assert_eq!(ws.text().await, r#"42["hello","you"]"#);
    assert_eq!(*auths.lock().unwrap(), [("/".to_owned(), json!({}))]);
    let polling = Polling::open_v3(&server.address, "/socket.io/", "").await;
    let mut packets = String::new();
    while !packets.contains("hello") {
        packets.push_str(polling.get().await.text());
    }
    assert_eq!(packets, r#"2:4017:42["hello","you"]"#);
}

async fn auth_comes_in_the_query_of_a_namespace(variant: Variant) {
    let (server, auths) = server_with_auth(variant);
    let mut ws = Ws::open(&server.address, "/socket.io/?EIO=3&transport=websocket").await;
    for _ in 0..3 {
        ws.text().await;
    }
    ws.send("40/custom?token=a%20b&n=1,").await;
    assert_eq!(ws.text().await, "40/custom,");
    assert_eq!(ws.text().await, r#"42/custom,["hello","you"]"#);
    assert_eq!(auths.lock().unwrap()[1], ("/custom".to_owned(), json!({"token": "a b", "n": "1"})));
    ws.send("40/unknown").await;
    assert_eq!(ws.receive().await, Frame::Text(r#"44/unknown,"Invalid namespace""#.to_owned()));
}

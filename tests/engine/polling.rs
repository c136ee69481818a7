//! HTTP long-polling.

use std::io::Read as _;
use std::time::{Duration, Instant};

use actix_socketio::DisconnectReason;
use actix_socketio::engine::MessageBuilder;
use flate2::read::{GzDecoder, ZlibDecoder};

use crate::support::http::request;
use crate::support::{EngineServer, Http, Polling, Response, Variant, Ws, eventually, matrix_and_relayed};

matrix_and_relayed![
    packets_are_separated_by_record_separators,
    binary_travels_as_base64,
    answers_have_the_right_headers,
    a_waiting_poll_is_answered_when_something_is_sent,
    a_binary_post_of_revision_4_is_refused_and_ends,
    of_two_polls_the_first_is_closed_and_the_second_refused,
    a_second_post_is_refused_and_closes,
    an_aborted_poll_closes_the_session_at_once,
    an_aborted_post_closes_the_session,
    a_post_over_the_limit_is_answered_413,
    a_chunked_post_over_the_limit_is_answered_413,
    a_post_of_exactly_the_limit_is_taken,
    a_slow_body_is_timed_out,
    too_many_packets_in_a_post_are_refused,
    invalid_packets_are_refused_and_close,
    a_close_packet_ends_the_session,
    the_server_closes_with_a_close_packet,
    a_closing_server_still_delivers_what_it_sent,
    packets_per_poll_are_bounded,
    answers_above_the_threshold_are_compressed,
    small_or_incompressible_answers_are_not_compressed,
    a_websocket_session_cannot_be_polled,
];

async fn packets_are_separated_by_record_separators(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    polling.send("4one\x1e4\u{20ac} \u{1f600}\x1e4\x1e4{\"a\":\"\\u001e\"}\x1e6").await;
    assert_eq!(polling.get().await.text(), "4one\x1e4\u{20ac} \u{1f600}\x1e4\x1e4{\"a\":\"\\u001e\"}");
    assert_eq!(server.log.of(&polling.sid).texts, ["one", "\u{20ac} \u{1f600}", "", "{\"a\":\"\\u001e\"}"]);
}

async fn binary_travels_as_base64(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    polling.send("bAQIDBA==\x1e4text\x1eb\x1ebAP//").await;
    assert_eq!(polling.poll().await, ["bAQIDBA==", "4text", "b", "bAP//"]);
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(server.log.of(&polling.sid).binaries, [&[1, 2, 3, 4][..], &[], &[0, 255, 255]]);
    let handle = server.log.handle(&polling.sid).await;
    assert!(handle.send_binary(&all));
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(&all);
    assert_eq!(polling.poll().await, [format!("b{encoded}")]);
}

async fn answers_have_the_right_headers(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let post = polling.post("4x").await;
    assert_eq!((post.status, post.text()), (200, "ok"));
    assert_eq!(post.header("content-type"), Some("text/html"));
    assert_eq!(post.header("cache-control"), Some("no-store"));
    let poll = polling.get().await;
    assert_eq!(poll.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(poll.header("cache-control"), Some("no-store"));
    assert_eq!(poll.header("content-length"), Some("2"));
    assert_eq!(poll.header("access-control-allow-origin"), None);
    assert_eq!(poll.header("content-encoding"), None);
}

async fn a_waiting_poll_is_answered_when_something_is_sent(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    for round in 0..20 {
        let mut poll = polling.begin_poll().await;
        // Whether it waits already or not: it brings the message. The handle is used from another thread.
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(handle.send_text(&format!("message {round}")));
        assert_eq!(poll.receive().await.packets(), [format!("4message {round}")]);
    }
}

/// CVE-2026-59725: the reference server left such a request open for ever.
async fn a_binary_post_of_revision_4_is_refused_and_ends(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let response =
        polling.post_with(&[("Content-Type", "application/octet-stream")], &[0, 1, 255, 4, 1]).await;
    assert_eq!((response.status, response.text()), (400, ""));
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    polling.gone().await;
}

async fn of_two_polls_the_first_is_closed_and_the_second_refused(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut first = polling.begin_poll().await;
    // Whichever arrives second is refused: let the first one arrive.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let second = polling.get().await;
    assert_eq!((second.status, second.text()), (400, ""));
    assert_eq!(first.receive().await.packets(), ["1"]);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    polling.gone().await;
    assert_eq!(server.log.of(&polling.sid).closes, 1);
}

async fn a_second_post_is_refused_and_closes(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut first = Http::connect(&server.address).await;
    first.write_head("POST", &polling.target("polling"), &[("Content-Length", "5")]).await;
    first.write(b"4he").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(polling.post("4second").await.status, 400);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    first.write(b"ll").await;
    assert_eq!(first.receive().await.status, 400, "the session of the first is over");
    polling.gone().await;
    assert!(server.log.of(&polling.sid).texts.is_empty());
}

async fn an_aborted_poll_closes_the_session_at_once(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let poll = polling.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let begin = Instant::now();
    drop(poll);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    assert!(begin.elapsed() < Duration::from_secs(10), "long before the ping timeout of 45 s");
    polling.gone().await;
    assert_eq!(server.engine.connection_count(), 0);
}

async fn an_aborted_post_closes_the_session(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut post = Http::connect(&server.address).await;
    post.write_head("POST", &polling.target("polling"), &[("Content-Length", "100")]).await;
    post.write(b"4half").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(post);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    assert!(server.log.of(&polling.sid).texts.is_empty());
}

async fn a_post_over_the_limit_is_answered_413(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_http_buffer_size = 1_000);
    let polling = Polling::open(&server.address).await;
    let other = Polling::open(&server.address).await;
    // The announced length is enough: no byte of the body is needed.
    let mut post = Http::connect(&server.address).await;
    post.write_head("POST", &polling.target("polling"), &[("Content-Length", "1001")]).await;
    assert_eq!(post.receive().await.status, 413);
    assert!(post.is_closed().await, "what follows cannot be read as a request");
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    polling.gone().await;
    other.send("4unhurt").await;
    assert_eq!(other.poll().await, ["4unhurt"]);

    let huge = Polling::open(&server.address).await;
    let mut post = Http::connect(&server.address).await;
    let length = ("Content-Length", "18446744073709551615");
    post.write_head("POST", &huge.target("polling"), &[length]).await;
    let status = post.receive().await.status;
    assert!(matches!(status, 400 | 413), "{status}");
    other.send("4unhurt").await;
    assert_eq!(other.poll().await, ["4unhurt"]);
}

async fn a_chunked_post_over_the_limit_is_answered_413(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_http_buffer_size = 1_000);
    let polling = Polling::open(&server.address).await;
    let mut post = Http::connect(&server.address).await;
    post.write_head("POST", &polling.target("polling"), &[("Transfer-Encoding", "chunked")]).await;
    // Without an end: what came already is too much.
    for _ in 0..3 {
        let chunk = format!("{:x}\r\n{}\r\n", 400, "4".repeat(400));
        post.write(chunk.as_bytes()).await;
    }
    assert_eq!(post.receive().await.status, 413);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
    polling.gone().await;

    let polling = Polling::open(&server.address).await;
    let mut post = Http::connect(&server.address).await;
    post.write_head("POST", &polling.target("polling"), &[("Transfer-Encoding", "chunked")]).await;
    post.write(b"3\r\n4he\r\n3\r\nllo\r\n0\r\n\r\n").await;
    assert_eq!(post.receive().await.text(), "ok");
    assert_eq!(polling.poll().await, ["4hello"]);
}

async fn a_post_of_exactly_the_limit_is_taken(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_http_buffer_size = 1_000);
    let polling = Polling::open(&server.address).await;
    polling.send(&format!("4{}", "x".repeat(999))).await;
    assert_eq!(polling.poll().await, [format!("4{}", "x".repeat(999))]);
    assert_eq!(polling.post(&format!("4{}", "x".repeat(1_000))).await.status, 413);
}

async fn a_slow_body_is_timed_out(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.body_timeout = Duration::from_millis(300));
    let polling = Polling::open(&server.address).await;
    let mut post = Http::connect(&server.address).await;
    post.write_head("POST", &polling.target("polling"), &[("Content-Length", "100")]).await;
    post.write(b"4").await;
    let begin = Instant::now();
    assert_eq!(post.receive().await.status, 408);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportError);
}

async fn too_many_packets_in_a_post_are_refused(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_packets_per_post = 3);
    let polling = Polling::open(&server.address).await;
    polling.send("4a\x1e4b\x1e4c").await;
    assert_eq!(polling.post("4a\x1e4b\x1e4c\x1e4d").await.status, 400);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::ParseError);
    polling.gone().await;
}

async fn invalid_packets_are_refused_and_close(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let other = Polling::open(&server.address).await;
    let bodies: [&[u8]; 8] =
        [b"", b"abc", b"7", b"0{}", b"b***", b"4a\x1e\x1e4b", b"4\xff\xfe", "\u{e9}".as_bytes()];
    for body in bodies {
        let polling = Polling::open(&server.address).await;
        let response = polling.post_with(&[], body).await;
        assert_eq!(response.status, 400, "{body:?}");
        assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::ParseError, "{body:?}");
        polling.gone().await;
    }
    other.send("4unhurt").await;
    assert_eq!(other.poll().await, ["4unhurt"]);
}

async fn a_close_packet_ends_the_session(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut poll = polling.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    polling.send("4bye\x1e1").await;
    let packets = poll.receive().await.packets();
    assert!(matches!(packets.first().map(String::as_str), Some("4bye" | "6")), "{packets:?}");
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::TransportClose);
    assert_eq!(server.log.of(&polling.sid).texts, ["bye"]);
    polling.gone().await;
}

async fn the_server_closes_with_a_close_packet(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut poll = polling.begin_poll().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let handle = server.log.handle(&polling.sid).await;
    handle.close(DisconnectReason::ForcedServerClose);
    assert_eq!(poll.receive().await.packets(), ["1"]);
    assert_eq!(server.log.reason(&polling.sid).await, DisconnectReason::ForcedServerClose);
    polling.gone().await;
    assert!(handle.is_closed());
    assert!(!handle.send_text("late"));
}

async fn a_closing_server_still_delivers_what_it_sent(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let handle = server.log.handle(&polling.sid).await;
    assert!(handle.send_text("one"));
    assert!(handle.send_text("two"));
    handle.close(DisconnectReason::ForcedServerClose);
    server.log.reason(&polling.sid).await;
    assert_eq!(polling.poll().await, ["4one", "4two"]);
    assert_eq!(polling.poll().await, ["1"]);
    let engine = server.engine.clone();
    eventually("nothing is left", || (engine.connection_count() == 0).then_some(())).await;
    polling.gone().await;
}

async fn packets_per_poll_are_bounded(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_packets_per_poll = 3);
    let polling = Polling::open(&server.address).await;
    polling.send("41\x1e42\x1e43\x1e44\x1e45").await;
    assert_eq!(polling.poll().await, ["41", "42", "43"]);
    assert_eq!(polling.poll().await, ["44", "45"]);
}

async fn poll_accepting(polling: &Polling, encodings: &str) -> Response {
    let headers = [("Accept-Encoding", encodings)];
    request(&polling.address, "GET", &polling.target("polling"), &headers, b"").await
}

async fn answers_above_the_threshold_are_compressed(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.http_compression = Some(100));
    let polling = Polling::open(&server.address).await;
    let message = "x".repeat(99);
    let expected = format!("4{message}");
    for (accepted, encoding) in [
        ("gzip, deflate", Some("gzip")),
        ("deflate", Some("deflate")),
        ("br, GZIP;q=0.5", Some("gzip")),
        ("gzip;q=0, deflate", Some("deflate")),
        ("br", None),
        ("identity", None),
    ] {
        polling.send(&expected).await;
        let response = poll_accepting(&polling, accepted).await;
        assert_eq!(response.header("content-encoding"), encoding, "{accepted}");
        assert!(response.header("vary").is_some_and(|vary| vary.contains("accept-encoding")));
        let mut text = String::new();
        match encoding {
            Some("gzip") => GzDecoder::new(&response.body[..]).read_to_string(&mut text).unwrap(),
            Some(_) => ZlibDecoder::new(&response.body[..]).read_to_string(&mut text).unwrap(),
            None => (&response.body[..]).read_to_string(&mut text).unwrap(),
        };
        assert_eq!(text, expected);
        if encoding.is_some() {
            assert!(response.body.len() < expected.len());
        }
    }
}

async fn small_or_incompressible_answers_are_not_compressed(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.http_compression = Some(100));
    let polling = Polling::open(&server.address).await;
    polling.send(&format!("4{}", "x".repeat(98))).await;
    let response = poll_accepting(&polling, "gzip").await;
    assert_eq!(response.header("content-encoding"), None, "99 bytes");
    let handle = server.log.handle(&polling.sid).await;
    let mut message = MessageBuilder::text(0).compress(false);
    message.buffer().extend_from_slice(&[b'x'; 5_000]);
    assert!(handle.send(std::sync::Arc::new(message.finish(&[])), false));
    let response = poll_accepting(&polling, "gzip").await;
    assert_eq!(response.header("content-encoding"), None, "a message that says no");
    assert_eq!(response.body.len(), 5_001);

    let off = EngineServer::start(variant, |config| config.http_compression = None);
    let polling = Polling::open(&off.address).await;
    polling.send(&format!("4{}", "x".repeat(5_000))).await;
    let response = poll_accepting(&polling, "gzip").await;
    assert_eq!(response.header("content-encoding"), None, "switched off");
}

async fn a_websocket_session_cannot_be_polled(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let mut ws = Ws::open(&server.address, "/engine.io/?EIO=4&transport=websocket").await;
    let open = ws.text().await;
    let json: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let target = format!("/engine.io/?EIO=4&transport=polling&sid={}", json["sid"].as_str().unwrap());
    request(&server.address, "GET", &target, &[], b"").await.assert_error(400, 3, "Bad request");
    request(&server.address, "POST", &target, &[], b"4x").await.assert_error(400, 3, "Bad request");
    ws.send("4unhurt").await;
    assert_eq!(ws.text().await, "4unhurt");
}

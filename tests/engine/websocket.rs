//! Frames: what a client may send, and what happens when it sends something else.

use std::time::Duration;

use actix_socketio::DisconnectReason;

use crate::support::ws::{BINARY, CLOSE, FIN, PING, PONG, TEXT, frame, header};
use crate::support::{EngineServer, Frame, Variant, Ws, eventually, matrix_and_relayed};

matrix_and_relayed![
    text_and_binary_are_echoed,
    lengths_around_the_header_forms_are_read_and_written,
    many_frames_may_come_in_one_piece_or_byte_by_byte,
    pings_are_answered_and_pongs_ignored,
    the_close_handshake_echoes_the_code,
    a_close_frame_with_a_code_that_must_not_be_sent_is_answered_1000,
    the_servers_close_says_1000,
    a_connection_that_just_ends_is_a_transport_close,
    fragmented_messages_are_assembled,
    control_frames_may_come_between_fragments,
    protocol_violations_are_closed_with_1002,
    an_oversized_announcement_is_closed_with_1009_before_its_body,
    oversized_messages_in_fragments_are_closed_with_1009,
    too_many_fragments_are_closed_with_1009,
    a_message_of_exactly_the_limit_is_taken,
    text_that_is_not_utf8_is_closed_with_1007,
    invalid_packets_are_a_parse_error,
    upgrade_and_noop_packets_are_harmless,
];

/// A server with a client that must not notice anything.
struct Watched {
    server: EngineServer,
    bystander: Ws,
}

impl Watched {
    async fn start(variant: Variant, change: impl FnOnce(&mut actix_socketio::config::EngineConfig)) -> Self {
        let server = EngineServer::start(variant, change);
        let (bystander, _) = server.websocket().await;
        Self { server, bystander }
    }

    /// Sends bytes on a new connection, which has to be closed with that code; the bystander is served on.
    async fn assert_closed_after(&mut self, bytes: &[u8], code: u16, reason: DisconnectReason) {
        let (mut ws, sid) = self.server.websocket().await;
        ws.raw(bytes).await;
        let head = &bytes[..bytes.len().min(16)];
        assert_eq!(ws.receive().await, Frame::Close(Some(code)), "after {head:02x?}");
        assert_eq!(self.server.log.reason(&sid).await, reason, "after {head:02x?}");
        self.bystander.send("4unhurt").await;
        assert_eq!(self.bystander.text().await, "4unhurt");
    }
}

async fn text_and_binary_are_echoed(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, sid) = server.websocket().await;
    ws.send("4h\u{e9}llo \u{1f600}").await;
    assert_eq!(ws.text().await, "4h\u{e9}llo \u{1f600}");
    ws.send("4").await;
    assert_eq!(ws.text().await, "4");
    ws.send_binary(&[0, 1, 2, 255]).await;
    assert_eq!(ws.binary().await, [0, 1, 2, 255]);
    ws.send_binary(&[]).await;
    assert_eq!(ws.binary().await, [0u8; 0]);
    ws.send("bAQI=").await;
    assert_eq!(ws.binary().await, [1, 2], "base64 is understood here too");
    assert_eq!(server.log.of(&sid).binaries, [&[0, 1, 2, 255][..], &[], &[1, 2]]);
}

async fn lengths_around_the_header_forms_are_read_and_written(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, _) = server.websocket().await;
    for length in [1usize, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 300_000] {
        let text = format!("4{}", "x".repeat(length - 1));
        ws.send(&text).await;
        assert_eq!(ws.text().await, text, "{length}");
        let bytes = vec![7; length];
        ws.send_binary(&bytes).await;
        assert_eq!(ws.binary().await, bytes, "{length}");
    }
}

async fn many_frames_may_come_in_one_piece_or_byte_by_byte(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, _) = server.websocket().await;
    let mut bytes = Vec::new();
    for number in 0..2_000 {
        bytes.extend(frame(FIN | TEXT, format!("4{number}").as_bytes()));
    }
    ws.raw(&bytes).await;
    for number in 0..2_000 {
        assert_eq!(ws.text().await, format!("4{number}"));
    }
    for byte in frame(FIN | TEXT, format!("4{}", "slow".repeat(40)).as_bytes()) {
        ws.raw(&[byte]).await;
    }
    assert_eq!(ws.text().await, format!("4{}", "slow".repeat(40)));
}

async fn pings_are_answered_and_pongs_ignored(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, _) = server.websocket().await;
    ws.frame(FIN | PONG, b"unasked").await;
    for data in [&b""[..], b"data", &[9; 125]] {
        ws.ping(data).await;
        assert_eq!(ws.receive().await, Frame::Pong(data.to_vec()));
    }
    ws.send("4unhurt").await;
    assert_eq!(ws.text().await, "4unhurt");
}

async fn the_close_handshake_echoes_the_code(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for code in [1000, 1001, 3000, 4999] {
        let (mut ws, sid) = server.websocket().await;
        ws.close(code).await;
        assert_eq!(ws.receive().await, Frame::Close(Some(code)));
        assert_eq!(ws.receive().await, Frame::End);
        assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportClose);
        assert_eq!(server.log.of(&sid).closes, 1);
    }
    let (mut ws, _) = server.websocket().await;
    ws.frame(FIN | CLOSE, b"").await;
    assert_eq!(ws.receive().await, Frame::Close(Some(1000)));
    assert_eq!(ws.receive().await, Frame::End);
    let engine = server.engine.clone();
    eventually("nothing is left", || (engine.connection_count() == 0).then_some(())).await;
}

async fn a_close_frame_with_a_code_that_must_not_be_sent_is_answered_1000(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for code in [0u16, 999, 1005, 1006, 1015, 2999, 5000, 65535] {
        let (mut ws, _) = server.websocket().await;
        ws.close(code).await;
        let answer = ws.closed().await;
        assert!(matches!(answer, Some(1000 | 1002)), "{code}: {answer:?}");
    }
}

async fn the_servers_close_says_1000(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, sid) = server.websocket().await;
    let handle = server.log.handle(&sid).await;
    handle.send_text("last");
    handle.close(DisconnectReason::ForcedServerClose);
    assert_eq!(ws.text().await, "4last", "what was sent comes first");
    assert_eq!(ws.receive().await, Frame::Close(Some(1000)));
    ws.close(1000).await;
    assert_eq!(ws.receive().await, Frame::End);
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::ForcedServerClose);
    let (mut ws, sid) = server.websocket().await;
    ws.send("1").await;
    ws.ended().await;
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportClose);
}

async fn a_connection_that_just_ends_is_a_transport_close(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (ws, sid) = server.websocket().await;
    drop(ws);
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportClose);
    let (mut ws, sid) = server.websocket().await;
    ws.raw(&header(FIN | TEXT, 100)).await;
    drop(ws);
    assert_eq!(server.log.reason(&sid).await, DisconnectReason::TransportClose);
}

async fn fragmented_messages_are_assembled(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, _) = server.websocket().await;
    // A character cut in two is whole again in the message.
    ws.frame(TEXT, b"4h\xc3").await;
    ws.frame(0, b"").await;
    ws.frame(0, b"\xa9ll").await;
    ws.frame(FIN, b"o").await;
    assert_eq!(ws.text().await, "4h\u{e9}llo");
    ws.frame(BINARY, &[1]).await;
    ws.frame(FIN, &[2, 3]).await;
    assert_eq!(ws.binary().await, [1, 2, 3]);
}

async fn control_frames_may_come_between_fragments(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let (mut ws, _) = server.websocket().await;
    ws.frame(TEXT, b"4one ").await;
    ws.ping(b"!").await;
    assert_eq!(ws.receive().await, Frame::Pong(b"!".to_vec()));
    ws.frame(FIN, b"message").await;
    assert_eq!(ws.text().await, "4one message");
}

async fn protocol_violations_are_closed_with_1002(variant: Variant) {
    let mut watched = Watched::start(variant, |_| {}).await;
    let reason = DisconnectReason::TransportError;
    let unmasked = b"\x81\x05hello".to_vec();
    let mut cases = vec![unmasked];
    for rsv in [0x40, 0x20, 0x10] {
        cases.push(frame(FIN | TEXT | rsv, b"4x"));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(frame(FIN | opcode, b""));
    }
    cases.push(frame(PING, b"fragmented control"));
    cases.push(frame(CLOSE, b""));
    cases.push(frame(FIN | PING, &[0; 126]));
    cases.push(frame(FIN | CLOSE, &[0; 200]));
    cases.push(frame(FIN, b"stray continuation"));
    cases.push([frame(TEXT, b"4a"), frame(FIN | TEXT, b"4b")].concat());
    cases.push([frame(TEXT, b"4a"), frame(TEXT, b"4b")].concat());
    cases.push([frame(BINARY, b"a"), frame(FIN | TEXT, b"4b")].concat());
    for bytes in cases {
        watched.assert_closed_after(&bytes, 1002, reason).await;
    }
}

/// The announced length decides; a server that waited for the body would buffer what it is going to refuse.
async fn an_oversized_announcement_is_closed_with_1009_before_its_body(variant: Variant) {
    let mut watched = Watched::start(variant, |config| config.max_http_buffer_size = 10_000).await;
    let reason = DisconnectReason::TransportError;
    for length in [10_001u64, 65_536, 1 << 30, 1 << 32, u64::MAX >> 1, u64::MAX] {
        for opcode in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
            watched.assert_closed_after(&header(opcode, length), 1009, reason).await;
        }
    }
}

async fn oversized_messages_in_fragments_are_closed_with_1009(variant: Variant) {
    let mut watched = Watched::start(variant, |config| config.max_http_buffer_size = 10_000).await;
    let reason = DisconnectReason::TransportError;
    let mut bytes = frame(TEXT, &[b'4'; 5_000]);
    bytes.extend(frame(0, &[b'x'; 5_000]));
    bytes.extend(frame(0, b"x"));
    watched.assert_closed_after(&bytes, 1009, reason).await;
}

/// CVE-2026-48779 is about such fragments in another implementation.
async fn too_many_fragments_are_closed_with_1009(variant: Variant) {
    let mut watched = Watched::start(variant, |config| config.max_fragments = 16).await;
    let (mut ws, _) = watched.server.websocket().await;
    ws.frame(TEXT, b"4").await;
    for _ in 0..14 {
        ws.frame(0, b"").await;
    }
    ws.frame(FIN, b"sixteen").await;
    assert_eq!(ws.text().await, "4sixteen");
    let mut bytes = frame(TEXT, b"4");
    for _ in 0..16 {
        bytes.extend(frame(0, b""));
    }
    watched.assert_closed_after(&bytes, 1009, DisconnectReason::TransportError).await;
}

async fn a_message_of_exactly_the_limit_is_taken(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_http_buffer_size = 10_000);
    let (mut ws, _) = server.websocket().await;
    let text = format!("4{}", "x".repeat(9_999));
    ws.send(&text).await;
    assert_eq!(ws.text().await, text);
    ws.frame(TEXT, &text.as_bytes()[..5_000]).await;
    ws.frame(FIN, &text.as_bytes()[5_000..]).await;
    assert_eq!(ws.text().await, text);
    ws.send(&format!("{text}x")).await;
    assert_eq!(ws.closed().await, Some(1009));
}

async fn text_that_is_not_utf8_is_closed_with_1007(variant: Variant) {
    let mut watched = Watched::start(variant, |_| {}).await;
    for body in [&b"4\xff"[..], b"4\xc3", b"4\xed\xa0\x80", b"\x80", b"4\xf4\x90\x80\x80"] {
        let bytes = frame(FIN | TEXT, body);
        watched.assert_closed_after(&bytes, 1007, DisconnectReason::TransportError).await;
        let bytes = [frame(TEXT, &body[..1]), frame(FIN, &body[1..])].concat();
        watched.assert_closed_after(&bytes, 1007, DisconnectReason::TransportError).await;
    }
}

async fn invalid_packets_are_a_parse_error(variant: Variant) {
    let mut watched = Watched::start(variant, |_| {}).await;
    for text in ["", "abc", "7", "0{}", "b***", "\u{e9}"] {
        let bytes = frame(FIN | TEXT, text.as_bytes());
        watched.assert_closed_after(&bytes, 1000, DisconnectReason::ParseError).await;
    }
}

async fn upgrade_and_noop_packets_are_harmless(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.ping_interval = Duration::from_secs(100));
    let (mut ws, _) = server.websocket().await;
    ws.send("5").await;
    ws.send("6").await;
    ws.send("4unhurt").await;
    assert_eq!(ws.text().await, "4unhurt");
}

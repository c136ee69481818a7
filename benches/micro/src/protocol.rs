//! Packets and frames, without a server.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use actix_socketio::ToArgs as _;
use actix_socketio::engine::MessageBuilder;
use actix_socketio::engine::frame::{FrameLimits, FrameReader};
use actix_socketio::protocol::{ByteString, DecodeLimits, Decoder, Parser, Revision, encode_event};
use bytes::Bytes;
use serde::Serialize;

use crate::line::masked;

/// What a game or a chat sends all the time.
#[derive(Serialize)]
struct Position {
    id: u32,
    x: f64,
    y: f64,
    name: &'static str,
}

const POSITION: Position = Position { id: 4711, x: 12.5, y: -3.25, name: "somebody" };

pub(crate) fn json_decode(n: u64) -> Duration {
    let text = ByteString::from_static(
        r#"212["move",{"id":4711,"x":12.5,"y":-3.25,"name":"somebody"},[1,2,3],"and some text"]"#,
    );
    let mut decoder = Decoder::new(Parser::Json, Revision::V5, DecodeLimits::default());
    let begin = Instant::now();
    for _ in 0..n {
        let packet = decoder.text_checked(black_box(&text));
        assert!(black_box(packet).is_ok());
    }
    begin.elapsed()
}

pub(crate) fn msgpack_decode(n: u64) -> Duration {
    let mut bytes = Vec::new();
    let args = (POSITION, [1, 2, 3], "and some text").to_args(Parser::MsgPack).expect("can be written");
    encode_event(Parser::MsgPack, "/", "move", &args, Some(12), &mut bytes).expect("can be written");
    let bytes = Bytes::from(bytes);
    let mut decoder = Decoder::new(Parser::MsgPack, Revision::V5, DecodeLimits::default());
    let begin = Instant::now();
    for _ in 0..n {
        let packet = decoder.binary(black_box(&bytes).clone());
        assert!(black_box(packet).is_ok());
    }
    begin.elapsed()
}

pub(crate) fn json_encode(n: u64) -> Duration {
    encode(Parser::Json, n)
}

pub(crate) fn msgpack_encode(n: u64) -> Duration {
    encode(Parser::MsgPack, n)
}

fn encode(parser: Parser, n: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..n {
        let args = black_box(&POSITION).to_args(parser).expect("can be written");
        let mut builder = match parser {
            Parser::Json => MessageBuilder::text(args.size() + 32),
            Parser::MsgPack => MessageBuilder::binary(args.size() + 32),
        };
        let attachments =
            encode_event(parser, "/", "move", &args, None, builder.buffer()).expect("can be written");
        black_box(builder.finish(&attachments));
    }
    begin.elapsed()
}

pub(crate) fn frame_read(n: u64) -> Duration {
    let frame = masked(br#"421["echo","a text of some length"]"#);
    let input = frame.repeat(16);
    let mut buffer = input.clone();
    let mut reader = FrameReader::default();
    let limits = FrameLimits { max_message: 1_000_000, max_fragments: 1_024 };
    let begin = Instant::now();
    for _ in 0..n / 16 {
        buffer.copy_from_slice(&input);
        let mut count = 0;
        let read = reader.feed(&mut buffer, &limits, |event| {
            black_box(event);
            count += 1;
            ControlFlow::Continue(())
        });
        assert!(read.is_ok() && count == 16);
    }
    begin.elapsed()
}

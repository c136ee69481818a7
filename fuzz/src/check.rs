//! What is checked of a packet that was decoded from arbitrary bytes. Used by `socketio`.

use actix_socketio::protocol::{
    Args, DecodeLimits, Decoder, Packet, PacketBody, Parser, Revision, encode_ack, encode_event,
};
use serde_json::Value;
use serde_json::value::RawValue;

/// Reads, takes apart, transcodes and re-encodes what came of `input` bytes.
pub(super) fn check(packet: &Packet, input: usize) {
    assert!(packet.namespace.starts_with('/') && packet.namespace.len() <= input);
    match &packet.body {
        PacketBody::Event { name, args, ack } => {
            assert!(!actix_socketio::protocol::is_reserved_event(name));
            check_args(args, input);
            let parser = args.parser();
            let mut out = Vec::new();
            let attachments = encode_event(parser, &packet.namespace, name, args, *ack, &mut out);
            let attachments = attachments.expect("what was decoded can be encoded");
            assert_eq!(decode(parser, out, &attachments).body, packet.body);
        }
        PacketBody::Ack { id, args } => {
            check_args(args, input);
            let parser = args.parser();
            let mut out = Vec::new();
            let attachments = encode_ack(parser, &packet.namespace, *id, args, &mut out);
            let attachments = attachments.expect("what was decoded can be encoded");
            assert_eq!(decode(parser, out, &attachments).body, packet.body);
        }
        PacketBody::Connect { auth: args } | PacketBody::ConnectError { data: args } => {
            assert!(args.len() <= 1);
            check_args(args, input);
        }
        _ => {}
    }
}

fn check_args(args: &Args, input: usize) {
    assert!(args.size() <= input, "{} bytes out of {input}", args.size());
    // Values that serde does not take are no packet's fault.
    let _ = args.deserialize::<Value>();
    let _ = args.deserialize::<(Option<String>, Option<Vec<bytes::Bytes>>, Option<f64>)>();
    args.deserialize::<Box<RawValue>>().expect("anything is JSON");
    let first = args.get(0).unwrap_or_default();
    let joined = first.concat(&args.skip(1)).expect("parts fit together");
    assert_eq!(joined.len(), args.len());
    for parser in [Parser::Json, Parser::MsgPack] {
        if let Ok(transcoded) = args.to_parser(parser) {
            assert_eq!(transcoded.len(), args.len());
            let mut out = Vec::new();
            let attachments = encode_event(parser, "/", "e", &transcoded, None, &mut out).expect("encodable");
            let PacketBody::Event { args: again, .. } = decode(parser, out, &attachments).body else {
                unreachable!()
            };
            assert_eq!(again, transcoded);
        }
    }
}

/// Limits that only bound the depth: transcoding may make attachments of what was inside.
fn decode(parser: Parser, message: Vec<u8>, attachments: &[bytes::Bytes]) -> Packet {
    let limits = DecodeLimits { max_attachments: u32::MAX, max_bytes: usize::MAX, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(parser, Revision::V5, limits);
    let mut packet = match parser {
        Parser::Json => decoder.text(message.into()),
        Parser::MsgPack => decoder.binary(message.into()),
    };
    for attachment in attachments {
        assert_eq!(packet, Ok(None));
        packet = decoder.binary(attachment.clone());
    }
    packet.expect("what was encoded is a packet").expect("complete")
}

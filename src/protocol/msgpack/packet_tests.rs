use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::protocol::msgpack::put;
use crate::protocol::{Decoder, MAX_DEPTH, Parser};

/// Bytes of a value that is known to be right.
fn value(json: &serde_json::Value) -> Vec<u8> {
    use crate::protocol::ToArgs;
    vec![json].to_args(Parser::MsgPack).unwrap().data.bytes()[1..].to_vec()
}

/// A packet of entries that may be anything.
fn packet(entries: &[(&str, &[u8])]) -> Bytes {
    let mut out = Vec::new();
    put::map(entries.len(), &mut out);
    for (key, value) in entries {
        put::string(key, &mut out);
        out.extend_from_slice(value);
    }
    out.into()
}

fn event(data: &[u8]) -> Bytes {
    packet(&[("type", &[2]), ("data", data), ("nsp", b"\xa1/")])
}

fn decode(message: Bytes) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::new(Parser::MsgPack, Revision::V5, DecodeLimits::default());
    decoder.binary(message).map(|packet| packet.expect("complete at once"))
}

const UNDEFINED: &[u8] = &[0xd4, 0, 0];

#[test]
fn reads_an_event_with_entries_in_any_order() {
    let data = value(&json!(["hello", 1, [2]]));
    let options = value(&json!({"compress": true, "more": [{}]}));
    for entries in [
        [("type", &[2][..]), ("data", &data), ("options", &options), ("id", &[7]), ("nsp", b"\xa5/chat")],
        [("nsp", b"\xa5/chat"), ("id", &[7]), ("options", &options), ("data", &data), ("type", &[2])],
        [("data", &[0xc0]), ("data", &data), ("nsp", b"\xa5/chat"), ("type", &[2]), ("id", &[0xcc, 7])],
    ] {
        let packet = decode(packet(&entries)).unwrap();
        assert_eq!(packet.namespace, "/chat");
        let PacketBody::Event { name, args, ack: Some(7) } = packet.body else { panic!("not the event") };
        assert_eq!((name.as_ref() as &str, args.to_json().unwrap().0.as_ref() as &str), ("hello", "[1,[2]]"));
        assert_eq!(args.deserialize::<(u8, Vec<u8>)>().unwrap(), (1, vec![2]));
    }
}

#[test]
fn what_is_not_there_may_be_written() {
    for absent in [UNDEFINED, &[0xc0]] {
        for kind in [0, 1] {
            let message = packet(&[("type", &[kind]), ("data", absent), ("id", absent), ("nsp", b"\xa1/")]);
            let body = if kind == 0 {
                PacketBody::Connect { auth: Args::default() }
            } else {
                PacketBody::Disconnect
            };
            assert_eq!(decode(message).unwrap().body, body);
        }
    }
}

#[test]
fn the_query_is_split_in_revision_4() {
    let message = packet(&[("type", &[0]), ("nsp", b"\xa6/a?b=c")]);
    let mut decoder = Decoder::new(Parser::MsgPack, Revision::V4, DecodeLimits::default());
    let packet = decoder.binary(message).unwrap().unwrap();
    assert_eq!((packet.namespace.as_ref() as &str, packet.query.as_deref()), ("/a", Some("b=c")));
}

#[test]
fn refuses_what_is_not_a_packet() {
    use DecodeError::*;
    let root: &[u8] = b"\xa1/";
    let name = value(&json!(["e"]));
    let name = name.as_slice();
    type Check = fn(&DecodeError) -> bool;
    let payload: Check = |error| matches!(error, InvalidPayload(_));
    let msgpack: Check = |error| matches!(error, InvalidMsgPack { .. });
    let kind: Check = |error| *error == UnknownPacketType;
    let id: Check = |error| *error == InvalidAckId;
    let namespace: Check = |error| *error == InvalidNamespace;
    let cases: Vec<(Bytes, Check)> = vec![
        (Bytes::new(), msgpack),
        (Bytes::from_static(b"42[\"e\"]"), msgpack),
        (packet(&[]), namespace),
        (Bytes::from_static(&[0xdf, 0xff, 0xff, 0xff, 0xff]), msgpack),
        (Bytes::from_static(&[0x81, 0xc0, 0xc0]), msgpack),
        ([event(name), Bytes::from_static(&[0])].concat().into(), msgpack),
        (packet(&[("data", name), ("nsp", root)]), kind),
        (packet(&[("type", &[5]), ("data", name), ("nsp", root)]), kind),
        (packet(&[("type", &[0xff]), ("data", name), ("nsp", root)]), kind),
        (packet(&[("type", b"\xa12"), ("data", name), ("nsp", root)]), kind),
        (packet(&[("type", &[2]), ("data", name)]), namespace),
        (packet(&[("type", &[2]), ("data", name), ("nsp", &[0xc0])]), namespace),
        (packet(&[("type", &[2]), ("data", name), ("nsp", b"\xa4chat")]), namespace),
        (packet(&[("type", &[2]), ("data", name), ("nsp", b"\xa2/\xff")]), msgpack),
        (packet(&[("type", &[2]), ("nsp", root)]), payload),
        (event(&[0xc0]), payload),
        (event(&[0x80]), payload),
        (event(&[0x90]), payload),
        (event(&[0x91, 0xc0]), payload),
        (event(&[0x91, 0x90]), payload),
        (event(&[0xdd, 0xff, 0xff, 0xff, 0xff, 0xa1, b'e']), msgpack),
        (event(&value(&json!(["connect"]))), |error| *error == ReservedEvent("connect")),
        (event(&value(&json!(["removeListener", 1]))), |error| *error == ReservedEvent("removeListener")),
        (packet(&[("type", &[2]), ("data", name), ("nsp", root), ("id", b"\xa11")]), id),
        (packet(&[("type", &[2]), ("data", name), ("nsp", root), ("id", &[0xff])]), id),
        (
            packet(&[
                ("type", &[2]),
                ("data", name),
                ("nsp", root),
                ("id", &[0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0]),
            ]),
            id,
        ),
        (packet(&[("type", &[3]), ("data", &[0x90]), ("nsp", root)]), id),
        (packet(&[("type", &[3]), ("id", &[1]), ("nsp", root)]), payload),
        (packet(&[("type", &[3]), ("id", &[1]), ("data", &[0x80]), ("nsp", root)]), payload),
        (packet(&[("type", &[0]), ("data", &[0x90]), ("nsp", root)]), payload),
        (packet(&[("type", &[1]), ("data", &[0x80]), ("nsp", root)]), payload),
        (packet(&[("type", &[4]), ("nsp", root)]), payload),
        (packet(&[("type", &[4]), ("data", &[1]), ("nsp", root)]), payload),
    ];
    for (message, is_expected) in cases {
        let error = decode(message.clone()).expect_err("refused");
        assert!(is_expected(&error), "{message:x?}: {error:?}");
    }
    let mut decoder = Decoder::new(Parser::MsgPack, Revision::V5, DecodeLimits::default());
    assert_eq!(decoder.text(Bytes::from_static(b"2[\"e\"]")), Err(TextNotSupported));
}

#[test]
fn numbers_are_event_names() {
    for (data, expected) in [
        (&[0x91, 5][..], "5"),
        (&[0x91, 0xff], "-1"),
        (&[0x91, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "1.5"),
        (&[0x91, 0xca, 0x40, 0, 0, 0], "2"),
    ] {
        let PacketBody::Event { name, .. } = decode(event(data)).unwrap().body else {
            panic!("not an event")
        };
        assert_eq!(name, expected);
    }
}

#[test]
fn bounds_depth_and_bytes() {
    let nested = |levels: usize| {
        let mut data = vec![0x92, 0xa1, b'e'];
        data.extend(vec![0x91; levels - 2]);
        data.push(0x90);
        event(&data)
    };
    let decode = |max_depth, message: Bytes| {
        let limits = DecodeLimits { max_depth, max_bytes: 2_000_000, ..DecodeLimits::default() };
        Decoder::new(Parser::MsgPack, Revision::V5, limits).binary(message)
    };
    for max_depth in [2, 3, 10, 128] {
        decode(max_depth, nested(max_depth.into())).unwrap();
        let error = decode(max_depth, nested(usize::from(max_depth) + 1));
        assert_eq!(error, Err(DecodeError::TooDeep { limit: max_depth }));
    }
    assert_eq!(decode(u8::MAX, nested(1_000_000)), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    assert_eq!(decode(9, Bytes::from(vec![0; 2_000_001])), Err(DecodeError::TooLarge { limit: 2_000_000 }));
    let packet = decode(128, nested(128)).unwrap().unwrap();
    let PacketBody::Event { args, .. } = packet.body else { panic!("not an event") };
    args.deserialize::<serde_json::Value>().unwrap();
    args.to_json().unwrap();
}

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::protocol::Args;

fn decoder() -> Decoder {
    Decoder::new(Parser::Json, Revision::V5, DecodeLimits::default())
}

fn decode(text: &'static str) -> Result<Packet, DecodeError> {
    decoder().text(Bytes::from_static(text.as_bytes())).map(|packet| packet.expect("no attachments"))
}

fn args(text: &str) -> Args {
    Args::from_json(text, Vec::new()).unwrap()
}

fn on_root(body: PacketBody) -> Packet {
    Packet { namespace: "/".into(), query: None, body }
}

#[test]
fn decodes_an_event() {
    let packet = decode(r#"212["hello", 1 ,{"b":2,"a":1.0}]"#).unwrap();
    assert_eq!(packet.namespace, "/");
    let PacketBody::Event { name, args, ack } = packet.body else { panic!("not an event") };
    assert_eq!((name.as_ref() as &str, ack, args.len()), ("hello", Some(12), 2));
    assert_eq!(args.to_json().unwrap().0, r#"[ 1 ,{"b":2,"a":1.0}]"#);
    assert_eq!(args.deserialize::<(u8, serde_json::Value)>().unwrap(), (1, json!({"a": 1.0, "b": 2})));
}

#[test]
fn decodes_the_other_packets() {
    assert_eq!(decode("0").unwrap(), on_root(PacketBody::Connect { auth: Args::default() }));
    assert_eq!(decode("0{}").unwrap(), on_root(PacketBody::Connect { auth: args("[{}]") }));
    assert_eq!(decode("1").unwrap(), on_root(PacketBody::Disconnect));
    assert_eq!(decode("37[]").unwrap(), on_root(PacketBody::Ack { id: 7, args: args("[]") }));
    assert_eq!(decode("4\"no\"").unwrap(), on_root(PacketBody::ConnectError { data: args("[\"no\"]") }));
    assert_eq!(decode("4{}").unwrap(), on_root(PacketBody::ConnectError { data: args("[{}]") }));
}

#[test]
fn decodes_namespaces() {
    for (text, namespace) in [
        ("0/", "/"),
        ("0/,", "/"),
        ("0/admin", "/admin"),
        ("0/admin,{\"token\":1}", "/admin"),
        ("0/a?b=c,", "/a?b=c"),
        ("2/admin,12[\"e\"]", "/admin"),
        ("1/admin,", "/admin"),
    ] {
        assert_eq!(decode(text).unwrap().namespace, namespace, "{text}");
    }
}

#[test]
fn splits_the_query_in_revision_4() {
    let mut decoder = Decoder::new(Parser::Json, Revision::V4, DecodeLimits::default());
    for (text, namespace, query) in [
        ("0/custom?token=abc&x=1,", "/custom", Some("token=abc&x=1")),
        ("0/custom?token=abc", "/custom", Some("token=abc")),
        ("0/?a=b,", "/", Some("a=b")),
        ("0/custom,", "/custom", None),
    ] {
        let packet = decoder.text(Bytes::from_static(text.as_bytes())).unwrap().unwrap();
        assert_eq!(
            (packet.namespace.as_ref() as &str, packet.query.as_deref()),
            (namespace, query),
            "{text}"
        );
    }
}

#[test]
fn collects_attachments() {
    let mut decoder = decoder();
    let text = r#"52-/chat,3["e",{"_placeholder":true,"num":1},{"num":0,"_placeholder":true}]"#;
    assert_eq!(decoder.text(Bytes::from_static(text.as_bytes())).unwrap(), None);
    assert_eq!(decoder.pending(), Some(text.len()));
    assert_eq!(decoder.binary(Bytes::from_static(b"zero")).unwrap(), None);
    assert_eq!(decoder.pending(), Some(text.len() + 4 + size_of::<Bytes>()));
    let packet = decoder.binary(Bytes::from_static(b"one")).unwrap().unwrap();
    assert_eq!(decoder.pending(), None);
    assert_eq!(packet.namespace, "/chat");
    let PacketBody::Event { args, ack: Some(3), .. } = packet.body else { panic!("not the event") };
    assert_eq!(args.deserialize::<(Bytes, Bytes)>().unwrap(), (Bytes::from("one"), Bytes::from("zero")));
}

#[test]
fn completes_a_binary_packet_without_attachments_at_once() {
    assert_eq!(decode("50-[\"e\"]").unwrap(), decode("2[\"e\"]").unwrap());
    assert_eq!(decode("60-1[]").unwrap(), decode("31[]").unwrap());
    let mut decoder = decoder();
    decoder.text(Bytes::from_static(b"50-[\"e\"]")).unwrap().unwrap();
    assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::UnexpectedBinary));
}

#[test]
fn refuses_messages_out_of_place() {
    let mut decoder = decoder();
    assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::UnexpectedBinary));
    decoder.text(Bytes::from_static(b"51-[\"e\"]")).unwrap();
    assert_eq!(decoder.text(Bytes::from_static(b"2[\"e\"]")), Err(DecodeError::UnexpectedText));
}

#[test]
fn bounds_attachments_and_bytes() {
    let limits = DecodeLimits { max_attachments: 2, max_bytes: 20, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(Parser::Json, Revision::V5, limits);
    assert_eq!(
        decoder.text(Bytes::from_static(b"53-[\"e\"]")),
        Err(DecodeError::TooManyAttachments { count: 3, limit: 2 })
    );
    assert_eq!(
        decoder.text(Bytes::from_static(b"599999999999-[\"e\"]")),
        Err(DecodeError::TooManyAttachments { count: 99_999_999_999, limit: 2 })
    );
    assert_eq!(
        decoder.text(Bytes::from_static(b"2[\"e\",\"0123456789\"]")),
        Ok(Some(decode("2[\"e\",\"0123456789\"]").unwrap()))
    );
    assert_eq!(
        decoder.text(Bytes::from_static(b"2[\"e\",\"0123456789012\"]")),
        Err(DecodeError::TooLarge { limit: 20 })
    );
    decoder.text(Bytes::from_static(b"52-[\"e\"]")).unwrap();
    assert_eq!(decoder.binary(Bytes::from_static(b"0123456789")), Err(DecodeError::TooLarge { limit: 20 }));
    assert_eq!(decoder.pending(), None);
    // Not even empty attachments are for free.
    let limits = DecodeLimits { max_attachments: u32::MAX, max_bytes: 10_000, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(Parser::Json, Revision::V5, limits);
    decoder.text(Bytes::from_static(b"54294967295-[\"e\"]")).unwrap();
    let accepted = (0..10_000).take_while(|_| decoder.binary(Bytes::new()) == Ok(None)).count();
    assert!(accepted < 10_000 / size_of::<Bytes>());
}

#[test]
fn refuses_what_is_not_a_packet() {
    use DecodeError::*;
    type Check = fn(&DecodeError) -> bool;
    let payload: Check = |error| matches!(error, InvalidPayload(_));
    let json: Check = |error| matches!(error, InvalidJson { .. });
    let cases: &[(&str, Check)] = &[
        ("", |error| *error == UnknownPacketType),
        ("7", |error| *error == UnknownPacketType),
        ("a[\"e\"]", |error| *error == UnknownPacketType),
        ("0null", payload),
        ("0[]", payload),
        ("0\"a\"", payload),
        ("0{", json),
        ("0{}x", json),
        ("1{}", payload),
        ("1/admin,null", payload),
        ("2", payload),
        ("2{}", payload),
        ("2[]", payload),
        ("2[null]", payload),
        ("2[true]", payload),
        ("2[[\"e\"]]", payload),
        ("2[{}]", payload),
        ("2[\"\\ud800\"]", payload),
        ("2[\"e\"", json),
        ("2[\"e\",]", json),
        ("2[\"e\"]]", json),
        ("2[\"e\" 1]", json),
        ("2abc[\"e\"]", payload),
        ("2-1[\"e\"]", payload),
        ("21.5[\"e\"]", payload),
        ("2[\"connect\"]", |error| *error == ReservedEvent("connect")),
        ("2[\"\\u0063onnect\"]", |error| *error == ReservedEvent("connect")),
        ("2[\"connect_error\"]", |error| *error == ReservedEvent("connect_error")),
        ("2[\"disconnect\"]", |error| *error == ReservedEvent("disconnect")),
        ("2[\"disconnecting\"]", |error| *error == ReservedEvent("disconnecting")),
        ("2[\"newListener\"]", |error| *error == ReservedEvent("newListener")),
        ("51-[\"removeListener\"]", |error| *error == ReservedEvent("removeListener")),
        ("29007199254740992[\"e\"]", |error| *error == InvalidAckId),
        ("299999999999999999999999999[\"e\"]", |error| *error == InvalidAckId),
        ("3[]", |error| *error == InvalidAckId),
        ("31", payload),
        ("31{}", payload),
        ("4", payload),
        ("4[]", payload),
        ("41", payload),
        ("5", |error| *error == InvalidAttachmentCount),
        ("5-[\"e\"]", |error| *error == InvalidAttachmentCount),
        ("51[\"e\"]", |error| *error == InvalidAttachmentCount),
        ("5a-[\"e\"]", |error| *error == InvalidAttachmentCount),
        ("51.5-[\"e\"]", |error| *error == InvalidAttachmentCount),
        ("5-1-[\"e\"]", |error| *error == InvalidAttachmentCount),
        ("51e1-[\"e\"]", |error| *error == InvalidAttachmentCount),
    ];
    for (text, is_expected) in cases {
        let error = decoder().text(Bytes::copy_from_slice(text.as_bytes())).expect_err(text);
        assert!(is_expected(&error), "{text}: {error:?}");
    }
    assert_eq!(decoder().text(Bytes::from_static(b"2[\"\xff\"]")), Err(InvalidUtf8));
}

#[test]
fn numbers_are_event_names() {
    for (text, expected) in
        [("2[5]", "5"), ("2[-1,2]", "-1"), ("2[1.5]", "1.5"), ("2[1e2]", "100"), ("2[-0]", "0")]
    {
        let PacketBody::Event { name, .. } = decode(text).unwrap().body else { panic!("not an event") };
        assert_eq!(name, expected, "{text}");
    }
}

#[test]
fn refuses_placeholders_without_an_attachment() {
    for placeholder in [
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":0.5}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":"splice"}"#,
        r#"{"_placeholder":true,"num":null}"#,
        r#"{"_placeholder":true,"num":[0]}"#,
        r#"{"_placeholder":true,"num":0,"num":9}"#,
        r#"{"_placehold\u0065r":true,"num":7}"#,
        r#"{"a":[1,{"_placeholder":true,"num":99999999999999999999}]}"#,
    ] {
        let text = format!(r#"51-["e",{placeholder}]"#);
        assert_eq!(decoder().text(text.into()), Err(DecodeError::InvalidPlaceholder), "{placeholder}");
    }
    for data in [
        r#"{"_placeholder":false,"num":1}"#,
        r#"{"_placeholder":1,"num":1}"#,
        r#"{"_placeholder":{"_placeholder":true,"num":0}}"#,
        r#"{"x":{"_placeholder":true,"num":0,"more":[{}]}}"#,
    ] {
        let text = format!(r#"51-["e",{data}]"#);
        assert_eq!(decoder().text(text.into()), Ok(None), "{data}");
    }
    // Without attachments it is data like any other.
    decode(r#"2["e",{"_placeholder":true,"num":5}]"#).unwrap();
}

#[test]
fn bounds_the_depth() {
    let nested = |levels: usize| format!("2[\"e\",{}{}]", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let limits = |max_depth| DecodeLimits { max_depth, ..DecodeLimits::default() };
    for max_depth in [2, 3, 10, 128] {
        let mut decoder = Decoder::new(Parser::Json, Revision::V5, limits(max_depth));
        decoder.text(nested(max_depth.into()).into()).unwrap().unwrap();
        let error = decoder.text(nested(usize::from(max_depth) + 1).into());
        assert_eq!(error, Err(DecodeError::TooDeep { limit: max_depth }));
    }
    let mut decoder = Decoder::new(Parser::Json, Revision::V5, limits(u8::MAX));
    assert_eq!(decoder.text(nested(500_000).into()), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
}

#[test]
fn what_was_accepted_can_be_read_however_deep() {
    let text = format!("2[\"e\",{}{}]", "[".repeat(127), "]".repeat(127));
    let PacketBody::Event { args, .. } = decoder().text(text.into()).unwrap().unwrap().body else { panic!() };
    args.deserialize::<serde_json::Value>().unwrap();
    let text = format!("51-[\"e\",{}{}]", "[".repeat(127), "]".repeat(127));
    let mut decoder = decoder();
    decoder.text(text.into()).unwrap();
    let PacketBody::Event { args, .. } = decoder.binary(Bytes::new()).unwrap().unwrap().body else {
        panic!()
    };
    args.deserialize::<serde_json::Value>().unwrap();
}

#[test]
fn an_idle_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 32, "{}", size_of::<Decoder>());
}

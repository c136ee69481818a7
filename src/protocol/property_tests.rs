//! What holds for any data, any text and any bytes.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::scan;
use super::*;

/// Data of any shape, binary included.
#[derive(Clone, Debug)]
enum Data {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    List(Vec<Data>),
    Map(Vec<(String, Data)>),
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Data::Null => serializer.serialize_unit(),
            Data::Bool(value) => serializer.serialize_bool(*value),
            Data::Unsigned(value) => serializer.serialize_u64(*value),
            Data::Signed(value) => serializer.serialize_i64(*value),
            Data::Float(value) => serializer.serialize_f64(*value),
            Data::Text(value) => serializer.serialize_str(value),
            Data::Binary(value) => serializer.serialize_bytes(value),
            Data::List(list) => {
                let mut seq = serializer.serialize_seq(None)?;
                list.iter().try_for_each(|value| seq.serialize_element(value))?;
                seq.end()
            }
            Data::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

fn data() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        prop_oneof![any::<u64>(), 0..300_u64].prop_map(Data::Unsigned),
        prop_oneof![any::<i64>(), -300..300_i64].prop_map(Data::Signed),
        any::<f64>().prop_filter("JSON has no other", |float| float.is_finite()).prop_map(Data::Float),
        any::<String>().prop_map(Data::Text),
        vec(any::<u8>(), 0..40).prop_map(Data::Binary),
    ];
    leaf.prop_recursive(5, 40, 10, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Data::List),
            vec((key(), inner), 0..20).prop_map(Data::Map),
        ]
    })
}

/// A placeholder in the data would be a forged one.
fn key() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("reserved for attachments", |key| key != "_placeholder")
}

fn parser() -> impl Strategy<Value = Parser> {
    prop_oneof![Just(Parser::Json), Just(Parser::MsgPack)]
}

fn event_name() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("reserved", |name| !is_reserved_event(name))
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[a-z0-9/?=é_-]{1,12}"]
}

/// Arguments as a handler sends them.
fn list(data: &[Data], parser: Parser) -> Args {
    data.iter()
        .fold(Args::default(), |args, value| args.concat(&Some(value).to_args(parser).unwrap()).unwrap())
}

fn decode(parser: Parser, message: Vec<u8>, attachments: &[Bytes]) -> Result<Option<Packet>, DecodeError> {
    let limits = DecodeLimits { max_attachments: 1000, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(parser, Revision::V5, limits);
    let mut packet = match parser {
        Parser::Json => decoder.text(message.into())?,
        Parser::MsgPack => decoder.binary(message.into())?,
    };
    for attachment in attachments {
        assert!(packet.is_none());
        packet = decoder.binary(attachment.clone())?;
    }
    Ok(packet)
}

/// Whatever was decoded can be read, taken apart, transcoded and sent again.
fn use_packet(packet: &Packet) {
    let (PacketBody::Event { args, .. }
    | PacketBody::Ack { args, .. }
    | PacketBody::Connect { auth: args }
    | PacketBody::ConnectError { data: args }) = &packet.body
    else {
        return;
    };
    // Half surrogates and numbers beyond f64 are JSON, but not for serde.
    let _ = args.deserialize::<Value>();
    let _ = args.deserialize::<(Option<String>, Option<Vec<Value>>, Option<f64>)>();
    args.deserialize::<Box<RawValue>>().unwrap();
    let parts = (0..args.len().min(20))
        .try_fold(Args::default(), |parts, index| parts.concat(&args.get(index).unwrap()));
    let rest = args.skip(20);
    assert_eq!(args.len(), parts.unwrap().len() + rest.len());
    for parser in [Parser::Json, Parser::MsgPack] {
        let Ok(transcoded) = args.to_parser(parser) else {
            // Binary next to something that looks like a placeholder.
            assert_eq!((parser, args.parser()), (Parser::Json, Parser::MsgPack));
            continue;
        };
        assert_eq!(transcoded.len(), args.len());
        let mut out = Vec::new();
        let attachments = encode_event(parser, "/", "e", &transcoded, None, &mut out).unwrap();
        let again = decode(parser, out, &attachments).unwrap().unwrap();
        assert_eq!(again.body, PacketBody::Event { name: "e".into(), args: transcoded, ack: None });
    }
}

proptest! {
    #[test]
    fn an_event_is_decoded_as_it_was_encoded(
        parser in parser(),
        namespace in namespace(),
        name in event_name(),
        data in vec(data(), 0..7),
        ack in proptest::option::of(0..1_u64 << 53),
    ) {
        let args = list(&data, parser);
        prop_assert_eq!(args.len(), data.len());
        let mut out = Vec::new();
        let attachments = encode_event(parser, &namespace, &name, &args, ack, &mut out).unwrap();
        let body = PacketBody::Event { name: name.into(), args, ack };
        let packet = Packet { namespace: namespace.into(), query: None, body };
        prop_assert_eq!(decode(parser, out, &attachments).unwrap().unwrap(), packet);
    }

    #[test]
    fn an_ack_is_decoded_as_it_was_encoded(
        parser in parser(),
        namespace in namespace(),
        data in vec(data(), 0..7),
        id in 0..1_u64 << 53,
    ) {
        let args = list(&data, parser);
        let mut out = Vec::new();
        let attachments = encode_ack(parser, &namespace, id, &args, &mut out).unwrap();
        let packet = Packet { namespace: namespace.into(), query: None, body: PacketBody::Ack { id, args } };
        prop_assert_eq!(decode(parser, out, &attachments).unwrap().unwrap(), packet);
    }

    #[test]
    fn both_parsers_carry_the_same_data(data in vec(data(), 0..7)) {
        let (json, msgpack) = (list(&data, Parser::Json), list(&data, Parser::MsgPack));
        prop_assert_eq!(&json.to_parser(Parser::MsgPack).unwrap(), &msgpack);
        prop_assert_eq!(&msgpack.to_parser(Parser::Json).unwrap(), &json);
        prop_assert_eq!(json.binaries(), msgpack.binaries());
        // None of a value that has binary.
        let read = |args: &Args| args.deserialize::<Value>().ok();
        prop_assert_eq!(read(&json), read(&msgpack));
        prop_assert_eq!(each(&json), each(&msgpack));
    }

    #[test]
    fn parts_are_the_whole(parser in parser(), data in vec(data(), 0..7), at in 0..8_usize) {
        let args = list(&data, parser);
        let start = (0..at.min(args.len())).fold(Args::default(), |start, index| {
            start.concat(&args.get(index).unwrap()).unwrap()
        });
        prop_assert_eq!(start.concat(&args.skip(at)).unwrap(), args);
    }

    #[test]
    fn the_scan_takes_for_json_what_serde_takes(text in near_json()) {
        let scanned = scan::scan_value(text.as_bytes(), 0, MAX_DEPTH, &mut scan::Ignore)
            .and_then(|end| scan::end_of_text(text.as_bytes(), end));
        prop_assert_eq!(scanned.is_ok(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{:?}", scanned);
    }

    #[test]
    fn any_text_is_a_packet_or_an_error(text in near_packet()) {
        if let Ok(Some(packet)) = decode(Parser::Json, text.into_bytes(), &[]) {
            use_packet(&packet);
        }
    }

    #[test]
    fn any_text_with_attachments_is_a_packet_or_an_error(
        count in 0..4_usize,
        text in near_json_list(),
    ) {
        let attachments = vec![Bytes::from_static(b"data"); count];
        if let Ok(Some(packet)) = decode(Parser::Json, format!("5{count}-[\"e\",{text}]").into(), &attachments) {
            use_packet(&packet);
        }
    }

    #[test]
    fn any_bytes_are_a_packet_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        for parser in [Parser::Json, Parser::MsgPack] {
            if let Ok(Some(packet)) = decode(parser, bytes.clone(), &[]) {
                use_packet(&packet);
            }
        }
    }

    #[test]
    fn any_msgpack_values_are_arguments_or_an_error(values in vec(near_msgpack(), 0..30)) {
        let count = u8::try_from(values.len() + 1).unwrap();
        let start = [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdc\0"[..], &[count], b"\xa1e"].concat();
        let message = [start, values.concat()].concat();
        if let Ok(Some(packet)) = decode(Parser::MsgPack, message.clone(), &[]) {
            let PacketBody::Event { args, .. } = &packet.body else { panic!("not an event") };
            // Untouched.
            prop_assert_eq!(args.data.bytes(), values.concat());
            use_packet(&packet);
        }
    }

    #[test]
    fn a_changed_byte_does_no_harm(data in vec(data(), 1..4), parser in parser(), at in any::<usize>(), byte in any::<u8>()) {
        let args = list(&data, parser);
        let mut out = Vec::new();
        let attachments = encode_event(parser, "/", "event", &args, Some(5), &mut out).unwrap();
        let at = at % out.len();
        out[at] = byte;
        let limits = DecodeLimits { max_attachments: 1000, ..DecodeLimits::default() };
        let mut decoder = Decoder::new(parser, Revision::V5, limits);
        let mut packet = match parser {
            Parser::Json => decoder.text(out.into()),
            Parser::MsgPack => decoder.binary(out.into()),
        };
        for attachment in attachments.iter() {
            if packet == Ok(None) {
                packet = decoder.binary(attachment.clone());
            }
        }
        if let Ok(Some(packet)) = packet {
            use_packet(&packet);
        }
    }
}

fn each(args: &Args) -> Vec<Option<Value>> {
    (0..args.len()).map(|index| args.get(index).unwrap().deserialize().ok()).collect()
}

/// JSON, or nearly so.
fn near_json() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"a\":", "1", "null", "true", "false", " ", "\n", "[]", "{}",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "\"\\u00e9\"", "\"\\ud800\"", "\"\\x\"", "-", "-1.5e3", "01", "1.", "1e", "1E+9999", "\"", "\\", "\u{1}", "\"\u{7f}é\"", "nul",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => any::<f64>().prop_map(|number| number.to_string()),
    ];
    prop_oneof![
        vec(pieces, 0..12).prop_map(|pieces| pieces.concat()),
        data().prop_map(|data| serde_json::to_string(&data).unwrap()),
    ]
}

/// A list of JSON values with things in it that are like placeholders, or nearly so.
fn near_json_list() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["\"_placeholder\"", "\"num\"", "\"\\u006eum\"", "\"x\""]);
    let value = prop_oneof![
        prop::sample::select(vec!["true", "false", "0", "1", "2", "-1", "1.0", "\"0\"", "null"])
            .prop_map(str::to_owned),
        Just(r#"{"_placeholder":true,"num":0}"#.to_owned()),
    ];
    let value = value.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            vec((key.clone(), inner.clone()), 0..4).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
            vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
        ]
    });
    vec(value, 1..5).prop_map(|values| values.join(","))
}

/// The text of a packet, or nearly so.
fn near_packet() -> impl Strategy<Value = String> {
    let start = prop_oneof!["[0-7]", "[56][0-9]{0,3}-?", "[0-6](/[a-z?=]{0,3},?)?[0-9]{0,18}"];
    let payload = prop_oneof![
        near_json(),
        (prop::sample::select(vec!["\"e\"", "\"connect\"", "1", "null"]), near_json())
            .prop_map(|(name, json)| format!("[{name},{json}]")),
    ];
    (start, payload).prop_map(|(start, payload)| start + &payload)
}

/// A msgpack value, or nearly so: headers that may promise anything, followed by what may be there.
fn near_msgpack() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => data().prop_map(|data| Some(data).to_args(Parser::MsgPack).unwrap().data.bytes().to_vec()),
        1 => vec(any::<u8>(), 0..10),
        1 => (0xc0..=0xdf_u8, vec(any::<u8>(), 0..20)).prop_map(|(marker, rest)| [vec![marker], rest].concat()),
        1 => (prop::sample::select(vec![1_u8, 2, 4, 8, 16]), any::<i8>(), any::<[u8; 16]>()).prop_map(|(length, kind, data)| {
            let marker = 0xd4 + u8::try_from(length.trailing_zeros()).unwrap();
            [&[marker, kind.to_be_bytes()[0]][..], &data[..length.into()]].concat()
        }),
        1 => (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, data)| {
            [&[0xc7, u8::try_from(data.len()).unwrap(), kind.to_be_bytes()[0]][..], &data].concat()
        }),
    ]
}

//! Both directions: `from_json` and `to_json`.

use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::protocol::{MAX_DEPTH, Parser, ToArgs};

fn msgpack(bytes: &[u8], count: usize) -> Args {
    Args::from_values(Data::MsgPack(Bytes::copy_from_slice(bytes)), count, Vec::new().into()).unwrap()
}

fn to_json(bytes: &[u8]) -> String {
    msgpack(bytes, 1).to_json().unwrap().0.to_string()
}

fn from_json(text: &str) -> Vec<u8> {
    let args = Args::from_json(text, Vec::new()).unwrap();
    args.to_parser(Parser::MsgPack).unwrap().data.bytes().to_vec()
}

#[test]
fn numbers_keep_their_value() {
    for (text, bytes) in [
        ("[0]", &[0][..]),
        ("[18446744073709551615]", &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("[9007199254740993]", &[0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1]),
        ("[-9223372036854775808]", &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("[1.0]", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("[-0.0]", &[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(from_json(text), bytes, "{text}");
        assert_eq!(to_json(bytes), text);
    }
    assert_eq!(from_json("[-0]"), [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(from_json("[18446744073709551616]"), [0xcb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(from_json("[1e999]"), [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(from_json("[1E2]"), [0xcb, 0x40, 0x59, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_json_cannot_say() {
    assert_eq!(to_json(&[0xd4, 0, 0]), "[null]");
    assert_eq!(to_json(&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), "[null]");
    assert_eq!(to_json(&[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]), "[null]");
    assert_eq!(to_json(&[0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 1]), r#"["1970-01-01T00:00:00.001Z"]"#);
    assert_eq!(to_json(&[0xd7, 0, 0x7f, 0xff, 0, 0, 0, 0, 0, 1]), "[null]");
    assert_eq!(to_json(&[0xd6, 0xff, 0, 0, 0, 1]), r#"["1970-01-01T00:00:01.000Z"]"#);
    assert_eq!(to_json(&[0xd5, 9, 1, 2]), r#"[[9,{"_placeholder":true,"num":0}]]"#);
    assert_eq!(to_json(&[0x84, 1, 2, 0xff, 3, 0xc0, 4, 0xc3, 5]), r#"[{"1":2,"-1":3,"null":4,"true":5}]"#);
    assert_eq!(to_json(&[0xca, 0x3f, 0, 0, 0]), "[0.5]");
}

#[test]
fn escapes_are_resolved() {
    assert_eq!(from_json(r#"["\u00e9\n\"\\\/"]"#), [&[0xa6][..], "é\n\"\\/".as_bytes()].concat());
    assert_eq!(
        from_json(r#"[{"\u0061":"\ud83d\ude00"}]"#),
        [&[0x81, 0xa1, b'a', 0xa4][..], "😀".as_bytes()].concat()
    );
    // Half a surrogate pair: JSON can spell it, UTF-8 cannot.
    assert!(String::from_utf8_lossy(&from_json(r#"["x\ud83dy"]"#)).contains("x\u{fffd}"));
}

#[test]
fn binary_becomes_attachments_and_back() {
    // [bin 1, {"a": [ArrayBuffer 2]}], 7, bin 3
    let bytes = [0x92, 0xc4, 1, 1, 0x81, 0xa1, b'a', 0x91, 0xc7, 1, 0, 2, 7, 0xc4, 1, 3];
    let args = msgpack(&bytes, 3);
    let (text, attachments) = args.to_json().unwrap();
    assert_eq!(
        text,
        concat!(
            r#"[[{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}],7,"#,
            r#"{"_placeholder":true,"num":2}]"#
        )
    );
    assert_eq!(*attachments, [&[1][..], &[2], &[3]]);
    assert_eq!(args.binaries(), *attachments);
    let back = Args::from_json(text, attachments.to_vec()).unwrap().to_parser(Parser::MsgPack).unwrap();
    assert_eq!(back.data.bytes(), [0x92, 0xc4, 1, 1, 0x81, 0xa1, b'a', 0x91, 0xc4, 1, 2, 7, 0xc4, 1, 3]);
}

#[test]
fn placeholders_in_any_spelling_become_binary() {
    let text = r#"[{"x":[{}],"num":1,"_placeholder":true},[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0,"y":{"_placeholder":true,"num":1}}],{"z":[]}]"#;
    let args = Args::from_json(text, vec![Bytes::from("a"), Bytes::from("b")]).unwrap();
    let bytes = args.to_parser(Parser::MsgPack).unwrap();
    assert_eq!(bytes.data.bytes(), b"\xc4\x01b\x92\xc4\x01a\xc4\x01a\x81\xa1z\x90");
    assert_eq!(bytes.len(), 3);
}

#[test]
fn data_does_not_become_a_placeholder() {
    let forged = json!({"_placeholder": true, "num": 0});
    // Without binary it stays data, in both directions.
    let args = vec![&forged].to_args(Parser::MsgPack).unwrap();
    assert_eq!(args.deserialize::<Vec<serde_json::Value>>().unwrap(), std::slice::from_ref(&forged));
    let (text, attachments) = args.to_json().unwrap();
    assert_eq!((text.as_ref() as &str, attachments.len()), (r#"[[{"_placeholder":true,"num":0}]]"#, 0));
    let forged = json!({"_placeholder": true, "num": 9});
    let args = (&forged, Bytes::new()).to_args(Parser::MsgPack).unwrap();
    assert_eq!(args.to_json(), Err(EncodeError::ForgedPlaceholder));
}

#[test]
fn raw_values_are_transcoded() {
    let raw = RawValue::from_string(r#"{"b": [1.5, "x"], "a": null}"#.to_owned()).unwrap();
    let args = (&raw, vec![&raw]).to_args(Parser::MsgPack).unwrap();
    let one: &[u8] = b"\x82\xa1b\x92\xcb\x3f\xf8\0\0\0\0\0\0\xa1x\xa1a\xc0";
    assert_eq!(args, msgpack(&[one, &[0x91], one].concat(), 2));
}

#[test]
fn numbers_of_arbitrary_precision_are_numbers() {
    struct Number(&'static str);
    impl serde::Serialize for Number {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct;
            let name = crate::protocol::json::RAW_NUMBER;
            let mut number = serializer.serialize_struct(name, 1)?;
            number.serialize_field(name, self.0)?;
            number.end()
        }
    }
    let args = (Number("-7"), Number("0.5")).to_args(Parser::MsgPack).unwrap();
    assert_eq!(args.to_json().unwrap().0, "[-7,0.5]");
}

#[test]
fn depth_is_bounded() {
    let raw = |levels: usize| RawValue::from_string("[".repeat(levels) + &"]".repeat(levels)).unwrap();
    let value = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let deepest = usize::from(MAX_DEPTH) - 1;
    value(deepest).to_args(Parser::MsgPack).unwrap();
    assert_eq!(value(deepest + 1).to_args(Parser::MsgPack), Err(EncodeError::TooDeep));
    raw(deepest).to_args(Parser::MsgPack).unwrap();
    assert_eq!(raw(deepest + 1).to_args(Parser::MsgPack), Err(EncodeError::TooDeep));
    assert_eq!(vec![raw(deepest)].to_args(Parser::MsgPack), Err(EncodeError::TooDeep));
    assert_eq!(raw(1_000_000).to_args(Parser::MsgPack), Err(EncodeError::TooDeep));
}

#[test]
fn parts_and_joins() {
    let args = (1, "two", [3, 3], (), 5, "six").to_args(Parser::MsgPack).unwrap();
    assert_eq!(args.len(), 6);
    let each: Vec<_> =
        (0..6).map(|index| args.get(index).unwrap().to_json().unwrap().0.to_string()).collect();
    assert_eq!(each, ["[1]", "[\"two\"]", "[[3,3]]", "[null]", "[5]", "[\"six\"]"]);
    assert_eq!(args.skip(5).to_json().unwrap().0, "[\"six\"]");
    assert!(args.skip(6).is_empty());
    let json = args.to_parser(Parser::Json).unwrap();
    assert_eq!(
        args.skip(2).concat(&json.skip(4)).unwrap().to_json().unwrap().0,
        "[[3,3],null,5,\"six\",5,\"six\"]"
    );
    assert_eq!(json.get(0).unwrap().concat(&args.skip(5)).unwrap().to_json().unwrap().0, "[1,\"six\"]");
}

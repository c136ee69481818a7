//! Reading and writing through serde gives what the JSON parser would.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::data::Data;
use crate::protocol::{Args, ArgsError, EncodeError, Parser, ToArgs};

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Shape {
    Empty,
    Round(u8),
    Two(i64, String),
    Named { a: Option<u8>, b: Vec<f64> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Everything {
    flag: bool,
    small: i8,
    large: u64,
    negative: i64,
    float: f64,
    letter: char,
    text: String,
    nothing: Option<String>,
    something: Option<String>,
    unit: (),
    pair: (u8, i16),
    list: Vec<Shape>,
    map: BTreeMap<String, u8>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    skipped: Vec<u8>,
    numbered: HashMap<i32, bool>,
    newtype: Newtype,
    binary: Bytes,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Newtype(String);

fn everything() -> Everything {
    Everything {
        flag: true,
        small: -5,
        large: u64::MAX,
        negative: i64::MIN,
        float: 0.1,
        letter: 'é',
        text: "text".to_owned(),
        nothing: None,
        something: Some("s".to_owned()),
        unit: (),
        pair: (1, -300),
        list: vec![
            Shape::Empty,
            Shape::Round(2),
            Shape::Two(-1, "x".to_owned()),
            Shape::Named { a: None, b: vec![1.0, 2.5] },
        ],
        map: (0..20).map(|index| (format!("key{index}"), index)).collect(),
        skipped: Vec::new(),
        numbered: HashMap::from([(-7, true)]),
        newtype: Newtype("inner".to_owned()),
        binary: Bytes::from_static(b"\0\xff"),
        more: BTreeMap::from([("zz".to_owned(), json!([1, {"x": null}]))]),
    }
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    for parser in [Parser::Json, Parser::MsgPack] {
        let args = (value, 1).to_args(parser).unwrap();
        assert_eq!(args.parser(), parser);
        assert_eq!(args.deserialize::<(T, u8)>().unwrap().0, *value, "{parser:?}");
        let other = if parser == Parser::Json { Parser::MsgPack } else { Parser::Json };
        let transcoded = args.to_parser(other).unwrap();
        assert_eq!(transcoded.deserialize::<(T, u8)>().unwrap().0, *value, "{parser:?} transcoded");
    }
}

#[test]
fn everything_goes_there_and_back() {
    round_trip(&everything());
    round_trip(&vec![everything(), everything()]);
    round_trip(&Some(Some(1)));
    round_trip(&(1_i128 << 50, 1_u128 << 63, 1.5_f32));
    round_trip(&HashMap::from([(true, 'a')]));
    round_trip(&HashMap::from([(Some(5_u64), ())]));
}

#[test]
fn both_parsers_write_the_same_data() {
    let (json, msgpack) =
        (everything().to_args(Parser::Json).unwrap(), everything().to_args(Parser::MsgPack).unwrap());
    let value = |args: &Args| -> Value {
        let raw: Box<RawValue> = args.deserialize().unwrap();
        serde_json::from_str(raw.get()).unwrap()
    };
    assert_eq!(value(&json), value(&msgpack));
    assert_eq!(json.to_parser(Parser::MsgPack).unwrap(), msgpack);
    assert_eq!(json.binaries(), msgpack.binaries());
}

#[test]
fn lengths_need_not_be_known() {
    struct Unknown(usize, Option<usize>);
    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seq = serializer.serialize_seq(self.1)?;
            for index in 0..self.0 {
                seq.serialize_element(&index)?;
            }
            seq.end()
        }
    }
    for count in [0, 1, 15, 16, 65_535, 65_536] {
        for announced in [None, Some(count), Some(7), Some(20), Some(70_000)] {
            let args = (Unknown(count, announced), "behind").to_args(Parser::MsgPack).unwrap();
            let expected = ((0..count).collect::<Vec<_>>(), "behind").to_args(Parser::MsgPack).unwrap();
            assert_eq!(args, expected, "{count} {announced:?}");
            assert_eq!(args.deserialize::<(Vec<usize>, String)>().unwrap().0.len(), count);
        }
    }
}

#[test]
fn long_strings_and_binary() {
    for length in [0, 31, 32, 255, 256, 65_535, 65_536] {
        round_trip(&("é".repeat(length / 2) + &"x".repeat(length % 2)));
        round_trip(&Bytes::from(vec![0xff; length]));
    }
}

fn msgpack(bytes: &'static [u8]) -> Args {
    Args::from_values(Data::MsgPack(bytes.into()), 1, Vec::new().into()).unwrap()
}

#[test]
fn what_notepack_writes_is_read_as_from_json() {
    assert_eq!(msgpack(&[0xd4, 0, 0]).deserialize::<Option<u8>>().unwrap(), None);
    assert_eq!(msgpack(&[0xd4, 0, 0]).deserialize::<Value>().unwrap(), Value::Null);
    let date = msgpack(&[0xd7, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(date.deserialize::<String>().unwrap(), "2004-11-03T19:53:47.776Z");
    assert_eq!(date.deserialize::<Box<RawValue>>().unwrap().get(), r#""2004-11-03T19:53:47.776Z""#);
    let array_buffer = msgpack(&[0xc7, 2, 0, 1, 2]);
    assert_eq!(array_buffer.deserialize::<Bytes>().unwrap(), [1, 2][..]);
    let unknown = msgpack(&[0xd5, 9, 1, 2]);
    assert_eq!(unknown.deserialize::<(serde::de::IgnoredAny,)>().map(drop), Ok(()));
    unknown.deserialize::<Vec<Value>>().unwrap_err();
    #[derive(Deserialize)]
    struct Extension(i8, Bytes);
    let Extension(kind, data) = unknown.deserialize::<(Extension,)>().unwrap().0;
    assert_eq!((kind, &*data), (9, &[1, 2][..]));
}

#[test]
fn binary_shows_itself_as_in_json() {
    let data = (Bytes::from_static(b"a"), vec![Bytes::from_static(b"b")], Bytes::from_static(b"c"));
    let (json, msgpack) = (data.to_args(Parser::Json).unwrap(), data.to_args(Parser::MsgPack).unwrap());
    for args in [&json, &msgpack] {
        let error = args.deserialize::<(Bytes, Value, Bytes)>().unwrap_err();
        assert!(error.to_string().contains("`bytes::Bytes`"), "{error}");
    }
    type Raw = (Box<RawValue>, Box<RawValue>, Box<RawValue>);
    let (json, msgpack): (Raw, Raw) = (json.deserialize().unwrap(), msgpack.deserialize().unwrap());
    assert_eq!(
        (json.0.get(), json.1.get(), json.2.get()),
        (msgpack.0.get(), msgpack.1.get(), msgpack.2.get())
    );
    assert_eq!(msgpack.2.get(), r#"{"_placeholder":true,"num":2}"#);
}

#[test]
fn errors_name_the_argument() {
    let args = (1, "x").to_args(Parser::MsgPack).unwrap();
    let error = args.deserialize::<(u8, u8)>().unwrap_err();
    assert_eq!(error.to_string(), "argument 1: invalid type: string \"x\", expected u8");
    assert_eq!(args.deserialize::<(u8, String, u8)>(), Err(ArgsError::Missing { index: 2 }));
    assert_eq!(args.deserialize::<(u8, String, Option<u8>)>().unwrap().2, None);
    let pair = vec![1, 2, 3].to_args(Parser::MsgPack).unwrap();
    pair.deserialize::<((u8, u8),)>().unwrap_err();
    pair.deserialize::<((u8, u8, u8, u8),)>().unwrap_err();
    pair.deserialize::<Shape>().unwrap_err();
}

#[test]
fn failing_data_is_an_error() {
    let failing = BTreeMap::from([(vec![1], 2)]);
    let error = failing.to_args(Parser::MsgPack).unwrap_err();
    assert_eq!(error, EncodeError::Data("key must be a string".to_owned()));
}

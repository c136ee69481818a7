use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

fn read<T: FromArgs>(text: &str) -> Result<T, ArgsError> {
    T::from_args(&Args::from_json(text, Vec::new()).unwrap())
}

#[derive(Deserialize, PartialEq, Debug)]
struct Point {
    x: i32,
    y: Option<i32>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Pair(String, Option<u8>);

#[derive(Deserialize, PartialEq, Debug)]
struct Name(String);

#[test]
fn a_tuple_is_the_whole_list() {
    assert_eq!(read::<(u8, String)>(r#"[1,"a"]"#).unwrap(), (1, "a".to_owned()));
    assert_eq!(read::<(u8,)>(r#"[1,"more"]"#).unwrap(), (1,));
    assert_eq!(read::<Pair>(r#"["a"]"#).unwrap(), Pair("a".to_owned(), None));
    assert_eq!(read::<[u8; 6]>("[1,2,3,4,5,6]").unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(read::<((u8, u8), Vec<u8>)>("[[1,2],[3,4,5]]").unwrap(), ((1, 2), vec![3, 4, 5]));
}

#[test]
fn anything_else_is_the_first_argument() {
    assert_eq!(read::<String>(r#"["a",1]"#).unwrap(), "a");
    assert_eq!(read::<Vec<u8>>("[[1,2],3]").unwrap(), [1, 2]);
    assert_eq!(read::<Point>(r#"[{"x":1}]"#).unwrap(), Point { x: 1, y: None });
    assert_eq!(read::<Name>(r#"["a"]"#).unwrap(), Name("a".to_owned()));
    assert_eq!(read::<Option<(u8, u8)>>("[[1,2]]").unwrap(), Some((1, 2)));
    assert_eq!(
        read::<BTreeMap<String, f64>>(r#"[{"a":1.5}]"#).unwrap(),
        BTreeMap::from([("a".to_owned(), 1.5)])
    );
    assert_eq!(read::<serde_json::Value>("[[null]]").unwrap(), serde_json::json!([null]));
    assert_eq!(read::<Box<RawValue>>(r#"[{"b":1.0, "a":2}]"#).unwrap().get(), r#"{"b":1.0, "a":2}"#);
}

#[test]
fn unit_ignores_the_arguments() {
    read::<()>("[1,2]").unwrap();
    read::<()>("[]").unwrap();
}

#[test]
fn missing_arguments_are_null() {
    assert_eq!(read::<Option<u8>>("[]").unwrap(), None);
    assert_eq!(read::<(Option<u8>, Option<u8>)>("[1]").unwrap(), (Some(1), None));
    assert_eq!(read::<serde_json::Value>("[]").unwrap(), serde_json::Value::Null);
    assert_eq!(read::<u8>("[]"), Err(ArgsError::Missing { index: 0 }));
    assert_eq!(read::<(u8, u8)>("[1]"), Err(ArgsError::Missing { index: 1 }));
}

#[test]
fn errors_name_the_argument() {
    let error = read::<(u8, u8)>(r#"[1,"x"]"#).unwrap_err();
    assert!(matches!(&error, ArgsError::Invalid { index: 1, .. }), "{error}");
    assert!(error.to_string().starts_with("argument 1: invalid type: string \"x\", expected u8"), "{error}");
}

#[test]
fn errors_do_not_repeat_what_was_sent() {
    let text = "é".repeat(100_000);
    let error = read::<u8>(&format!("[\"{text}\"]")).unwrap_err().to_string();
    assert!(error.len() < 250 && error.ends_with("é…"), "{error}");
}

#[derive(Deserialize, PartialEq, Debug)]
enum Shape {
    Empty,
    Raw(Bytes),
    Named { data: Bytes, label: String },
    Two(Bytes, Bytes),
}

#[test]
fn bytes_come_from_placeholders() {
    let attachments = vec![Bytes::from_static(b"zero"), Bytes::from_static(b"one")];
    let read = |text: &str| Args::from_json(text, attachments.clone()).unwrap();
    let zero = r#"{"_placeholder":true,"num":0}"#;
    let one = r#"{"num":1,"_placeholder":true,"extra":[{}]}"#;
    assert_eq!(read(&format!("[{zero}]")).deserialize::<Bytes>().unwrap(), "zero");
    assert_eq!(
        read(&format!("[{one},{zero}]")).deserialize::<(Bytes, Bytes)>().unwrap(),
        ("one".into(), "zero".into())
    );
    let nested = read(&format!(r#"[{{"a":[{zero},null,{one}]}}]"#));
    let nested: BTreeMap<String, Vec<Option<serde_bytes::ByteBuf>>> = nested.deserialize().unwrap();
    assert_eq!(
        nested["a"],
        [Some(serde_bytes::ByteBuf::from("zero")), None, Some(serde_bytes::ByteBuf::from("one"))]
    );
    for (text, shape) in [
        (r#""Empty""#.to_owned(), Shape::Empty),
        (format!(r#"{{"Raw":{one}}}"#), Shape::Raw("one".into())),
        (
            format!(r#"{{"Named":{{"label":"l","data":{zero}}}}}"#),
            Shape::Named { data: "zero".into(), label: "l".into() },
        ),
        (format!(r#"{{"Two":[{zero},{one}]}}"#), Shape::Two("zero".into(), "one".into())),
    ] {
        assert_eq!(read(&format!("[{text}]")).deserialize::<Shape>().unwrap(), shape);
    }
    assert_eq!(read("[[1,2]]").deserialize::<Bytes>().unwrap(), Bytes::from_static(&[1, 2]));
    assert_eq!(read("[\"text\"]").deserialize::<Bytes>().unwrap(), "text");
    read("[{}]").deserialize::<Bytes>().unwrap_err();
    read(r#"[{"_placeholder":false,"num":0}]"#).deserialize::<Bytes>().unwrap_err();
    // Raw text is what it is.
    assert_eq!(read(&format!("[{one}]")).deserialize::<Box<RawValue>>().unwrap().get(), one);
    assert_eq!(read(&format!("[[{one}]]")).deserialize::<Vec<Box<RawValue>>>().unwrap()[0].get(), one);
}

#[test]
fn binary_is_not_taken_for_an_object() {
    #[derive(Deserialize, Debug)]
    struct Flattened {
        #[serde(flatten)]
        _more: BTreeMap<String, Value>,
    }
    #[derive(Deserialize, Debug)]
    struct Own {
        #[serde(rename = "_placeholder")]
        _is_one: bool,
    }
    #[derive(Deserialize, Debug)]
    struct Optional {
        _x: Option<u8>,
    }
    let read = |text: &str| Args::from_json(text, vec![Bytes::from_static(b"zero")]).unwrap();
    let is_refused = |error: ArgsError| error.to_string().contains("`bytes::Bytes`");
    for binary in [r#"{"_placeholder":true,"num":0}"#, r#"{"num":0,"x":[1],"_placeholder":true}"#] {
        let within = format!(r#"[{{"a":[1,{binary}],"x":1,"y":null}}]"#);
        assert!(is_refused(read(&format!("[{binary}]")).deserialize::<Value>().unwrap_err()));
        assert!(is_refused(read(&within).deserialize::<Value>().unwrap_err()));
        assert!(is_refused(read(&within).deserialize::<BTreeMap<String, Value>>().unwrap_err()));
        assert!(is_refused(read(&within).deserialize::<Flattened>().unwrap_err()));
        assert!(is_refused(read(&format!("[{binary}]")).deserialize::<Vec<u8>>().unwrap_err()));
        // Who does not look at it is not concerned.
        assert_eq!(read(&within).deserialize::<Point>().unwrap(), Point { x: 1, y: None });
        assert_eq!(read(&format!("[7,{binary}]")).deserialize::<Value>().unwrap(), 7);
        // Nobody takes it for something that it is not.
        assert!(is_refused(read(&format!("[{binary}]")).deserialize::<Own>().unwrap_err()));
        assert!(is_refused(read(&format!("[{binary}]")).deserialize::<Optional>().unwrap_err()));
        let ignored = read(&format!("[{binary}]")).deserialize::<BTreeMap<String, IgnoredAny>>();
        assert!(is_refused(ignored.unwrap_err()));
    }
    let other = read(r#"["x",{"_placeholder":true,"num":0}]"#).deserialize::<u8>().unwrap_err();
    assert!(!is_refused(other), "it has nothing to do with it");
    // What looks similar beside binary is none.
    for similar in [
        r#"{"_placeholder":false,"num":0}"#,
        r#"[{"_placeholder":1},true]"#,
        r#"{"a":{"_placeholder":1},"b":true}"#,
        r#"["_placeholder",true,{"a":"_placeholder","b":true}]"#,
    ] {
        let value: Value = serde_json::from_str(similar).unwrap();
        assert_eq!(read(&format!("[{similar}]")).deserialize::<Value>().unwrap(), value);
    }
}

#[test]
fn args_are_taken_as_they_are() {
    let args = Args::from_json("[1,2]", Vec::new()).unwrap();
    assert_eq!(Args::from_args(&args).unwrap(), args);
}

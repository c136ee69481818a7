use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;

fn text(value: &(impl ToArgs + ?Sized)) -> String {
    value.to_args(Parser::Json).unwrap().to_json().unwrap().0.to_string()
}

#[derive(Serialize)]
struct Point {
    x: i32,
}

#[derive(Serialize)]
struct Pair(u8, &'static str);

#[derive(Serialize)]
struct Name(&'static str);

#[derive(Serialize)]
enum Shape {
    Empty,
    Round(u8),
    Two(u8, u8),
    Named { a: u8 },
}

#[test]
fn tuples_are_spread() {
    assert_eq!(text(&(1, "a", None::<u8>)), r#"[1,"a",null]"#);
    assert_eq!(text(&Pair(1, "a")), r#"[1,"a"]"#);
    assert_eq!(text(&[1, 2, 3]), "[1,2,3]");
    assert_eq!(text(&((1, 2), ())), "[[1,2],null]");
    assert_eq!(text(&()), "[]");
    assert_eq!(text(&(&(1, 2),)), "[[1,2]]");
    assert_eq!((1, 2, 3, 4, 5, 6).to_args(Parser::Json).unwrap().len(), 6);
}

#[test]
fn anything_else_is_one_argument() {
    assert_eq!(text("a"), r#"["a"]"#);
    assert_eq!(text(&"a"), r#"["a"]"#);
    assert_eq!(text(&1.0), "[1.0]");
    assert_eq!(text(&vec![1, 2]), "[[1,2]]");
    assert_eq!(text(&[1, 2][..]), "[[1,2]]");
    assert_eq!(text(&Point { x: 1 }), r#"[{"x":1}]"#);
    assert_eq!(text(&Name("a")), r#"["a"]"#);
    assert_eq!(text(&None::<u8>), "[null]");
    assert_eq!(text(&Some((1, 2))), "[[1,2]]");
    assert_eq!(text(&json!([1, {"a": null}])), r#"[[1,{"a":null}]]"#);
    assert_eq!(text(&(Shape::Empty, Shape::Round(1))), r#"["Empty",{"Round":1}]"#);
    assert_eq!(text(&Shape::Two(1, 2)), r#"[{"Two":[1,2]}]"#);
    assert_eq!(text(&Shape::Named { a: 1 }), r#"[{"Named":{"a":1}}]"#);
    let raw = RawValue::from_string(r#"{"b": 1.0, "a": 2}"#.to_owned()).unwrap();
    assert_eq!(text(&raw), r#"[{"b": 1.0, "a": 2}]"#);
}

#[test]
fn bytes_become_attachments() {
    let data = ("a", Bytes::from_static(b"zero"), vec![serde_bytes::Bytes::new(b"one")]);
    let args = data.to_args(Parser::Json).unwrap();
    assert_eq!(
        args.to_json().unwrap().0,
        r#"["a",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#
    );
    assert_eq!(args.attachments(), [Bytes::from_static(b"zero"), Bytes::from_static(b"one")]);
}

#[test]
fn data_does_not_pass_for_an_attachment() {
    let forged = json!({"_placeholder": true, "num": 5});
    assert_eq!((&forged, Bytes::new()).to_args(Parser::Json), Err(EncodeError::ForgedPlaceholder));
    (&forged, 1).to_args(Parser::Json).unwrap();
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| RawValue::from_string("[".repeat(levels) + &"]".repeat(levels)).unwrap();
    let value = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    value(127).to_args(Parser::Json).unwrap();
    assert_eq!(value(128).to_args(Parser::Json), Err(EncodeError::TooDeep));
    nested(127).to_args(Parser::Json).unwrap();
    assert_eq!(nested(128).to_args(Parser::Json), Err(EncodeError::TooDeep));
    assert_eq!([nested(127)].to_vec().to_args(Parser::Json), Err(EncodeError::TooDeep));
    assert_eq!(nested(100_000).to_args(Parser::Json), Err(EncodeError::TooDeep));
}

#[test]
fn args_stay_what_they_are() {
    let args = Args::from_json(r#"[ 1.0 ,{"b":1,"a":2}]"#, Vec::new()).unwrap();
    let again = args.to_args(Parser::Json).unwrap();
    assert_eq!(again, args);
    assert_eq!(again.data.bytes().as_ptr(), args.data.bytes().as_ptr());
}

#[test]
fn failing_data_is_an_error() {
    let failing = std::collections::BTreeMap::from([(vec![1], 2)]);
    let error = failing.to_args(Parser::Json).unwrap_err();
    assert_eq!(error, EncodeError::Data("key must be a string".to_owned()));
}

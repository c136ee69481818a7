use bytes::Bytes;
use serde_json::value::to_raw_value;

use super::*;
use crate::protocol::ToArgs;

fn event(namespace: &str, name: &str, args: &impl ToArgs, ack: Option<u64>) -> (String, Vec<Bytes>) {
    let mut out = b"4".to_vec();
    let args = args.to_args(Parser::Json).unwrap();
    let attachments = encode_event(Parser::Json, namespace, name, &args, ack, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), attachments.to_vec())
}

#[test]
fn encodes_events() {
    assert_eq!(event("/", "hello", &(), None).0, r#"42["hello"]"#);
    assert_eq!(event("/", "hello", &(1, "a"), None).0, r#"42["hello",1,"a"]"#);
    assert_eq!(event("/admin", "say \"hi\"", &None::<u8>, Some(12)).0, r#"42/admin,12["say \"hi\"",null]"#);
    let (text, attachments) = event("/", "file", &("x", Bytes::from_static(b"data")), Some(1));
    assert_eq!(text, r#"451-1["file","x",{"_placeholder":true,"num":0}]"#);
    assert_eq!(attachments, [Bytes::from_static(b"data")]);
}

#[test]
fn encodes_the_other_packets() {
    let text = |encode: &dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>| {
        let mut out = Vec::new();
        encode(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let json = Parser::Json;
    let answer = |args: &Args, out: &mut Vec<u8>| encode_ack(json, "/", 5, args, out).map(drop);
    assert_eq!(text(&|out| answer(&Args::default(), out)), "35[]");
    assert_eq!(text(&|out| answer(&(1, 2).to_args(json).unwrap(), out)), "35[1,2]");
    let payload = to_raw_value(&serde_json::json!({"sid": "abc"})).unwrap();
    assert_eq!(text(&|out| encode_connect(json, "/", Some(&payload), out)), r#"0{"sid":"abc"}"#);
    assert_eq!(text(&|out| encode_connect(json, "/admin", None, out)), "0/admin,");
    assert_eq!(text(&|out| encode_disconnect(json, "/admin", out)), "1/admin,");
    assert_eq!(text(&|out| encode_disconnect(json, "/", out)), "1");
    let data = to_raw_value(&[1]).unwrap();
    let refuse = |revision, data: Option<&RawValue>, out: &mut Vec<u8>| {
        encode_connect_error(json, revision, "/x", "no", data, out)
    };
    assert_eq!(text(&|out| refuse(Revision::V5, None, out)), r#"4/x,{"message":"no"}"#);
    assert_eq!(text(&|out| refuse(Revision::V5, Some(&data), out)), r#"4/x,{"message":"no","data":[1]}"#);
    assert_eq!(text(&|out| refuse(Revision::V4, None, out)), r#"4/x,"no""#);
    assert_eq!(text(&|out| refuse(Revision::V4, Some(&data), out)), "4/x,[1]");
}

#[test]
fn refuses_what_no_client_would_accept() {
    let mut out = b"kept".to_vec();
    let args = Args::default();
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        let error = encode_event(Parser::Json, "/", name, &args, None, &mut out).unwrap_err();
        assert!(matches!(error, EncodeError::ReservedEvent(_)), "{name}");
    }
    for namespace in ["", "chat", "/a,b"] {
        let error = encode_event(Parser::Json, namespace, "e", &args, None, &mut out).unwrap_err();
        assert_eq!(error, EncodeError::InvalidNamespace(namespace.to_owned()));
    }
    assert_eq!(out, b"kept");
    encode_event(Parser::MsgPack, "/a,b", "e", &args, None, &mut out).unwrap();
}

use super::*;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn json(args: &Args) -> String {
    args.to_json().unwrap().0.to_string()
}

const SIX: &str = r#"[1, "a,]" ,{"x":[1,2]},[],null,6]"#;

#[test]
fn splits_and_joins() {
    let args = Args::from_json(SIX, Vec::new()).unwrap();
    assert_eq!((args.len(), json(&args).as_str()), (6, SIX));
    let each: Vec<_> = (0..6).map(|index| json(&args.get(index).unwrap())).collect();
    assert_eq!(each, ["[1]", "[ \"a,]\" ]", "[{\"x\":[1,2]}]", "[[]]", "[null]", "[6]"]);
    assert!(args.get(6).is_none());
    assert_eq!(json(&args.skip(4)), "[null,6]");
    assert_eq!(json(&args.skip(5)), "[6]");
    assert_eq!(args.skip(0), args);
    assert!(args.skip(6).is_empty() && args.skip(600).is_empty());
    let again =
        (1..6).try_fold(args.get(0).unwrap(), |list, index| list.concat(&args.get(index).unwrap())).unwrap();
    assert_eq!(again, args);
    assert_eq!(Args::default().concat(&args).unwrap(), args);
    assert_eq!(args.concat(&Args::default()).unwrap(), args);
}

#[test]
fn parts_keep_their_attachments_only() {
    let text = r#"[{"_placeholder":true,"num":1},7,{"a":{"num":0,"_placeholder":true},"b":{"_placeholder":true,"num":0}}]"#;
    let args = Args::from_json(text, vec![bytes("zero"), bytes("one"), bytes("unused")]).unwrap();
    assert_eq!(args.size(), text.len() - 2 + 13);
    let first = args.get(0).unwrap();
    assert_eq!(
        (json(&first).as_str(), first.attachments()),
        (r#"[{"_placeholder":true,"num":0}]"#, &[bytes("one")][..])
    );
    let second = args.get(1).unwrap();
    assert_eq!((json(&second).as_str(), second.attachments().len()), ("[7]", 0));
    let rest = args.skip(1);
    assert_eq!(rest.attachments(), [bytes("zero")]);
    let joined = rest.concat(&first).unwrap();
    assert_eq!(joined.attachments(), [bytes("zero"), bytes("one")]);
    assert_eq!(json(&joined.skip(2)), json(&first));
}

#[test]
fn joining_does_not_make_placeholders_of_data() {
    let data = Args::from_json(r#"[{"_placeholder":true,"num":5}]"#, Vec::new()).unwrap();
    let binary = Args::from_json(r#"[{"_placeholder":true,"num":0}]"#, vec![bytes("x")]).unwrap();
    assert_eq!(data.concat(&binary), Err(EncodeError::ForgedPlaceholder));
    assert_eq!(binary.concat(&data), Err(EncodeError::ForgedPlaceholder));
    data.concat(&data).unwrap();
}

#[test]
fn refuses_what_is_no_list() {
    for text in [
        "", "1", "{}", "[1,]", "[,1]", "[1", "[1]x", "[01]", "[1.]", "[.5]", "[+1]", "[1e]", "[tru]", "['a']",
    ] {
        assert!(Args::from_json(text, Vec::new()).is_err(), "{text}");
    }
    let missing = Args::from_json(r#"[{"_placeholder":true,"num":1}]"#, vec![bytes("x")]);
    assert_eq!(missing, Err(DecodeError::InvalidPlaceholder));
}

#[test]
fn does_not_show_its_data() {
    let args = Args::from_json(r#"["secret"]"#, Vec::new()).unwrap();
    assert_eq!(format!("{args:?}"), "Args { parser: Json, len: 1, bytes: 8, attachments: 0 }");
}

#[test]
fn a_detached_copy_is_equal_and_elsewhere() {
    let json = Args::from_json(r#"[7,{"_placeholder":true,"num":0}]"#, vec![bytes("x")]).unwrap();
    for args in [json.to_parser(Parser::MsgPack).unwrap(), json] {
        let copy = args.detached();
        assert_eq!((&copy, copy.len()), (&args, 2));
        assert_eq!(copy.get(1), args.get(1));
        assert_ne!(copy.data.bytes().as_ptr(), args.data.bytes().as_ptr());
    }
}

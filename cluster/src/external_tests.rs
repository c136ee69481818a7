use proptest::prelude::*;

use super::*;

fn read(json: &str) -> Result<External, ExternalError> {
    External::read(json.as_bytes(), &ExternalLimits::default())
}

fn refusal(json: &str) -> String {
    read(json).expect_err("refused").to_string()
}

fn event(external: External) -> (Target, Event) {
    match external.action {
        Action::Emit(event) => (external.target, event),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_simplest_emit() {
    let (target, event) = event(read(r#"{"event":"news"}"#).expect("valid"));
    assert_eq!((&*target.namespace, target.rooms.len(), target.except.len()), ("/", 0, 0));
    assert_eq!((&*event.name, event.data.len(), event.volatile), ("news", 0, false));
}

#[test]
fn arguments_stay_the_json_they_are() {
    let json = r#"{"namespace":"/chat","rooms":["my room"],"except":["a"],"event":"e","volatile":true,
        "data":[{"z":1,"a":2},12345678901234567890123, 1.0]}"#;
    let (target, event) = event(read(json).expect("valid"));
    assert_eq!(&*target.namespace, "/chat");
    assert_eq!((&*target.rooms[0], &*target.except[0]), ("my room", "a"));
    let data: Vec<_> = event.data.iter().map(|argument| argument.get()).collect();
    assert_eq!(data, [r#"{"z":1,"a":2}"#, "12345678901234567890123", "1.0"]);
    assert!(event.volatile);
}

#[test]
fn binary_data() {
    let json = r#"{"event":"e","data":[{"_placeholder":true,"num":0}],"attachments":["AAEC"]}"#;
    let (_, event) = event(read(json).expect("valid"));
    assert_eq!(event.attachments, [Bytes::from_static(&[0, 1, 2])]);
    let none = r#""data" stands for none of the 0 attachments"#;
    for data in [
        r#"[{"_placeholder":true,"num":0}]"#,
        r#"[[{"x":{"_placeholder":true}}]]"#,
        r#"[{"_placeholder":true,"num":-1}]"#,
        r#"[{"_\u0070laceholder":true,"num":0}]"#,
    ] {
        assert!(refusal(&format!(r#"{{"event":"e","data":{data}}}"#)).contains(none), "{data}");
    }
    assert_eq!(refusal(r#"{"event":"e","attachments":["AAEC","?"]}"#), "attachment 1 is not base64");
    assert!(read(r#"{"event":"e","data":[{"_placeholder":false},"\"_placeholder\""]}"#).is_ok());
}

#[test]
fn the_other_actions() {
    let target =
        |external: &External| external.target.rooms.iter().map(|room| room.to_string()).collect::<Vec<_>>();
    let join = read(r#"{"action":"join","rooms":["a"],"join":["b","c"]}"#).expect("valid");
    assert_eq!(target(&join), ["a"]);
    assert!(matches!(&join.action, Action::Join(rooms) if rooms.len() == 2));
    let leave = read(r#"{"action":"leave","leave":["b"]}"#).expect("valid");
    assert!(matches!(&leave.action, Action::Leave(rooms) if &*rooms[0] == "b"));
    let disconnect = read(r#"{"action":"disconnect","rooms":["a"],"close":true}"#).expect("valid");
    assert!(matches!(disconnect.action, Action::Disconnect { close: true }));
    let close = read(r#"{"action":"close_room","room":"a"}"#).expect("valid");
    assert!(matches!(close.action, Action::CloseRoom));
    assert_eq!(target(&close), ["a"]);
    let nodes = read(r#"{"action":"nodes"}"#).expect("valid");
    assert!(matches!(nodes.action, Action::Nodes));
    for external in [join, leave, disconnect, close, nodes] {
        let json = external.write(&ExternalLimits::default()).expect("can be written");
        let again = External::read(&json, &ExternalLimits::default()).expect("can be read");
        assert_eq!(format!("{again:?}"), format!("{external:?}"));
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    for (json, part) in [
        ("", "is a JSON object"),
        ("{", "EOF"),
        (r#"["emit","/",[],[],"e"]"#, "is a JSON object"),
        ("{}", r#"the field "event" is missing"#),
        (r#"{"action":"join","rooms":["a"]}"#, r#"the field "join" is missing"#),
        (r#"{"action":"close_room"}"#, r#"the field "room" is missing"#),
        (r#"{"action":"dance"}"#, "unknown variant `dance`"),
        (r#"{"event":"e","romms":["a"]}"#, "unknown field `romms`"),
        (r#"{"event":"e","close":true}"#, r#""close" does not belong"#),
        (r#"{"action":"close_room","room":"a","rooms":["b"]}"#, r#""rooms" does not belong"#),
        (r#"{"action":"nodes","rooms":["b"]}"#, r#""rooms" does not belong"#),
        (r#"{"action":"nodes","namespace":"/"}"#, r#""namespace" does not belong"#),
        (r#"{"action":"join","join":[]}"#, r#""join" names no room"#),
        (r#"{"event":"e","event":"f"}"#, "duplicate field `event`"),
        (r#"{"event":"e","rooms":"a"}"#, "expected a sequence"),
        (r#"{"event":"e","data":{"foo":1}}"#, "expected a sequence"),
        (r#"{"event":"disconnect"}"#, r#""disconnect" is reserved"#),
        (r#"{"event":"newListener"}"#, "is reserved"),
        (r#"{"event":"e","namespace":"chat"}"#, "does not begin with a slash"),
        (r#"{"event":"e"} x"#, "trailing characters"),
    ] {
        let text = refusal(json);
        assert!(text.contains(part), "{json}: {text}");
    }
}

#[test]
fn limits() {
    let limits =
        ExternalLimits { max_bytes: 300, max_rooms: 2, max_name: 10, max_attachments: 1, max_depth: 3 };
    let read = |json: &str| External::read(json.as_bytes(), &limits);
    for (accepted, refused) in [
        (r#"{"event":"0123456789"}"#, r#"{"event":"0123456789+"}"#),
        (r#"{"event":"e","rooms":["a","b"]}"#, r#"{"event":"e","rooms":["a","b","c"]}"#),
        (r#"{"event":"e","except":["0123456789"]}"#, r#"{"event":"e","except":["0123456789+"]}"#),
        (r#"{"event":"e","namespace":"/123456789"}"#, r#"{"event":"e","namespace":"/123456789+"}"#),
        (r#"{"event":"e","attachments":["AA=="]}"#, r#"{"event":"e","attachments":["AA==","AA=="]}"#),
        (r#"{"event":"e","data":[[{"[[":1}]]}"#, r#"{"event":"e","data":[[{"a":[]}]]}"#),
        (r#"{"action":"join","join":["a"]}"#, r#"{"action":"join","join":["a","b","c"]}"#),
    ] {
        assert!(read(accepted).is_ok(), "{accepted}: {:?}", read(accepted));
        assert!(read(refused).is_err(), "{refused}");
    }
    let large = format!(r#"{{"event":"e","data":["{}"]}}"#, "x".repeat(300));
    assert_eq!(read(&large).expect_err("refused").to_string(), "the message's bytes are more than 300");
    let deep = format!(r#"{{"event":"e","data":[{}{}]}}"#, "[".repeat(400_000), "]".repeat(400_000));
    assert!(super::tests::read(&deep).is_err(), "no stack overflow");
}

proptest! {
    #[test]
    fn any_name_passes_through(name in any::<String>(), room in any::<String>(), argument in any::<String>()) {
        prop_assume!(!is_reserved_event(&name));
        let data = vec![serde_json::value::to_raw_value(&argument).expect("JSON")];
        let target = Target { namespace: "/".into(), rooms: vec![room.into()], except: Vec::new() };
        let action = Action::Emit(Event { name, data, attachments: vec![Bytes::from_static(b"x")], volatile: true });
        let external = External { target, action };
        let json = external.write(&ExternalLimits::default()).expect("can be written");
        let again = External::read(&json, &ExternalLimits::default()).expect("can be read");
        prop_assert_eq!(format!("{again:?}"), format!("{external:?}"));
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(External::read(&bytes, &ExternalLimits::default()).is_err());
    }
}

/// What people copy from the page works.
#[test]
fn the_examples_of_the_page_are_read() {
    let page = include_str!("../PROTOCOL.md");
    let section = page.split_once("## External processes").expect("a section").1;
    let (external, answers) = section.split_once("### Answers").expect("a section");
    let mut read = 0;
    for line in external.lines() {
        let command = line.strip_prefix("nats pub sio.emit '").and_then(|line| line.strip_suffix('\''));
        if let Some(json) = command.or(line.starts_with('{').then_some(line)) {
            External::read(json.as_bytes(), &ExternalLimits::default()).expect(json);
            read += 1;
        }
    }
    assert_eq!(read, 7);
    let answers = answers.split_once("## ").map_or(answers, |(answers, _)| answers);
    let json: Vec<_> = answers.split('`').filter(|part| part.starts_with('{')).collect();
    assert_eq!(json.len(), 4);
    for json in json {
        Reply::read(json.as_bytes()).expect(json);
    }
}

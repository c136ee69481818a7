use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Subject, reply subject, subscription id and sizes of a PUB or MSG line.
const CONTROL_LINE: usize = 4096;
const REST_OF_LINE: usize = 64;

fn check(subject: &Subject, tokens: usize) {
    let text = subject.as_str();
    assert!(text.len() + MAX_REPLY + REST_OF_LINE <= CONTROL_LINE, "{} bytes", text.len());
    assert_eq!(text.split('.').count(), tokens, "{text}");
    for token in text.split('.') {
        assert!(!token.is_empty(), "{text}");
        assert!(
            token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'~')),
            "{text}"
        );
    }
}

fn check_names(namespace: &str, name: &str) {
    let prefix = "p".repeat(MAX_PREFIX);
    let subjects = Subjects::new(&prefix, 7).expect("valid");
    check(subjects.namespace(namespace), 3);
    check(subjects.room(namespace, name), 3);
    if let Ok(subject) = subjects.event(namespace, name) {
        check(&subject, 4);
    }
    // A queue group stands in the same line.
    check(&Subject(token_or_digest(name).into()), 1);
}

#[test]
fn the_tree() {
    let subjects = Subjects::default();
    let node = NodeId::parse(b"abcdefgh").expect("an id");
    assert_eq!(subjects.prefix(), "sio");
    assert_eq!(subjects.control().as_str(), "sio.control");
    assert_eq!(subjects.emit().as_str(), "sio.emit");
    assert_eq!(subjects.namespace("/").as_str(), "sio.room.994");
    assert_eq!(subjects.node(node).as_str(), "sio.node.abcdefgh");
    assert_eq!(subjects.fence(node, 255).as_str(), "sio.fence.abcdefgh.00000000000000ff");
    assert_eq!(subjects.event("/chat", "message").expect("short").as_str(), "sio.event.~L2NoYXQ.message");
    assert_eq!(subjects.event("/", "a b").expect("short").as_str(), "sio.event.~Lw.~YSBi");
    assert_eq!(subjects.event("/", "").expect("short").as_str(), "sio.event.~Lw.~");
}

/// Written down in PROTOCOL.md: a change is a new BUCKET_HASH.
#[test]
fn hashes_are_stable() {
    let subjects = Subjects::default();
    let vectors = [("/", "lobby"), ("/", ""), ("/chat", "my room"), ("/", "räume.*>")];
    let found: Vec<_> = vectors.iter().map(|(namespace, room)| subjects.bucket(namespace, room)).collect();
    assert_eq!(found, VECTORS.map(|(bucket, _)| bucket));
    let found: Vec<_> = vectors.iter().map(|(namespace, room)| digest(namespace, room)).collect();
    assert_eq!(found, VECTORS.map(|(_, digest)| digest));
    assert_ne!(hash64("/a", "b"), hash64("/", "ab"));
}

const VECTORS: [(u32, &str); 4] = [
    (81, "P8b6ISlP94xuOQhtrPWOOQ"),
    (994, "CICUj1CrG-laoHMwVUdp8w"),
    (815, "Gwwxd_T7N2MGD-lUAhN5Tg"),
    (499, "-BPUaM-V08_3fvSfV5i7rQ"),
];

#[test]
fn rooms_spread_over_the_buckets() {
    let subjects = Subjects::default();
    let mut sizes = HashMap::<u32, u32>::new();
    for room in 0..100_000 {
        *sizes.entry(subjects.bucket("/", &format!("room {room}"))).or_default() += 1;
    }
    assert_eq!(sizes.len(), 1024);
    assert!(sizes.values().all(|size| (40..200).contains(size)), "{sizes:?}");
}

#[test]
fn hostile_names_make_plain_subjects() {
    let long = "x".repeat(10_000);
    let wide = "é".repeat(10_000);
    for name in
        ["", ".", "..", "*", ">", "a.>", " ", "\t\r\n", "\0", "~", "~~", "$SYS", "日本", "a b", &long, &wide]
    {
        check_names(name, name);
    }
    let subjects = Subjects::default();
    assert_eq!(subjects.event("/", &long), Err(NameTooLong(10_000)));
    assert!(subjects.namespace(&long).as_str().starts_with("sio.room."));
    assert!(subjects.namespace(&wide).as_str().starts_with("sio.room."));
}

#[test]
fn prefixes_and_bucket_counts_are_checked() {
    for prefix in ["", ".", "a.", ".a", "a..b", "a b", "a.*", ">", "$SYS", "é", &"x".repeat(MAX_PREFIX + 1)]
    {
        assert_eq!(Subjects::new(prefix, 1).err(), Some(SubjectsError::Prefix), "{prefix:?}");
    }
    assert_eq!(Subjects::new("a.b-c_D9", 0).err(), Some(SubjectsError::Buckets));
    assert_eq!(Subjects::new("a", MAX_BUCKETS + 1).err(), Some(SubjectsError::Buckets));
    assert_eq!(Subjects::new("a.b-c_D9", 1).expect("valid").room("/", "x").as_str(), "a.b-c_D9.room.0");
}

#[test]
fn only_subjects_of_others_without_wildcards_are_answered() {
    let subjects = Subjects::new("my.app", 4).expect("valid");
    for reply in
        ["_INBOX.abc.1", "_INBOX_emitter.räume", "my", "my.application.x", "sio.control", "a.$x", "My.app"]
    {
        assert_eq!(subjects.reply(reply).as_ref().map(Subject::as_str), Ok(reply));
    }
    let long = "r".repeat(MAX_REPLY + 1);
    for reply in ["", "a..b", "a.", ".a", "*", "a.>", "a.b*", "a b", "a\r\nPUB x 0", "a\0", "\u{7f}", &long] {
        assert_eq!(subjects.reply(reply), Err(InvalidSubject), "{reply:?}");
    }
    for reply in
        ["my.app", "my.app.control", "my.app.node.abcdefgh", "my.app.x", "$SYS.REQ", "$JS.API.x", "$"]
    {
        assert_eq!(subjects.reply(reply), Err(InvalidSubject), "{reply:?}");
    }
}

proptest! {
    #[test]
    fn any_name_makes_plain_subjects(namespace in any::<String>(), name in any::<String>()) {
        check_names(&namespace, &name);
    }

    /// Whatever is answered is one line for NATS, and nobody's but the sender's.
    #[test]
    fn no_reply_subject_leads_into_the_tree(reply in "(sio|\\$SYS|_INBOX|)[.a*> \r\n\t~é$]{0,12}") {
        let subjects = Subjects::default();
        if let Ok(subject) = subjects.reply(&reply) {
            prop_assert_eq!(subject.as_str(), &reply);
            prop_assert!(reply != "sio" && !reply.starts_with("sio.") && !reply.starts_with('$'));
            prop_assert!(!reply.contains(|c: char| c.is_ascii_whitespace() || c == '*' || c == '>'));
            prop_assert!(reply.split('.').all(|token| !token.is_empty()));
        }
    }

    #[test]
    fn any_short_name_can_be_read_back(name in ".{0,200}") {
        let token = token(&name).expect("short");
        let read = match token.strip_prefix('~') {
            Some(encoded) => String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).expect("base64")).expect("UTF-8"),
            None => token,
        };
        prop_assert_eq!(read, name);
    }
}

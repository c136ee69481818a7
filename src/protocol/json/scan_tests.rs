use super::*;

fn accepted(text: &str) -> bool {
    scan_value(text.as_bytes(), 0, MAX_DEPTH, &mut Ignore)
        .and_then(|end| end_of_text(text.as_bytes(), end))
        .is_ok()
}

#[test]
fn accepts_json() {
    for text in [
        "0",
        "-0",
        "12",
        "-1.5e+10",
        "1E5",
        "0.1",
        " null ",
        "true",
        "false",
        "\"\"",
        "{}",
        "[]",
        "[ ]",
        "{ }",
        "[1,[2,[3]],{}]",
        "{\"a\":{\"b\":[{}]},\"c\":1}",
        "\t[\n1\r, 2 ]",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d""#,
        "\"a longer string than eight bytes, ünïcödé\"",
        "{ \"a\" : [ 1 , 2 ] }",
    ] {
        assert!(accepted(text), "{text}");
        assert!(text.contains("ud83d") || serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "01",
        "-",
        "1.",
        ".1",
        "1e",
        "1e+",
        "+1",
        "NaN",
        "nul",
        "truE",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"12345678\u{1}\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[,",
        "[1,]",
        "[1 2]",
        "[}",
        "{",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "1 2",
        "[]]",
        "\u{a0}1",
    ] {
        assert!(!accepted(text), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
}

#[test]
fn finds_the_special_bytes_of_strings() {
    for special in [b'"', b'\\', 0x00, 0x1f] {
        for at in 0..20 {
            let mut text = vec![b'a'; 20];
            for (index, byte) in text.iter_mut().enumerate() {
                *byte = [b'a', 0x20, b'!', b'#', b'[', b']', 0x7f, 0xc3, 0x80, 0xff][index % 10];
            }
            assert_eq!(plain_prefix(&text), 20);
            text[at] = special;
            assert_eq!(plain_prefix(&text), at);
        }
    }
}

#[test]
fn locates_elements() {
    let text = br#" [ "a,b" , [1,2],{"x":"]"},4 ,5,6 ] "#;
    let list = scan_list(text, 0, MAX_DEPTH, &mut Ignore).unwrap();
    assert_eq!(list.count, 6);
    let mut start = list.open + 1;
    for end in list.ends {
        assert_eq!(element_end(text, start), end);
        assert_eq!(text[end], b',');
        start = end + 1;
    }
    assert_eq!(text[list.close], b']');
}

use super::super::scan::scan_value;
use super::*;

#[test]
fn numbers_anew_in_the_order_of_use() {
    let text = r#"[{"_placeholder":true,"num":2},{"num":0,"_placeholder":true},{"_placeholder":true,"num":2},{"num":1}]"#;
    let attachments = Attachments::from(vec![Bytes::from("a"), Bytes::from("b"), Bytes::from("c")]);
    let mut finder = Finder::new(3);
    scan_value(text.as_bytes(), 0, 128, &mut finder).unwrap();
    let (text, kept) = renumber(text, &finder.finish(), &attachments, 10);
    assert_eq!(
        text,
        r#"[{"_placeholder":true,"num":10},{"num":11,"_placeholder":true},{"_placeholder":true,"num":10},{"num":1}]"#
    );
    assert_eq!(kept, ["c", "a"]);
}

#[test]
fn placeholders_inside_placeholders_are_found_in_the_order_of_the_text() {
    let text = r#"{"num":1,"x":{"_placeholder":true,"num":0},"_placeholder":true}"#;
    let mut finder = Finder::new(2);
    scan_value(text.as_bytes(), 0, 128, &mut finder).unwrap();
    let numbers: Vec<_> = finder.finish().into_iter().map(|placeholder| placeholder.number).collect();
    assert_eq!(numbers, [1, 0]);
}

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
fn placeholders_inside_placeholders_do_not_count() {
    let text = r#"[{"_placeholder":true,"num":0},{"num":1,"x":[{"_placeholder":true,"num":0}],"_placeholder":true}]"#;
    let mut finder = Finder::new(2);
    scan_value(text.as_bytes(), 0, 128, &mut finder).unwrap();
    let found = finder.finish();
    assert_eq!(found.iter().map(|placeholder| placeholder.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(&text[found[1].object.clone()], &text[31..text.len() - 1]);
    assert_eq!(&text[found[1].digits.clone()], "1");
}

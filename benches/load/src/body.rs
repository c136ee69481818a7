//! What is sent: valid JSON whose keys are sorted, so that every server returns the same bytes.

/// The argument of an echo.
pub(crate) fn argument(name: &str) -> Option<String> {
    match name {
        "small" => Some("\"0123456789abcdef\"".to_owned()),
        "kilobyte" => Some(kilobyte()),
        _ => None,
    }
}

/// An object of 1,000 bytes: an order with its lines, as an application would send it.
fn kilobyte() -> String {
    let mut lines = String::new();
    for line in 0..9 {
        if line > 0 {
            lines.push(',');
        }
        let (price, quantity) = (1_999 + 10 * line, line + 1);
        lines += &format!(
            "{{\"article\":\"A-{line:04}\",\"gift\":{},\"note\":null,\"price\":{price},\"quantity\":{quantity},\"tags\":[\"a\",\"b\"]}}",
            line % 2 == 0
        );
    }
    let mut text = format!(
        "{{\"customer\":{{\"id\":90210,\"name\":\"Ada Lovelace\"}},\"lines\":[{lines}],\"text\":\"\"}}"
    );
    let padding = "x".repeat(1_000usize.saturating_sub(text.len()));
    let end = text.len() - 2;
    text.insert_str(end, &padding);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_their_size() {
        let body = argument("kilobyte").unwrap();
        assert_eq!(body.len(), 1_000);
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    }
}

//! What people may type: bounded, one line, nothing invisible.

/// Characters of a nick name.
pub(super) const MAX_NAME: usize = 24;
/// Characters of a room's name.
pub(super) const MAX_ROOM: usize = 32;
/// Characters of a message.
pub(super) const MAX_TEXT: usize = 500;

/// The text without space around it, or nothing if it is empty, too long or has control characters.
pub(super) fn tidy(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let is_fine = !text.is_empty() && text.chars().count() <= max && !text.chars().any(is_invisible);
    is_fine.then(|| text.to_owned())
}

/// Control characters, and those that turn the direction of the text around them.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_bounded_and_visible() {
        assert_eq!(tidy("  Ada Lovelace ", MAX_NAME).as_deref(), Some("Ada Lovelace"));
        assert_eq!(tidy("👩‍💻 zoë", MAX_NAME).as_deref(), Some("👩‍💻 zoë"));
        assert_eq!(tidy(&"x".repeat(MAX_NAME), MAX_NAME).map(|name| name.len()), Some(MAX_NAME));
        let too_long = "x".repeat(MAX_NAME + 1);
        for bad in ["", "   ", "a\nb", "a\u{0}", "\u{202e}ada", &too_long] {
            assert_eq!(tidy(bad, MAX_NAME), None, "{bad:?}");
        }
    }
}

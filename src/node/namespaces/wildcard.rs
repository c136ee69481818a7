//! Names of events with `*` for anything.

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Wildcard(Vec<Box<str>>);

impl Wildcard {
    /// Every text is one.
    pub(in crate::node) fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(Box::from).collect())
    }

    /// Whether it matches the whole name. Takes no longer than the two lengths multiplied.
    pub(in crate::node) fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = &*self.0 else { return self.0.iter().all(|text| **text == *name) };
        let Some(rest) = name.strip_prefix(&**first) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
        for text in middle {
            // The leftmost place leaves the most for the others.
            let Some(at) = rest.find(&**text) else { return false };
            rest = &rest[at + text.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("*", "a.b"), ("a*", "a"), ("*.b", "a.b"), ("a*b*c", "a1b2b3c"), ("", "")]
        {
            assert!(Wildcard::new(pattern).matches(name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a", "b"), ("a", "aa"), ("a*a", "a"), ("*b*", "a"), ("a*b*c", "ac"), ("", "a")]
        {
            assert!(!Wildcard::new(pattern).matches(name), "{pattern} {name}");
        }
    }
}

//! Patterns of names: text, `*` for anything, and `{claim}` for a value out of the client's claims.
//!
//! What a claim says is text, whatever it looks like: a `*` in it is a star, not a pattern.

use super::claims::Claims;

/// Longer names match nothing: whoever sends one wants to keep us busy.
const MAX_NAME: usize = 1024;
/// Parts of one pattern.
const MAX_PARTS: usize = 32;

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::node) enum PatternError {
    #[error("pattern {0:?} has a brace without its pair, or nothing between two")]
    Braces(String),
    #[error("pattern {0:?} is too long or has too many parts")]
    TooLong(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Anything,
    Claim(Box<str>),
}

/// A pattern that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Pattern(Vec<Part>);

impl Pattern {
    /// Reads one.
    pub(in crate::node) fn parse(pattern: &str) -> Result<Self, PatternError> {
        let braces = || PatternError::Braces(pattern.to_owned());
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let (part, length) = match first {
                '*' => (Part::Anything, 1),
                '{' => {
                    let end = rest.find('}').ok_or_else(braces)?;
                    let name = &rest[1..end];
                    if name.trim().is_empty() || name.contains('{') {
                        return Err(braces());
                    }
                    (Part::Claim(name.into()), end + 1)
                }
                '}' => return Err(braces()),
                _ => {
                    let end = rest.find(['*', '{', '}']).unwrap_or(rest.len());
                    (Part::Text(rest[..end].into()), end)
                }
            };
            parts.push(part);
            rest = &rest[length..];
        }
        if pattern.len() > MAX_NAME || parts.len() > MAX_PARTS {
            return Err(PatternError::TooLong(pattern.chars().take(64).collect()));
        }
        Ok(Self(parts))
    }

    /// Whether it matches the whole name, for a client with these claims. A claim with several values matches each of them; one that is
    /// not there matches nothing.
    pub(in crate::node) fn matches(&self, name: &str, claims: &Claims) -> bool {
        self.run(name, |claim, ends| step(name, &ends, &claims.texts(claim)))
    }

    /// Whether there may be claims with which it matches.
    pub(in crate::node) fn could_match(&self, name: &str) -> bool {
        self.run(name, |_, ends| anything(ends))
    }

    /// Whether it has a star.
    pub(in crate::node) fn has_star(&self) -> bool {
        self.0.contains(&Part::Anything)
    }

    /// The names that it stands for with these claims, at most so many: of a claim with several values, one for each. Stars are none.
    pub(in crate::node) fn names(&self, claims: &Claims, most: usize) -> Vec<String> {
        let mut names = vec![String::new()];
        for part in &self.0 {
            match part {
                Part::Text(text) => names.iter_mut().for_each(|name| name.push_str(text)),
                Part::Anything => return Vec::new(),
                Part::Claim(claim) => {
                    let values = claims.texts(claim);
                    let longer = names
                        .iter()
                        .flat_map(|name| values.iter().map(move |value| format!("{name}{value}")));
                    names = longer.filter(|name| name.len() <= MAX_NAME).take(most).collect();
                }
            }
        }
        names
    }

    /// Which positions of the name can be reached part by part, so that no pattern takes longer than its length times the name's.
    fn run(&self, name: &str, claim: impl Fn(&str, Vec<bool>) -> Vec<bool>) -> bool {
        if name.len() > MAX_NAME {
            return false;
        }
        if let [Part::Text(text)] = &*self.0 {
            return **text == *name;
        }
        let mut ends = vec![false; name.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            ends = match part {
                Part::Text(text) => step(name, &ends, &[text]),
                Part::Anything => anything(ends),
                Part::Claim(name) => claim(name, ends),
            };
        }
        ends[name.len()]
    }
}

/// The positions behind one of the texts, from each of those in `ends`.
fn step(name: &str, ends: &[bool], texts: &[impl AsRef<str>]) -> Vec<bool> {
    let mut next = vec![false; ends.len()];
    for (at, _) in ends.iter().enumerate().filter(|(_, is_end)| **is_end) {
        let rest = &name.as_bytes()[at..];
        for text in texts.iter().map(AsRef::as_ref).filter(|text| rest.starts_with(text.as_bytes())) {
            next[at + text.len()] = true;
        }
    }
    next
}

/// The first position and all after it.
fn anything(mut ends: Vec<bool>) -> Vec<bool> {
    let first = ends.iter().position(|is_end| *is_end).unwrap_or(ends.len());
    ends[first..].fill(true);
    ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn claims(values: Value) -> Claims {
        let Value::Object(values) = values else { unreachable!() };
        Claims::new(values, Vec::new())
    }

    #[test]
    fn claims_make_names() {
        let user = claims(json!({"sub": "a*", "teams": ["x", "y"]}));
        let names = |pattern: &str| Pattern::parse(pattern).expect("a pattern").names(&user, 3);
        assert_eq!(names("user-{sub}"), ["user-a*"]);
        assert_eq!(names("team-{teams}"), ["team-x", "team-y"]);
        assert_eq!(names("{teams}{teams}"), ["xx", "xy", "yx"]);
        assert!(names("{none}").is_empty() && names("*").is_empty());
        assert!(Pattern::parse("a*").expect("a pattern").has_star());
    }

    fn matches(pattern: &str, name: &str, values: Value) -> bool {
        Pattern::parse(pattern).expect("a pattern").matches(name, &claims(values))
    }

    #[test]
    fn text_and_stars() {
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("*", "x y"), ("a*", "a"), ("a*c", "abbc"), ("*b*", "abc"), ("é*", "éé")]
        {
            assert!(matches(pattern, name, json!({})), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "A"), ("a", "ab"), ("", "a"), ("a*c", "abcd"), ("*b", "bc")] {
            assert!(!matches(pattern, name, json!({})), "{pattern} {name}");
        }
        assert!(matches("", "", json!({})));
    }

    #[test]
    fn claims_are_text() {
        assert!(matches("user-{sub}", "user-7", json!({"sub": 7})));
        assert!(matches("{org.id}:{sub}", "o:a", json!({"sub": "a", "org": {"id": "o"}})));
        assert!(matches("team-{teams}-*", "team-b-1", json!({"teams": ["a", "b"]})));
        // A value that looks like a pattern is none, and neither is one that is not there.
        assert!(!matches("user-{sub}", "user-anybody", json!({"sub": "*"})));
        assert!(matches("user-{sub}", "user-*", json!({"sub": "*"})));
        assert!(!matches("user-{sub}", "user-x", json!({"sub": "{other}", "other": "x"})));
        for nothing in [json!({}), json!({"sub": ""}), json!({"sub": null}), json!({"sub": [[""], {}]})] {
            assert!(!matches("user-{sub}", "user-", nothing.clone()), "{nothing}");
            assert!(!matches("{sub}*", "anything", nothing));
        }
        assert!(Pattern::parse("/t-{tenant}").expect("a pattern").could_match("/t-a"));
        assert!(!Pattern::parse("/t-{tenant}").expect("a pattern").could_match("/u"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["{", "}", "a{b", "a}b", "{}", "{ }", "{a{b}}"] {
            assert!(matches!(Pattern::parse(bad), Err(PatternError::Braces(_))), "{bad}");
        }
        assert!(Pattern::parse(&"*a".repeat(17)).is_err());
    }

    #[test]
    fn nobody_is_kept_busy() {
        let pattern = Pattern::parse(&"*a".repeat(16)).expect("a pattern");
        let begin = std::time::Instant::now();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(1000)), &Claims::default()));
        assert!(!pattern.matches(&"a".repeat(100_000), &Claims::default()));
        assert!(begin.elapsed() < std::time::Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn whatever_is_parsed_and_matched_ends(pattern in ".{0,20}", name in ".{0,40}", sub in ".{0,8}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let claims = claims(json!({"sub": sub}));
                if pattern.matches(&name, &claims) {
                    prop_assert!(pattern.could_match(&name));
                }
            }
        }

        #[test]
        fn a_claim_matches_itself_only(sub in "[a-z*{}.-]{1,8}", other in "[a-z*{}.-]{1,8}") {
            let pattern = Pattern::parse("user-{sub}").expect("a pattern");
            let matches = pattern.matches(&format!("user-{other}"), &claims(json!({"sub": sub})));
            prop_assert_eq!(matches, sub == other);
        }
    }
}

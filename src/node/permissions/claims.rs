//! What is known of whoever is behind a socket: the claims of a token, or what the backend said.
//!
//! Kept in the socket's data; read by the rules and by whatever wants to know the user.

use std::borrow::Cow;
use std::sync::Arc;

use actix_socketio::Socket;
use serde_json::{Map, Value};

use super::rule::Rule;

/// Verified claims. Cheap to clone. Those of a client that nobody asked for a token are empty.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Claims(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    values: Map<String, Value>,
    rules: Vec<Rule>,
}

impl Claims {
    /// The claims, and rules for this client alone.
    pub(in crate::node) fn new(values: Map<String, Value>, rules: Vec<Rule>) -> Self {
        Self(Arc::new(Inner { values, rules }))
    }

    /// Those of a socket.
    pub(in crate::node) fn of(socket: &Socket) -> Self {
        socket.data().get().unwrap_or_default()
    }

    /// All of them.
    pub(in crate::node) fn values(&self) -> &Map<String, Value> {
        &self.0.values
    }

    /// Rules for this client alone.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// A claim by its name, or by a path of names with dots.
    pub(in crate::node) fn get(&self, path: &str) -> Option<&Value> {
        lookup(&self.0.values, path)
    }

    /// Who the user is: the claim `sub`.
    pub(in crate::node) fn subject(&self) -> Option<Cow<'_, str>> {
        text(self.get("sub")?)
    }

    /// A claim as texts: that of a text, number or boolean, those of the elements of a list. Empty ones are none.
    pub(in crate::node) fn texts(&self, path: &str) -> Vec<Cow<'_, str>> {
        match self.get(path) {
            Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// The value of a path. A name that has dots itself comes first: many issuers use URLs as names.
fn lookup<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = values.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    lookup(values.get(first)?.as_object()?, rest)
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_name_or_path() {
        let Value::Object(values) = json!({
            "sub": 7,
            "org": {"id": "o", "teams": ["a", 2, true, null, "", {}]},
            "https://example.com/role": "admin",
            "empty": "",
        }) else {
            unreachable!()
        };
        let claims = Claims::new(values, Vec::new());
        assert_eq!(claims.subject().as_deref(), Some("7"));
        assert_eq!(claims.texts("org.id"), ["o"]);
        assert_eq!(claims.texts("org.teams"), ["a", "2", "true"]);
        assert_eq!(claims.texts("https://example.com/role"), ["admin"]);
        for none in ["empty", "org", "org.none", "org.id.x", "", "."] {
            assert!(claims.texts(none).is_empty(), "{none}");
        }
    }
}

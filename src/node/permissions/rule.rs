//! One rule: for whom, in which namespaces, and what is permitted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::Claims;
use super::pattern::{Pattern, PatternError};

/// What some clients may do in some namespaces. All rules that match permit together.
///
/// Names are patterns: `*` is anything, `{sub}` the value of the client's claim `sub` (`{org.id}` one within another). A claim with
/// several values stands for each; a rule with a claim that the client does not have permits nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct PermissionOptions {
    /// The namespaces it is for, as a pattern. Default `*`: all.
    pub(in crate::node) namespace: String,
    /// Claims that the client must have: a value, or a list of which one must be there. Default none: every client.
    pub(in crate::node) claims: BTreeMap<String, Value>,
    /// Rooms that the client may join and leave, and whose presence it may see. Default none.
    pub(in crate::node) join: Vec<String>,
    /// Rooms that the client may emit to. Default none.
    pub(in crate::node) emit: Vec<String>,
    /// Events that the client may send to the server. Default unset: this rule does not say. Where no rule for the namespace says so,
    /// whomever it is for, every client may send the events that are handled there.
    pub(in crate::node) send: Option<Vec<String>>,
}

impl Default for PermissionOptions {
    fn default() -> Self {
        Self {
            namespace: "*".to_owned(),
            claims: BTreeMap::new(),
            join: Vec::new(),
            emit: Vec::new(),
            send: None,
        }
    }
}

/// A rule that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::node) struct Rule {
    pub(super) namespace: Pattern,
    claims: Vec<(String, Vec<Value>)>,
    pub(super) join: Vec<Pattern>,
    pub(super) emit: Vec<Pattern>,
    pub(super) send: Option<Vec<Pattern>>,
}

impl TryFrom<&PermissionOptions> for Rule {
    type Error = PatternError;

    fn try_from(options: &PermissionOptions) -> Result<Self, PatternError> {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::parse(text)).collect();
        let claims = options.claims.iter().map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            (name.clone(), values)
        });
        Ok(Self {
            namespace: Pattern::parse(&options.namespace)?,
            claims: claims.collect(),
            join: patterns(&options.join)?,
            emit: patterns(&options.emit)?,
            send: options.send.as_deref().map(patterns).transpose()?,
        })
    }
}

impl Rule {
    /// Whether it is for this client in this namespace.
    pub(super) fn is_for(&self, claims: &Claims, namespace: &str) -> bool {
        let has = |(name, wanted): &(String, Vec<Value>)| match claims.get(name) {
            Some(Value::Array(values)) => values.iter().any(|value| wanted.contains(value)),
            Some(value) => wanted.contains(value),
            None => false,
        };
        self.namespace.matches(namespace, claims) && self.claims.iter().all(has)
    }
}

//! What is configured of a webhook, as it is used: patterns, and the secret itself.

use super::WebhookOptions;
use super::signature::Key;
use crate::node::config::SecretError;
use crate::node::namespaces::Wildcard;

/// See the module's documentation.
pub(super) struct Settings {
    pub(super) options: WebhookOptions,
    pub(super) key: Option<Key>,
    /// Events that are named.
    pub(super) names: Vec<String>,
    /// Events by pattern.
    pub(super) patterns: Vec<Wildcard>,
    namespaces: Vec<Wildcard>,
}

impl Settings {
    /// Reads the secret. Blocks for as long as that takes.
    pub(super) fn read(options: &WebhookOptions) -> Result<Self, SecretError> {
        let key = options.secret.as_ref().map(|secret| secret.read()).transpose()?;
        let (patterns, names): (Vec<_>, Vec<_>) =
            options.events.iter().cloned().partition(|pattern| pattern.contains('*'));
        Ok(Self {
            key: key.map(|key| Key::new(&key)),
            names,
            patterns: patterns.iter().map(|pattern| Wildcard::new(pattern)).collect(),
            namespaces: options.namespaces.iter().map(|pattern| Wildcard::new(pattern)).collect(),
            options: options.clone(),
        })
    }

    pub(super) fn is_about(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|wildcard| wildcard.matches(namespace))
    }

    pub(super) fn has_pattern_of(&self, event: &str) -> bool {
        self.patterns.iter().any(|wildcard| wildcard.matches(event))
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.names.iter().any(|name| name == event) || self.has_pattern_of(event)
    }

    /// How much may wait, in records and bytes.
    pub(super) fn room(&self) -> (usize, usize) {
        (self.options.queue, self.options.queue_bytes.bytes())
    }
}

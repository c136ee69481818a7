//! The presences of all configured namespaces: which of them is that of a name.

use std::sync::Arc;

use actix_web::dev::ResourceDef;

use super::Presence;

/// See the module's documentation.
#[derive(Clone, Default)]
pub(in crate::node) struct Presences {
    /// By name, or by the pattern of names, in the order in which they were registered.
    declared: Vec<(Name, Option<Arc<Presence>>)>,
}

#[derive(Clone)]
enum Name {
    One(String),
    Pattern(ResourceDef),
}

impl Presences {
    /// A namespace of the configuration, with its presence or without.
    pub(in crate::node) fn add(&mut self, name: &str, presence: Option<Arc<Presence>>) {
        let name = match name.contains('{') {
            true => Name::Pattern(ResourceDef::new(name)),
            false => Name::One(name.to_owned()),
        };
        self.declared.push((name, presence));
    }

    /// That of a namespace, whether it is in use on this node or not. A name of its own comes before the patterns that match it, too; of those
    /// the first counts.
    pub(in crate::node) fn of(&self, namespace: &str) -> Option<&Arc<Presence>> {
        let of = |is_it: &dyn Fn(&Name) -> bool| self.declared.iter().find(|(name, _)| is_it(name));
        let one = of(&|name| matches!(name, Name::One(name) if name == namespace));
        let pattern = || of(&|name| matches!(name, Name::Pattern(pattern) if pattern.is_match(namespace)));
        one.or_else(pattern)?.1.as_ref()
    }
}

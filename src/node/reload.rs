//! A configuration that is read again while the node runs.
//!
//! SIGHUP comes here. What is wrong changes nothing; what is right is told to whoever has subscribed, and what needs a restart is named.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::config::{self, Config, Flag};

/// What may change without a restart, as section and key.
const LIVE: [(&str, &str); 1] = [("log", "filter")];

/// Reads the configuration again, from where it came. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Reload {
    source: Arc<(Option<PathBuf>, Vec<Flag>)>,
    current: watch::Sender<Arc<Config>>,
}

impl Reload {
    pub(super) fn new(file: Option<PathBuf>, flags: Vec<Flag>, config: &Config) -> Self {
        let current = watch::Sender::new(Arc::new(config.clone()));
        Self { source: Arc::new((file, flags)), current }
    }

    /// The configuration in force now, and whenever there is another.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.current.subscribe()
    }

    /// Reads it again.
    pub(super) fn again(&self) {
        let (file, flags) = &*self.source;
        let loaded = match config::load(file.as_deref(), flags) {
            Ok(loaded) => loaded,
            Err(problems) => {
                tracing::error!("not reloaded, the old configuration stays in force: {problems}");
                return;
            }
        };
        let changed = changed(&self.current.borrow(), &loaded.config);
        let (live, dead): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|(section, key)| LIVE.contains(&(section, key)));
        let names = |list: Vec<(String, String)>| {
            let names: Vec<_> = list.into_iter().map(|(section, key)| format!("{section}.{key}")).collect();
            names.join(", ")
        };
        let (live, dead) = (names(live), names(dead));
        // Said while the old filter lets it through, and the new one may.
        tracing::info!(changed = live, "configuration reloaded");
        if !dead.is_empty() {
            tracing::warn!("these have changed, and count after a restart: {dead}");
        }
        self.current.send_replace(Arc::new(loaded.config));
    }
}

/// Sections and keys that differ. Sections that are lists have no keys.
fn changed(old: &Config, new: &Config) -> Vec<(String, String)> {
    let [old, new] = [old, new].map(|config| serde_json::to_value(config).unwrap_or_default());
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Vec::new() };
    let mut changed = Vec::new();
    for (section, new) in new {
        match (old.get(&section), new) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let gone = old.keys().filter(|key| !new.contains_key(*key));
                let other = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
                let keys = other.map(|(key, _)| key).chain(gone);
                changed.extend(keys.map(|key| (section.clone(), key.clone())));
            }
            (Some(old), new) if *old == new => {}
            _ => changed.push((section, "*".to_owned())),
        }
    }
    changed
}

//! A configuration that is read again while the node runs.
//!
//! SIGHUP comes here. What is wrong changes nothing, whichever part of the node finds it; what is right is taken over by all parts, and what
//! needs a restart is named.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::config::{self, Config, Flag};

/// What may change without a restart, as section and key; `*` is a list or a section as a whole.
const LIVE: [(&str, &str); 31] = [
    ("tls", "cert"),
    ("tls", "key"),
    ("tls", "client_ca"),
    ("tls", "client_certificates"),
    ("cors", "origins"),
    ("permissions", "*"),
    ("limits", "*"),
    ("auth", "algorithm"),
    ("auth", "secret"),
    ("auth", "public_key"),
    ("auth", "jwks_file"),
    ("auth", "jwks_url"),
    ("auth", "jwks_refresh"),
    ("auth", "jwks_pause"),
    ("auth", "issuers"),
    ("auth", "audiences"),
    ("auth", "leeway"),
    ("auth", "eternal"),
    ("auth", "max_token"),
    ("api", "key"),
    ("api", "keys"),
    ("webhooks", "*"),
    ("admin", "username"),
    ("admin", "password"),
    ("admin", "mode"),
    ("admin", "read_only"),
    ("admin", "server_id"),
    ("admin", "session"),
    ("admin", "max_events"),
    ("admin", "max_sockets"),
    ("log", "filter"),
];

/// Takes over what was prepared. It cannot fail any more.
pub(super) type TakeOver = Box<dyn FnOnce()>;
/// Looks at a new configuration, and at the files that it names, but changes nothing yet.
type Prepare = Box<dyn Fn(&Config) -> Result<TakeOver, Box<dyn Error>> + Send + Sync>;

/// Reads the configuration again, from where it came. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reload {
    source: Arc<(Option<PathBuf>, Vec<Flag>)>,
    parts: Arc<Mutex<Vec<Prepare>>>,
    current: watch::Sender<Arc<Config>>,
    /// What the node was started with: in force for all that needs a restart.
    started: Arc<Config>,
    /// Sections that were off at the start, and so for good.
    off: Vec<&'static str>,
}

impl Reload {
    pub(super) fn new(file: Option<PathBuf>, flags: Vec<Flag>, config: &Config) -> Self {
        let started = Arc::new(config.clone());
        let current = watch::Sender::new(started.clone());
        let is_on = [("auth", config.auth.is_on()), ("admin", config.admin.namespace().is_some())];
        let off = is_on.into_iter().filter(|(_, is_on)| !is_on).map(|(section, _)| section).collect();
        Self { source: Arc::new((file, flags)), parts: Arc::default(), current, started, off }
    }

    /// The configuration in force now, and whenever there is another.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.current.subscribe()
    }

    /// A part of the node that can take over another configuration, or refuse it. Its keys belong into [`LIVE`].
    pub(super) fn part(
        &self,
        prepare: impl Fn(&Config) -> Result<TakeOver, Box<dyn Error>> + Send + Sync + 'static,
    ) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(prepare));
    }

    /// Reads it again.
    pub(super) fn again(&self) {
        let refused = |why: &dyn fmt::Display| {
            tracing::error!("not reloaded, the old configuration stays in force: {why}");
        };
        let (file, flags) = &*self.source;
        let loaded = match config::load(file.as_deref(), flags) {
            Ok(loaded) => loaded,
            Err(problems) => return refused(&problems),
        };
        let mut prepared = Vec::new();
        for prepare in &*self.parts.lock().unwrap_or_else(PoisonError::into_inner) {
            match prepare(&loaded.config) {
                Ok(take_over) => prepared.push(take_over),
                Err(error) => return refused(&error),
            }
        }
        let is_live =
            |(section, key): &(String, String)| is_live(section, key) && !self.off.contains(&&**section);
        let names = |list: Vec<(String, String)>| {
            let names: Vec<_> = list.into_iter().map(|(section, key)| format!("{section}.{key}")).collect();
            names.join(", ")
        };
        let mut live = changed(&self.current.borrow(), &loaded.config);
        live.retain(|each| is_live(each));
        let mut dead = changed(&self.started, &loaded.config);
        dead.retain(|each| !is_live(each));
        let (live, dead) = (names(live), names(dead));
        for take_over in prepared {
            take_over();
        }
        // Said while the old filter lets it through, and the new one may.
        tracing::info!(changed = live, "configuration reloaded");
        if !dead.is_empty() {
            tracing::warn!(
                "these are others than the node was started with, and count after a restart: {dead}"
            );
        }
        self.current.send_replace(Arc::new(loaded.config));
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("source", &self.source).finish_non_exhaustive()
    }
}

fn is_live(section: &str, key: &str) -> bool {
    LIVE.contains(&(section, key)) || LIVE.contains(&(section, "*"))
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

//! A JWK set (RFC 7517), from a file or an https address: read at the start, again and again after that, and when a token has a key
//! id that is not in it.
//!
//! What was read last stays in force while it cannot be read. The reading is done on the node's main thread.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::keys::{Key, KeyError};
use super::options::AuthOptions;

/// A set that takes longer is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 64;

enum Source {
    File(PathBuf),
    Url(String),
}

/// See the module's documentation.
pub(super) struct Jwks {
    source: Source,
    keys: ArcSwap<Vec<Key>>,
    /// Unknown key ids cause no more than one reading in that time: anybody can make them up.
    pause: Duration,
    /// When it was read last, or tried.
    tried: Mutex<Option<Instant>>,
    wanted: Notify,
    /// Counts the readings.
    read: watch::Sender<u64>,
}

impl Jwks {
    /// The configured one, if there is one: not yet read.
    pub(super) fn new(options: &AuthOptions) -> Option<Arc<Self>> {
        let source = match (&options.jwks_file, &options.jwks_url) {
            (Some(file), _) => Source::File(file.clone()),
            (None, Some(url)) => Source::Url(url.clone()),
            (None, None) => return None,
        };
        Some(Arc::new(Self {
            source,
            keys: ArcSwap::default(),
            pause: options.jwks_pause.into(),
            tried: Mutex::default(),
            wanted: Notify::new(),
            read: watch::Sender::new(0),
        }))
    }

    /// Whether the file has keys.
    pub(super) fn check(file: &Path) -> Result<(), KeyError> {
        let json = std::fs::read(file).map_err(|source| KeyError::File { file: file.to_owned(), source })?;
        if parse(&json).is_empty() {
            return Err(KeyError::NoKeys(file.display().to_string()));
        }
        Ok(())
    }

    /// Reads it now, and then for ever. An error if it is a file that cannot be used; an address that does not answer may do so later.
    pub(super) async fn start(self: &Arc<Self>, refresh: Duration) -> Result<(), KeyError> {
        if let Err(error) = self.read_now().await {
            if matches!(self.source, Source::File(_)) {
                return Err(error);
            }
            tracing::error!(%error, "no keys yet: nobody with a token can connect");
        }
        // Ends when a reload has put another in its place.
        let this = Arc::downgrade(self);
        actix_web::rt::spawn(async move {
            loop {
                let Some(set) = this.upgrade() else { return };
                // Not for ever: it may have been put away meanwhile.
                let pause = if set.is_empty() { refresh.min(set.pause) } else { refresh };
                let _ = tokio::time::timeout(pause, set.wanted.notified()).await;
                if let Err(error) = set.read_now().await {
                    tracing::warn!(%error, "the JWK set cannot be read: the keys that were read before stay in force");
                }
            }
        });
        Ok(())
    }

    /// The keys that may have signed a token with this key id. One that is not known has the set read first, if that was not done just
    /// now.
    pub(super) async fn find(&self, id: Option<&str>) -> Vec<Key> {
        let found = self.known(id);
        if !found.is_empty() || !self.may_try() {
            return found;
        }
        let mut read = self.read.subscribe();
        self.wanted.notify_one();
        let _ = tokio::time::timeout(TIMEOUT, read.changed()).await;
        self.known(id)
    }

    /// Whether there are none at all: not because of a token.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    fn known(&self, id: Option<&str>) -> Vec<Key> {
        let keys = self.keys.load();
        match id {
            Some(id) => keys.iter().filter(|key| key.id.as_deref() == Some(id)).cloned().collect(),
            None => keys.to_vec(),
        }
    }

    fn may_try(&self) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.is_none_or(|tried| tried.elapsed() > self.pause)
    }

    async fn read_now(&self) -> Result<(), KeyError> {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let (keys, place) = match &self.source {
            Source::File(file) => (read_file(file).await, file.display().to_string()),
            Source::Url(url) => (fetch(url).await.map_err(KeyError::Fetch), url.clone()),
        };
        let result = keys.and_then(|json| {
            let keys = parse(&json);
            if keys.is_empty() { Err(KeyError::NoKeys(place)) } else { Ok(keys) }
        });
        let result = result.map(|keys| {
            tracing::debug!(keys = keys.len(), "JWK set read");
            self.keys.store(Arc::new(keys));
        });
        self.read.send_modify(|count| *count += 1);
        result
    }
}

async fn read_file(file: &Path) -> Result<Vec<u8>, KeyError> {
    let owned = file.to_owned();
    let json = actix_web::web::block(move || std::fs::read(owned)).await;
    let json = json.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    json.map_err(|source| KeyError::File { file: file.to_owned(), source })
}

async fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let client = awc::Client::builder().disable_redirects().timeout(TIMEOUT).finish();
    let get = async {
        let mut response = client.get(url).send().await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("answered {}", response.status()));
        }
        let body = response.body().limit(MAX_BYTES).await.map_err(|error| error.to_string())?;
        Ok(body.to_vec())
    };
    tokio::time::timeout(TIMEOUT, get).await.unwrap_or_else(|_| Err("takes too long".to_owned()))
}

/// The keys that can be used. One that is not understood does not spoil the others.
fn parse(json: &[u8]) -> Vec<Key> {
    let set: Value = serde_json::from_slice(json).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let known = keys.iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    known.filter_map(|jwk| Key::of_set(&jwk)).collect()
}

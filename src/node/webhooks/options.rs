//! `[[webhooks]]`: what is told to HTTP servers.

use actix_web::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::Findings;
use crate::node::config::period::Period;
use crate::node::config::secret::Secret;
use crate::node::config::size::Size;

/// An HTTP server that is told of clients' events, and of the life of connections and rooms. SIGHUP reloads all but `rooms`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct WebhookOptions {
    /// What the log and the counters call it.
    #[schemars(example = &"orders")]
    pub(in crate::node) name: String,
    /// Where batches are posted to. Redirects are not followed.
    #[schemars(example = &"https://backend.example.com/socketio")]
    pub(in crate::node) url: String,
    /// The key of the signatures.
    pub(in crate::node) secret: Option<Secret>,
    /// Namespaces that it is about: names, in which * stands for anything.
    pub(in crate::node) namespaces: Vec<String>,
    /// Clients' events: names, in which * stands for anything. One without * is told whoever else handles the event; one with * only
    /// of events that nothing else handles.
    #[schemars(example = ["order.*"])]
    pub(in crate::node) events: Vec<String>,
    /// Whether an event that waits to be posted is acknowledged, with {"ok": true}. To be turned off where something else answers.
    pub(in crate::node) acknowledge: bool,
    /// Whether it is told who connects and disconnects.
    pub(in crate::node) connections: bool,
    /// Whether it is told which rooms are created, deleted, joined and left on this node.
    pub(in crate::node) rooms: bool,
    /// The most that one request has.
    pub(in crate::node) batch: usize,
    /// How long more is waited for before a request is made.
    pub(in crate::node) gather: Period,
    /// How long the server may take to answer.
    pub(in crate::node) timeout: Period,
    /// The pause after the first failure; it doubles with each further one.
    pub(in crate::node) backoff: Period,
    /// The longest pause.
    pub(in crate::node) max_backoff: Period,
    /// How long a batch is tried again before it is given up.
    pub(in crate::node) retry_for: Period,
    /// How much may wait, in records. What comes when that is full is dropped, and counted.
    pub(in crate::node) queue: usize,
    /// How much may wait, in bytes.
    pub(in crate::node) queue_bytes: Size,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            secret: None,
            namespaces: vec!["*".to_owned()],
            events: Vec::new(),
            acknowledge: true,
            connections: false,
            rooms: false,
            batch: 100,
            gather: Period::from(std::time::Duration::from_millis(100)),
            timeout: Period::seconds(10),
            backoff: Period::from(std::time::Duration::from_millis(500)),
            max_backoff: Period::seconds(30),
            retry_for: Period::seconds(3600),
            queue: 10_000,
            queue_bytes: Size::from(16 * 1024 * 1024),
        }
    }
}

impl WebhookOptions {
    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        let url = self.url.parse::<Uri>().ok();
        let scheme = url.as_ref().filter(|url| url.host().is_some()).and_then(|url| url.scheme_str());
        if !matches!(scheme, Some("http" | "https")) {
            found.add("url", format!("{:?} is no http or https URL", self.url));
        }
        found.is_not_zero("batch", self.batch == 0);
        found.is_not_zero("timeout", self.timeout.is_zero());
        found.is_not_zero("backoff", self.backoff.is_zero());
        found.is_not_zero("queue", self.queue == 0);
    }
}

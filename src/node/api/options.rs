//! `[api]`: the options of the internal listener.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::secret::Secret;
use crate::node::config::size::Size;
use crate::node::config::{Findings, host};

/// The internal listener: an HTTP API for backends and operators, health and readiness (docs/http-api.md).
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct ApiOptions {
    /// The address to listen on; `localhost` is 127.0.0.1. Any other than loopback needs at least one key.
    #[serde(deserialize_with = "host")]
    pub(super) host: IpAddr,
    /// The port to listen on; 0 takes a free one. Without it: nothing of this is served.
    #[schemars(example = 3001)]
    pub(super) port: Option<u16>,
    /// A key that is good for everything. With a key, whoever asks has to have one: "Authorization: Bearer <key>". SIGHUP reads all
    /// keys again.
    pub(super) key: Option<Secret>,
    /// The largest body of a request.
    pub(super) max_body: Size,
    /// The most that clients' answers to one event may take together; what comes after that is left out, and counted.
    pub(super) max_answers: Size,
    /// Connections that are served at a time; more wait.
    pub(super) max_connections: usize,
    /// With more resident memory than that the node says that it is not ready (Linux only). Without it: it does not look.
    #[schemars(example = &"2GiB")]
    pub(super) ready_memory: Option<Size>,
    /// Further keys, each for a part of it.
    pub(super) keys: Vec<KeyOptions>,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: None,
            key: None,
            max_body: Size::from(1024 * 1024),
            max_answers: Size::from(16 * 1024 * 1024),
            max_connections: 256,
            ready_memory: None,
            keys: Vec::new(),
        }
    }
}

impl ApiOptions {
    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        if !self.host.is_loopback() && self.port.is_some() && !self.has_keys() {
            let complaint = format!("{} is served only with a key: api.key or api.keys", self.host);
            found.add("host", complaint);
        }
        found.is_not_zero("max_body", self.max_body.bytes() == 0);
        found.is_not_zero("max_connections", self.max_connections == 0);
        for (index, key) in self.keys.iter().enumerate() {
            if key.scopes.is_empty() {
                found.add(&format!("keys.{index}.scopes"), "a key with no scope is good for nothing");
            }
        }
    }

    /// Whether there is an internal listener.
    pub(in crate::node) fn is_served(&self) -> bool {
        self.port.is_some()
    }

    /// Where it listens, if it does.
    pub(in crate::node) fn address(&self) -> Option<SocketAddr> {
        self.port.map(|port| SocketAddr::new(self.host, port))
    }

    /// Whether a key is needed.
    pub(super) fn has_keys(&self) -> bool {
        self.key.is_some() || !self.keys.is_empty()
    }
}

/// A key for a part of the HTTP API.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::node) struct KeyOptions {
    /// Who has it, for the log.
    #[schemars(example = &"orders")]
    pub(super) name: String,
    /// The key itself: at least 16 bytes of printable ASCII without spaces.
    pub(super) secret: Secret,
    /// What it is good for: "emit" (events, and their answers), "manage" (join, leave, disconnect, close rooms, drain), "read" (nodes,
    /// rooms, sockets).
    #[schemars(example = ["emit"])]
    pub(super) scopes: Vec<Scope>,
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::node) enum Scope {
    Emit,
    Manage,
    Read,
}

impl Scope {
    /// As it is written in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Manage => "manage",
            Self::Read => "read",
        }
    }
}

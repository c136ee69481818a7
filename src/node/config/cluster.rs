//! `[cluster]`: how the node takes part in a cluster.

use actix_socketio::cluster::subject::{Subjects, SubjectsError};
use actix_socketio::config::ClusterConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;
use super::size::Size;

/// How the node takes part in a cluster; without effect unless [nats] has servers. All nodes need the same prefix and the same
/// number of buckets.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// What people call this node; it need not be unique. Without it: the host name.
    #[schemars(extend("x-env" = "SOCKETIO_NAME"), example = "node-1")]
    pub(crate) name: Option<String>,
    /// The first part of every subject: A–Z a–z 0–9 _ -, with dots between.
    #[schemars(extend("x-env" = "SOCKETIO_PREFIX"))]
    pub(crate) prefix: String,
    /// How many subjects the rooms share, 1 to 65536. A node that is told another number than the others is refused.
    pub(crate) buckets: u32,
    /// Time between two signs of life.
    pub(crate) heartbeat_interval: Period,
    /// How many of them a node may miss before it counts as dead.
    pub(crate) missed_heartbeats: u32,
    /// How long a request to other nodes, or the confirmation of a join, may take.
    pub(crate) request_timeout: Period,
    /// How long a room's subject stays subscribed after its last room has closed.
    pub(crate) linger: Period,
    /// The largest message to other nodes; larger than what NATS takes at once, it is split.
    pub(crate) max_message: Size,
    /// Whether requests of a session that reach another node are relayed to the session's own: no sticky sessions are needed
    /// then.
    pub(crate) relay_sessions: bool,
    /// How long a starting node waits for NATS and for the other nodes before it lets clients in all the same.
    pub(crate) start_timeout: Period,
}

impl Default for Cluster {
    fn default() -> Self {
        let cluster = ClusterConfig::default();
        Self {
            name: None,
            prefix: cluster.prefix,
            buckets: cluster.buckets,
            heartbeat_interval: cluster.heartbeat_interval.into(),
            missed_heartbeats: cluster.missed_heartbeats,
            request_timeout: cluster.request_timeout.into(),
            linger: cluster.linger.into(),
            max_message: cluster.max_message.into(),
            relay_sessions: cluster.relay_sessions,
            start_timeout: Period::seconds(10),
        }
    }
}

impl Cluster {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.is_not_zero("heartbeat_interval", self.heartbeat_interval.is_zero());
        found.is_not_zero("request_timeout", self.request_timeout.is_zero());
        found.is_not_zero("missed_heartbeats", self.missed_heartbeats == 0);
        found.is_not_zero("max_message", self.max_message.bytes() == 0);
        if self.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
            found.add("name", "the name of a node has 1 to 255 bytes");
        }
        if let Err(error) = Subjects::new(&self.prefix, Subjects::default().buckets()) {
            found.add("prefix", error);
        } else if let Err(error) = self.subjects() {
            found.add("buckets", error);
        }
    }

    /// The tree of subjects under the prefix.
    pub(crate) fn subjects(&self) -> Result<Subjects, SubjectsError> {
        Subjects::new(&self.prefix, self.buckets)
    }

    /// The name of the node.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| ClusterConfig::default().name)
    }

    /// Gives the library what is configured here.
    pub(crate) fn apply(&self, cluster: &mut ClusterConfig) {
        cluster.name = self.name();
        cluster.prefix.clone_from(&self.prefix);
        cluster.buckets = self.buckets;
        cluster.heartbeat_interval = self.heartbeat_interval.into();
        cluster.missed_heartbeats = self.missed_heartbeats;
        cluster.request_timeout = self.request_timeout.into();
        cluster.linger = self.linger.into();
        cluster.max_message = self.max_message.bytes();
        cluster.relay_sessions = self.relay_sessions;
    }
}

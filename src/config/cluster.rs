//! The options of a node in a cluster.

use std::time::Duration;

use super::ConfigError;

/// How a node takes part in a cluster. All nodes need the same prefix and the same number of buckets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// What people call this node. Need not be unique. Default: the host name, else `node`.
    pub name: String,
    /// The first tokens of every subject: `A–Z a–z 0–9 _ -`, with dots between them. Default `sio`.
    pub prefix: String,
    /// How many subjects the rooms share, 1 to 65,536. A node that is told another number is refused. Default 1,024: a node with
    /// 100,000 rooms holds no more subscriptions than that, and about 1.2 KB of memory for each room of one member (measured by
    /// `cargo nextest run --test cluster --no-capture a_hundred_thousand_rooms`).
    pub buckets: u32,
    /// Time between two signs of life. Default 1 s.
    pub heartbeat_interval: Duration,
    /// How many of them a node may miss before it counts as dead. Default 3.
    pub missed_heartbeats: u32,
    /// How long a request to other nodes, or the confirmation of a join, may take. Default 5 s.
    pub request_timeout: Duration,
    /// How long a room's subject stays subscribed after its last room has closed. Default 30 s.
    pub linger: Duration,
    /// The largest message to other nodes, in bytes; larger than what the broker takes at once, it is split. Default 16 MiB.
    pub max_message: usize,
    /// Whether requests of a session that reach another node are relayed to the session's own: no sticky sessions are
    /// needed then. Default true.
    pub relay_sessions: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: host_name().unwrap_or_else(|| "node".to_owned()),
            prefix: "sio".to_owned(),
            buckets: socketio_cluster::subject::DEFAULT_BUCKETS,
            heartbeat_interval: Duration::from_secs(1),
            missed_heartbeats: 3,
            request_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(30),
            max_message: 16 * 1024 * 1024,
            relay_sessions: true,
        }
    }
}

impl ClusterConfig {
    /// Checks that the options make sense.
    pub fn validate(self) -> Result<Self, ConfigError> {
        if self.heartbeat_interval.is_zero() || self.request_timeout.is_zero() {
            return Err(ConfigError::ZeroTimer);
        }
        if self.missed_heartbeats == 0 || self.max_message == 0 {
            return Err(ConfigError::ZeroLimit);
        }
        if self.name.len() > 255 {
            return Err(ConfigError::NodeName);
        }
        Ok(self)
    }

    /// How long nodes may take to confirm what was opened here. With [`fence_interval`](Self::fence_interval), before which it may
    /// not have begun, less than a request: whoever asks another node to join hears who did not confirm it there.
    pub(crate) fn fence_timeout(&self) -> Duration {
        self.request_timeout * 4 / 5
    }

    /// The time between the beginnings of two fences, if the first is not over by then.
    pub(crate) fn fence_interval(&self) -> Duration {
        self.request_timeout / 10
    }

    /// How long nothing may be heard of a node that lives.
    pub(crate) fn dead_after(&self) -> Duration {
        self.heartbeat_interval * self.missed_heartbeats + self.heartbeat_interval / 2
    }
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

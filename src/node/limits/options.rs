//! `[limits]`: the options of what clients may do how often.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::Findings;
use crate::node::config::period::Period;
use crate::node::config::size::Size;

/// How much clients may do (docs/limits.md). Everything is counted by this node for itself; 0 is no limit. How many connections the node
/// takes altogether is `engine.max_connections`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct LimitOptions {
    /// Networks of proxies that say truly whom they speak for (`X-Forwarded-For`), such as "10.0.0.0/8". Whoever else has the header is not
    /// believed; if it comes from a private address or this machine, nothing is counted by address: it would be that of a proxy.
    #[schemars(example = &["10.0.0.0/8", "fd00::/8"])]
    pub(super) trusted_proxies: Vec<String>,
    /// Connections from one address; of IPv6 one /64 network. Connections from this machine are not counted by address.
    pub(super) connections_per_address: u32,
    /// Connections of one user (the claim `sub`).
    pub(super) connections_per_user: u32,
    /// Handshakes a second, all together.
    pub(super) handshakes: u32,
    /// Handshakes a second from one address.
    pub(super) handshakes_per_address: u32,
    /// Connections that have not yet joined a namespace, all together. They are closed after `protocol.connect_timeout`.
    pub(super) unconnected: u32,
    /// The same, from one address.
    pub(super) unconnected_per_address: u32,
    /// Messages a second on one connection: packets, and each attachment of one.
    pub(super) messages: u32,
    /// Bytes a second on one connection.
    pub(super) bytes: Size,
    /// Messages a second from one address.
    pub(super) messages_per_address: u32,
    /// Bytes a second from one address.
    pub(super) bytes_per_address: Size,
    /// Messages a second of one user.
    pub(super) messages_per_user: u32,
    /// Bytes a second of one user.
    pub(super) bytes_per_user: Size,
    /// How long a pause lets a client save up for: as much as it may do in that time may come at once.
    pub(super) burst: Period,
    /// Refused messages within `burst` after which the connection is closed.
    pub(super) patience: u32,
}

impl Default for LimitOptions {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            trusted_proxies: Vec::new(),
            connections_per_address: 1000,
            connections_per_user: 100,
            handshakes: 5000,
            handshakes_per_address: 100,
            unconnected: 20_000,
            unconnected_per_address: 500,
            messages: 500,
            bytes: Size::from(4 * MIB),
            messages_per_address: 10_000,
            bytes_per_address: Size::from(32 * MIB),
            messages_per_user: 2000,
            bytes_per_user: Size::from(16 * MIB),
            burst: Period::seconds(5),
            patience: 500,
        }
    }
}

impl LimitOptions {
    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        for (index, proxy) in self.trusted_proxies.iter().enumerate() {
            if network(proxy).is_none() {
                found.add(
                    &format!("trusted_proxies.{index}"),
                    format!("{proxy:?} is no network such as \"10.0.0.0/8\""),
                );
            }
        }
        found.is_not_zero("burst", self.burst.is_zero());
    }
}

/// A network; an address alone is one, too.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

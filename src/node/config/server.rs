//! `[server]`: where clients connect, and what is served to them beside the sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::period::Period;
use super::problem::Findings;

/// Where clients connect.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// The address to listen on; `localhost` is 127.0.0.1.
    #[serde(deserialize_with = "host")]
    #[schemars(extend("x-env" = "SOCKETIO_HOST"))]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[schemars(extend("x-env" = "SOCKETIO_PORT"))]
    pub(crate) port: u16,
    /// Worker threads. Without it: one per core.
    #[schemars(extend("x-env" = "SOCKETIO_WORKERS"), example = 4)]
    pub(crate) workers: Option<NonZeroUsize>,
    /// How long an HTTP connection on which nothing is asked stays open; websockets and waiting polls are not idle. The default is longer
    /// than that of usual load balancers (60s), so that they give up first: who closes while the other sends loses a request.
    pub(crate) keep_alive: Period,
    /// The folder of the npm package socket.io-client, whose bundles are served under the path of the endpoint. Without it:
    /// node_modules/socket.io-client, if that is there.
    #[schemars(extend("x-env" = "SOCKETIO_CLIENT_DIR"), example = "/usr/share/socket.io-client")]
    pub(crate) client_dir: Option<PathBuf>,
    /// Whether the demo is served: it lets everybody in. Without it: if the node listens on loopback and nothing is configured
    /// beyond [server], [tls], [nats], [cluster], [workers], [drain], [api], [telemetry] and [log].
    #[schemars(example = false)]
    pub(crate) demo: Option<bool>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 3000,
            workers: None,
            keep_alive: Period::seconds(75),
            client_dir: None,
            demo: None,
        }
    }
}

impl Server {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.is_not_zero("keep_alive", self.keep_alive.is_zero());
    }
}

/// Reads an address to listen on.
pub(crate) fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_host(&text)
        .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &"an IP address or localhost"))
}

/// An address to listen on.
pub(crate) fn parse_host(text: &str) -> Option<IpAddr> {
    if text == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { text.parse().ok() }
}

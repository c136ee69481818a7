//! A handshake as other nodes see it: what can be written down of the request that opened a connection.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::engine::{HandshakeRequest, TransportKind};

/// How a socket of any node came there. Without the auth payload, which stays on the socket's node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HandshakeRecord {
    /// The address of whoever opened the TCP connection (a proxy, if there is one).
    pub address: Option<String>,
    /// Lower-case names and values, in order; values that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query, percent-decoded, in order.
    pub query: Vec<(String, String)>,
    /// Path and query.
    pub url: String,
    /// Whether the connection came over TLS to its server.
    pub secure: bool,
    /// When it took place, in milliseconds since 1970, by its node's clock.
    pub issued: u64,
    /// Whether the transport was a websocket when this was written down.
    pub websocket: bool,
}

impl HandshakeRecord {
    pub(crate) fn of(request: &HandshakeRequest, transport: TransportKind) -> Self {
        let text = |(name, value): (&str, &[u8])| {
            Some((name.to_owned(), std::str::from_utf8(value).ok()?.to_owned()))
        };
        let since = request.issued().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            address: request.peer().map(|peer| peer.ip().to_string()),
            headers: request.headers().filter_map(text).collect(),
            query: request.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
            url: request.uri().to_owned(),
            secure: request.is_secure(),
            issued: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            websocket: transport == TransportKind::Websocket,
        }
    }

    /// The transport when this was written down.
    pub fn transport(&self) -> TransportKind {
        if self.websocket { TransportKind::Websocket } else { TransportKind::Polling }
    }

    /// The value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The value of a query parameter; the first if there are several.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

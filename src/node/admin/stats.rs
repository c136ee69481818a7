//! The numbers of a node, as the admin UI shows them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use actix_socketio::{SocketIo, Stats as Totals, TransportStats};
use serde::Serialize;

use super::options::AdminOptions;

/// Namespaces of which each node tells. Those of a pattern may be many.
const MAX_NAMESPACES: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    server_id: String,
    hostname: String,
    pid: u32,
    uptime: f64,
    clients_count: usize,
    polling_clients_count: u64,
    aggregated_events: Vec<Aggregated>,
    namespaces: Vec<NamespaceSize>,
}

/// How often something happened since it was told last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Aggregated {
    /// Milliseconds since 1970.
    timestamp: u64,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceSize {
    name: String,
    sockets_count: usize,
}

/// Takes the numbers, for as long as somebody looks.
pub(super) struct Meter {
    server_id: String,
    hostname: String,
    /// Every namespace that was told of: the UI would keep the last number of one that is not told of any more.
    namespaces: BTreeMap<String, usize>,
    /// What was told last, in all.
    totals: Totals,
}

impl Meter {
    pub(super) fn new(io: &SocketIo, options: &AdminOptions) -> Self {
        let nodes = io.nodes();
        let name = nodes.first().map(|node| node.name.clone()).unwrap_or_default();
        let is_shared = nodes.iter().skip(1).any(|node| node.name == name);
        let server_id = match &options.server_id {
            Some(id) => id.clone(),
            None if is_shared || name.is_empty() => format!("{name}#{}", io.node_id()),
            None => name.clone(),
        };
        Self { server_id, hostname: name, namespaces: BTreeMap::new(), totals: io.stats() }
    }

    pub(super) fn read(&mut self, io: &SocketIo) -> Stats {
        let totals = io.stats();
        let before = std::mem::replace(&mut self.totals, totals.clone());
        self.namespaces.values_mut().for_each(|count| *count = 0);
        for namespace in io.namespaces() {
            if self.namespaces.len() < MAX_NAMESPACES || self.namespaces.contains_key(namespace.name()) {
                self.namespaces.insert(namespace.name().to_owned(), namespace.socket_count());
            }
        }
        let started = io.nodes().first().map(|node| node.since);
        let uptime =
            started.and_then(|since| SystemTime::now().duration_since(since).ok()).unwrap_or_default();
        let sizes = self.namespaces.iter();
        Stats {
            server_id: self.server_id.clone(),
            hostname: self.hostname.clone(),
            pid: std::process::id(),
            uptime: uptime.as_secs_f64(),
            clients_count: io.connection_count(),
            polling_clients_count: totals.polling.connections,
            aggregated_events: aggregated(&before, &totals),
            namespaces: sizes
                .map(|(name, count)| NamespaceSize { name: name.clone(), sockets_count: *count })
                .collect(),
        }
    }
}

/// What has happened since, in the words of the UI.
fn aggregated(before: &Totals, now: &Totals) -> Vec<Aggregated> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let timestamp = time.as_secs() * 1000;
    let since = |total: fn(&TransportStats) -> u64| {
        let of = |stats: &Totals| total(&stats.polling) + total(&stats.websocket);
        of(now).saturating_sub(of(before))
    };
    let sums = [
        ("rawConnection", since(|transport| transport.handshakes)),
        ("packetsIn", since(|transport| transport.packets_received)),
        ("packetsOut", since(|transport| transport.packets_sent)),
        ("bytesIn", since(|transport| transport.bytes_received)),
        ("bytesOut", since(|transport| transport.bytes_sent)),
    ];
    let sums =
        sums.into_iter().map(|(r#type, count)| Aggregated { timestamp, r#type, sub_type: None, count });
    let closes = now.closes.iter().zip(&before.closes).map(|((reason, now), (_, before))| Aggregated {
        timestamp,
        r#type: "rawDisconnection",
        sub_type: Some(reason.as_str()),
        count: now.saturating_sub(*before),
    });
    sums.chain(closes).filter(|sum| sum.count > 0).collect()
}

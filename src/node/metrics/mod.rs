//! Metrics for Prometheus: what the node and its parts count, asked when somebody asks for it (docs/metrics.md).
//!
//! Each part of the node that counts something is a [`Source`] and is [added](Metrics::add) when the node starts. Labels have few values, all of
//! them known from the configuration: nothing that a client chooses becomes one.

mod cluster;
mod guards;
mod server;
mod sheet;
mod system;
mod telemetry;
mod webhooks;

use std::fmt;

use actix_socketio::SocketIo;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use self::cluster::Cluster;
use self::server::Server;
pub(in crate::node) use self::sheet::Sheet;
use self::system::System;

/// A part of the node that has something to tell.
pub(in crate::node) trait Source: Send + Sync + 'static {
    /// Writes what it has: always the same names and labels, with samples or without.
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result;
}

/// All sources of a node.
#[derive(Default)]
pub(in crate::node) struct Metrics(Registry);

impl Metrics {
    /// What a server and its process tell. `namespaces` are those of the configuration.
    pub(in crate::node) fn of<'a>(io: &SocketIo, namespaces: impl IntoIterator<Item = &'a String>) -> Self {
        let mut metrics = Self::default();
        metrics.add(Server::new(io, namespaces));
        metrics.add(Cluster::new(io));
        metrics.add(System::new());
        metrics
    }

    /// Another source.
    pub(in crate::node) fn add(&mut self, source: impl Source) {
        self.0.register_collector(Box::new(Teller(source)));
    }

    /// In the text format of Prometheus.
    pub(in crate::node) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.0);
        text
    }
}

/// A source as the registry wants it.
struct Teller<S>(S);

impl<S: Source> Collector for Teller<S> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.tell(&mut Sheet::new(encoder))
    }
}

impl<S> fmt::Debug for Teller<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

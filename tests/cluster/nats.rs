//! Nodes of this process that are connected to a real nats-server.

use actix_socketio::cluster::{NatsBus, NatsOptions};
use actix_socketio::{SocketIo, SocketIoBuilder};
use tracing_subscriber::EnvFilter;

use crate::nats_server::NatsServer;
use crate::{LONG, ms, until};

/// A node of this process with the usual times, as the testbed's.
pub(crate) async fn builder(options: impl Into<NatsOptions>, name: &str) -> SocketIoBuilder {
    // Silent unless RUST_LOG says otherwise.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let bus = NatsBus::connect(options).await.unwrap();
    SocketIo::builder().bus(bus).cluster(|cluster| cluster.name = name.to_owned())
}

/// A node of this process that finds others dead after 0.7 s: for tests of outages only, as a busy machine may take as long for less.
pub(crate) async fn quick(options: impl Into<NatsOptions>, name: &str) -> SocketIoBuilder {
    builder(options, name).await.cluster(|cluster| {
        cluster.heartbeat_interval = ms(200);
        cluster.request_timeout = ms(2000);
    })
}

/// Waits until these nodes know each other.
pub(crate) async fn acquainted(nodes: &[&SocketIo]) {
    for node in nodes {
        assert!(node.cluster_ready(LONG).await);
    }
    let knows_all = |io: &&SocketIo| {
        let reachable = io.nodes().into_iter().filter(|node| node.is_reachable).count();
        reachable == nodes.len()
    };
    until(|| nodes.iter().all(knows_all)).await;
}

/// So many nodes on one server.
pub(crate) async fn nodes<const N: usize>(server: &NatsServer) -> [SocketIo; N] {
    let mut nodes = Vec::new();
    for index in 0..N {
        nodes.push(builder(server.url(), &format!("n{index}")).await.build());
    }
    acquainted(&nodes.iter().collect::<Vec<_>>()).await;
    nodes.try_into().unwrap()
}

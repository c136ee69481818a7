//! Several nodes are one server. Most tests run their nodes in one process, over the in-process bus or a real nats-server; where the
//! claim is about processes, the nodes are processes.

#![allow(clippy::unwrap_used)]
#![allow(clippy::field_reassign_with_default, reason = "configurations are non-exhaustive")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/nats_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod nats_server;
#[path = "../support/port.rs"]
mod port;

mod asking;
mod broadcasts;
mod bursts;
mod external;
mod hostile;
mod joining;
mod nats;
mod outages;
mod processes;
mod proxy;
mod relay;
mod simulation;
mod survival;
mod tap;
mod tracing;
mod volume;
mod workers;

use std::time::{Duration, Instant};

use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::test::TestClient;
use actix_socketio::{Socket, SocketIo, SocketIoBuilder};

pub(crate) const LONG: Duration = Duration::from_secs(10);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A node on the in-process bus, with short times.
pub(crate) fn builder(hub: &MemoryHub, name: &str) -> SocketIoBuilder {
    let name = name.to_owned();
    SocketIo::builder().bus(hub.connect()).cluster(|cluster| {
        cluster.name = name;
        cluster.heartbeat_interval = ms(100);
        cluster.request_timeout = Duration::from_secs(2);
    })
}

/// Nodes that know each other.
pub(crate) async fn nodes<const N: usize>(hub: &MemoryHub) -> [SocketIo; N] {
    let nodes: Vec<_> = (0..N).map(|index| builder(hub, &format!("n{index}")).build()).collect();
    let nodes: [SocketIo; N] = nodes.try_into().unwrap();
    for node in &nodes {
        assert!(node.cluster_ready(LONG).await);
    }
    until(|| nodes.iter().all(|node| node.nodes().len() == N)).await;
    nodes
}

/// A client of a node, and its socket.
pub(crate) async fn client(io: &SocketIo) -> (TestClient, Socket) {
    let client = TestClient::connect(io).await.unwrap();
    let socket = io.of("/").socket(client.id()).await.unwrap();
    (client, socket)
}

/// Waits for something to become true.
pub(crate) async fn until(mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < LONG, "did not happen in time");
        tokio::time::sleep(ms(2)).await;
    }
}

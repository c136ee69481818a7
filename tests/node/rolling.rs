//! Three nodes are restarted one after the other under clients behind HAProxy: all of them are back within seconds.
//!
//! `ROLLING_CLIENTS=5000` has as many of them; the program `haproxy` must be there.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use crate::client::Client;
use crate::nats_server::NatsServer;
use crate::port::free_port;
use crate::program::Program;
use crate::support::{Address, Ws};
use crate::{LONG, ms, until};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cluster/haproxy.cfg");
/// Longer than HAProxy takes to find out.
const WAIT: &str = "3s";
const SPREAD: &str = "3s";

struct Balancer(Child);

impl Balancer {
    fn start(port: u16, nodes: &[u16]) -> Self {
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", CONFIG]).env("LISTEN", format!("127.0.0.1:{port}"));
        for (index, node) in nodes.iter().enumerate() {
            command.env(format!("NODE_{}", index + 1), format!("127.0.0.1:{node}"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("haproxy is installed"))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the clients went through.
#[derive(Default)]
struct Story {
    connected: AtomicUsize,
    closed: AtomicUsize,
    /// Handshakes that were answered with anything but 101, or not at all.
    refused: AtomicUsize,
    /// The longest time without a session, in milliseconds.
    longest: AtomicUsize,
}

/// A client that comes back whenever it is let go, until the end.
async fn stay(address: Address, story: Arc<Story>, dialling: Arc<Semaphore>, mut end: watch::Receiver<bool>) {
    let mut alone = None::<Instant>;
    loop {
        let client = {
            // Not more of them at the same time than the machine can accept.
            let _turn = dialling.acquire().await.unwrap();
            match Ws::try_open(&address, "/socket.io/?EIO=4&transport=websocket", &[]).await {
                Ok(ws) => Client::over(ws).await,
                Err(_) => None,
            }
        };
        let Some(mut client) = client else {
            story.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(ms(200)).await;
            continue;
        };
        if let Some(alone) = alone {
            story.longest.fetch_max(alone.elapsed().as_millis() as usize, Ordering::Relaxed);
        }
        story.connected.fetch_add(1, Ordering::Relaxed);
        let ended = tokio::select! {
            packet = client.packet_some_time() => packet,
            _ = end.wait_for(|is_over| *is_over) => return,
        };
        assert!(ended.is_err(), "nothing is sent, and no namespace is left: {ended:?}");
        story.connected.fetch_sub(1, Ordering::Relaxed);
        story.closed.fetch_add(1, Ordering::Relaxed);
        alone = Some(Instant::now());
    }
}

fn node(port: u16, nats: &NatsServer) -> Program {
    let port = port.to_string();
    let arguments = ["--port", &port, "--nats", &nats.url()];
    Program::spawn(&arguments, &[("SOCKETIO_DRAIN_WAIT", WAIT), ("SOCKETIO_DRAIN_SPREAD", SPREAD)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_is_back_within_seconds() {
    let count: usize = std::env::var("ROLLING_CLIENTS").map_or(300, |count| count.parse().unwrap());
    let nats = NatsServer::start(&[]);
    let ports = [free_port(), free_port(), free_port()];
    let mut nodes: Vec<_> = ports.iter().map(|port| node(*port, &nats)).collect();
    for node in &nodes {
        node.listens().await;
    }
    let port = free_port();
    let _balancer = Balancer::start(port, &ports);
    until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let address = Address { socket: SocketAddr::from(([127, 0, 0, 1], port)), tls: None, edge: None };

    let story = Arc::new(Story::default());
    let dialling = Arc::new(Semaphore::new(100));
    let (end, over) = watch::channel(false);
    let clients: Vec<_> = (0..count)
        .map(|_| tokio::spawn(stay(address.clone(), story.clone(), dialling.clone(), over.clone())))
        .collect();
    let all_are_there = async || {
        let begin = Instant::now();
        while story.connected.load(Ordering::Relaxed) < count {
            assert!(
                begin.elapsed() < LONG,
                "{} are missing",
                count - story.connected.load(Ordering::Relaxed)
            );
            tokio::time::sleep(ms(10)).await;
        }
    };
    all_are_there().await;
    let refused_at_first = story.refused.load(Ordering::Relaxed);

    let begin = Instant::now();
    for (index, port) in ports.into_iter().enumerate() {
        nodes[index].signal("TERM");
        let (code, took) = nodes[index].ended().await;
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(12), "{took:?}");
        all_are_there().await;
        let log = nodes[index].log();
        assert!(log.contains("drained") && !log.contains("WARN") && !log.contains("ERROR"), "{log}");
        nodes[index] = node(port, &nats);
        nodes[index].listens().await;
        // HAProxy has to find out that it is there again, before the next one goes.
        tokio::time::sleep(ms(1500)).await;
    }
    let longest = story.longest.load(Ordering::Relaxed);
    let refused = story.refused.load(Ordering::Relaxed) - refused_at_first;
    let closed = story.closed.load(Ordering::Relaxed);
    eprintln!(
        "{count} clients, three nodes restarted in {:.1} s: {closed} sessions closed, {refused} handshakes refused, \
         the longest without a session {longest} ms",
        begin.elapsed().as_secs_f64()
    );
    assert!(closed >= count, "each of the first nodes' clients was let go");
    assert!(longest < 5000, "{longest} ms");
    assert_eq!(refused, 0, "nobody is sent to a node that is about to stop");
    for node in &nodes {
        let log = node.log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
    end.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
}

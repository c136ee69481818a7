//! A real nats-server for a test, and nodes of this process that are connected to it.
//!
//! The program is that of the environment variable `NATS_SERVER`, or the one that `tests/run` installs.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_socketio::cluster::{NatsBus, NatsOptions};
use actix_socketio::{SocketIo, SocketIoBuilder};
use tracing_subscriber::EnvFilter;

use crate::{LONG, ms, until};

/// One server; killed when dropped.
pub(crate) struct NatsServer {
    process: Child,
    pub(crate) port: u16,
    arguments: Vec<String>,
}

impl NatsServer {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    fn start_on(port: u16, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { process: run(port, &arguments), port, arguments }
    }

    /// With the text of a configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        let port = free_port();
        let file = scratch(&format!("{port}.conf"));
        std::fs::write(&file, config).unwrap();
        Self::start_on(port, &["--config", &file.to_string_lossy()])
    }

    /// Several servers that are one.
    pub(crate) fn cluster<const N: usize>() -> [Self; N] {
        let routes: [String; N] = std::array::from_fn(|_| format!("nats://127.0.0.1:{}", free_port()));
        let joined = routes.join(",");
        std::array::from_fn(|index| {
            let name = format!("s{index}");
            Self::start(&[
                "--cluster_name",
                "t",
                "--name",
                &name,
                "--cluster",
                &routes[index],
                "--routes",
                &joined,
            ])
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On the same port, remembering nothing.
    pub(crate) fn restart(&mut self) {
        self.process = run(self.port, &self.arguments);
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A file of this name that nobody else uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn run(port: u16, arguments: &[String]) -> Child {
    let mut process = Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nats-server does not listen");
        assert!(process.try_wait().unwrap().is_none(), "nats-server ended");
        std::thread::sleep(ms(20));
    }
    process
}

fn program() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/nats-server");
    let program = std::env::var_os("NATS_SERVER").map_or_else(|| installed.into(), PathBuf::from);
    assert!(
        program.is_file(),
        "{} is no nats-server: set NATS_SERVER to one, or let `tests/run rust` install it",
        program.display()
    );
    program
}

/// A node of this process with the usual times, as the testbed's.
pub(crate) async fn builder(options: impl Into<NatsOptions>, name: &str) -> SocketIoBuilder {
    // Silent unless RUST_LOG says otherwise.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let bus = NatsBus::connect(options).await.unwrap();
    SocketIo::builder().bus(bus).cluster(|cluster| cluster.name = name.to_owned())
}

/// A node of this process that finds others dead after 0.7 s.
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

/// So many quick nodes on one server.
pub(crate) async fn nodes<const N: usize>(server: &NatsServer) -> [SocketIo; N] {
    let mut nodes = Vec::new();
    for index in 0..N {
        nodes.push(quick(server.url(), &format!("n{index}")).await.build());
    }
    acquainted(&nodes.iter().collect::<Vec<_>>()).await;
    nodes.try_into().unwrap()
}

//! A real nats-server for a test: on free loopback ports, killed when the test ends.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Users of the configuration in PROTOCOL.md; here each one's name is the password, too.
pub(crate) const ROLES: [&str; 3] = ["node", "emitter", "worker"];

pub(crate) struct NatsServer {
    process: Child,
    pub(crate) port: u16,
    arguments: Vec<String>,
}

impl NatsServer {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { process: run(port, &arguments), port, arguments }
    }

    /// With the text of a configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        let port = free_port();
        let file = scratch(&format!("{port}.conf"));
        std::fs::write(&file, config).expect("the configuration can be written");
        Self::start_on(port, &["--config", &file.to_string_lossy()])
    }

    /// Three servers that are one.
    pub(crate) fn cluster(with_jetstream: bool) -> [Self; 3] {
        let routes: [String; 3] = std::array::from_fn(|_| format!("nats://127.0.0.1:{}", free_port()));
        std::array::from_fn(|index| {
            let name = format!("s{index}");
            let store = scratch(&format!("jetstream-{}", free_port()));
            let store = store.to_string_lossy();
            let mut arguments = vec!["--cluster_name", "t", "--name", &name];
            let joined = routes.join(",");
            arguments.extend(["--cluster", &routes[index], "--routes", &joined]);
            if with_jetstream {
                arguments.extend(["--jetstream", "--store_dir", &store]);
            }
            Self::start(&arguments)
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server can be waited for");
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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A file of this name that nobody else uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nats-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

fn run(port: u16, arguments: &[String]) -> Child {
    let mut process = Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(arguments)
        .envs(ROLES.map(|role| (format!("SIO_{}_PASSWORD", role.to_uppercase()), role)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nats-server does not listen");
        assert!(process.try_wait().expect("a state").is_none(), "nats-server ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

fn program() -> PathBuf {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/.venv/bin/nats-server");
    let program = std::env::var_os("NATS_SERVER").map_or_else(|| installed.into(), PathBuf::from);
    assert!(
        program.is_file(),
        "{} is no nats-server: set NATS_SERVER to one, or let `tests/run rust` install it",
        program.display()
    );
    program
}

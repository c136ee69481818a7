//! A real nats-server for a test: on free loopback ports, killed when the test ends.
//!
//! The program is that of the environment variable `NATS_SERVER`, or the one that `tests/run` installs.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::port::free_port;

/// Users of the configuration in PROTOCOL.md; here each one's name is the password, too.
const ROLES: [&str; 3] = ["node", "emitter", "worker"];

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

    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { process: run(port, &arguments), port, arguments }
    }

    /// With the text of a configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        let file = scratch("nats.conf");
        std::fs::write(&file, config).expect("the configuration can be written");
        Self::start(&["--config", &file.to_string_lossy()])
    }

    /// Several servers that are one.
    pub(crate) fn cluster<const N: usize>(with_jetstream: bool) -> [Self; N] {
        let routes: [String; N] = std::array::from_fn(|_| format!("nats://127.0.0.1:{}", free_port()));
        let joined = routes.join(",");
        std::array::from_fn(|index| {
            let name = format!("s{index}");
            let store = scratch("jetstream");
            let store = store.to_string_lossy();
            let mut arguments = vec!["--cluster_name", "t", "--name", &name];
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

/// The path of a file that nobody else uses, with this extension.
pub(crate) fn scratch(extension: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scratch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(format!("{}.{extension}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

fn run(port: u16, arguments: &[String]) -> Child {
    let log = scratch("nats.log");
    let mut process = Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(arguments)
        .envs(ROLES.map(|role| (format!("SIO_{}_PASSWORD", role.to_uppercase()), role)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).expect("a file"))
        .spawn()
        .expect("nats-server starts");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nats-server does not listen: {}", said());
        assert!(process.try_wait().expect("a state").is_none(), "nats-server ended: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

fn program() -> PathBuf {
    // A package of the workspace may be one folder deeper than the workspace.
    let installed = || {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        folders.map(|folder| folder.join("tests/.venv/bin/nats-server")).find(|program| program.is_file())
    };
    std::env::var_os("NATS_SERVER")
        .map(PathBuf::from)
        .or_else(installed)
        .filter(|program| program.is_file())
        .expect("NATS_SERVER names a nats-server, or `tests/run rust` has installed one")
}

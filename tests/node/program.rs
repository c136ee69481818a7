//! The program `actix-socketio` as a process, and what it says.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::Address;
use crate::{LONG, ms, until};

/// What changes what a node does.
fn is_ours(variable: &str) -> bool {
    variable.starts_with("SOCKETIO_") || variable.starts_with("OTEL_") || variable == "RUST_LOG"
}

/// The program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Program {
    /// The program with these arguments, not yet listening. Its environment has nothing of this one's.
    pub(crate) fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_actix-socketio"));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        // The demo tells clients things.
        command.env("SOCKETIO_SERVER_DEMO", "false");
        command.args(arguments).envs(environment.iter().copied());
        Self::run(command)
    }

    pub(crate) fn run(command: Command) -> Self {
        Self::run_with(command, Stdio::null())
    }

    pub(crate) fn run_with(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    /// A node that listens on a free port.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let node = Self::spawn(&[&["--port", "0"], arguments].concat(), &[]);
        node.listens().await;
        node
    }

    /// Waits until it listens, and tells where.
    pub(crate) async fn listens(&self) -> SocketAddr {
        let mut address = None;
        let begin = Instant::now();
        while address.is_none() {
            assert!(begin.elapsed() < LONG, "it does not listen: {}", self.log());
            tokio::time::sleep(ms(2)).await;
            let said = self.said();
            let url = said.lines().find_map(|line| line.strip_prefix("listening on "));
            let host = url.and_then(|url| url.split_once("://")?.1.split(',').next());
            address = host.map(|host| host.parse().unwrap());
        }
        address.unwrap()
    }

    /// Where it listens without TLS.
    pub(crate) async fn address(&self) -> Address {
        Address { socket: self.listens().await, tls: None, edge: None }
    }

    /// Tells the process something: `TERM`, `INT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, id) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
    }

    /// Waits for its end: its exit code, and how long that took.
    pub(crate) async fn ended(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        let mut status = None;
        until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (status.unwrap().code(), begin.elapsed())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it said to whoever started it.
    pub(crate) fn said(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for something in its log.
    pub(crate) async fn logs(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(begin.elapsed() < LONG, "no {text:?} in {}", self.log());
            tokio::time::sleep(ms(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = text.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let mut sink = sink.lock().unwrap();
            sink.push_str(&line);
            sink.push('\n');
        }
    });
    text
}

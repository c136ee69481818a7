//! A node as a process, and its internal listener.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::client::Client;
use crate::nats::NatsServer;
use crate::support::{Address, Http, Response};

/// A node; killed when dropped.
pub(crate) struct Node {
    child: Child,
    /// What it says must be taken.
    _stdout: Lines<BufReader<ChildStdout>>,
    pub(crate) clients: Address,
    pub(crate) api: Option<Address>,
}

/// Options of the environment that belong to whoever runs the tests do not reach the nodes.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actix-socketio"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOCKETIO_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn address(socket: SocketAddr) -> Address {
    Address { socket, tls: None, edge: None }
}

impl Node {
    /// With free ports for clients and for the internal listener, and without the demo, which tells clients of its rooms.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::with(arguments, &[])
    }

    /// In the cluster of that broker.
    pub(crate) fn on(nats: &NatsServer, name: &str) -> Self {
        Self::start(&["--nats", &nats.url(), "--name", name])
    }

    pub(crate) fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut all = vec!["--port", "0", "--api-port", "0"];
        all.extend_from_slice(arguments);
        let mut child = command(&all, environment).env("SOCKETIO_SERVER_DEMO", "false").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut api = None;
        let clients = loop {
            let line = lines.next().expect("the node listens").unwrap();
            let at = |prefix: &str| {
                let (_, rest) = line.split_once(prefix)?;
                rest.split(['/', ',', ' ']).next()?.parse().ok().map(address)
            };
            if line.contains("HTTP API") {
                api = at("http://");
            }
            if let Some(clients) = at("listening on http://") {
                break clients;
            }
        };
        Self { child, _stdout: lines, clients, api }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.clients).await
    }

    /// Asks the internal listener.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let mut http = Http::connect(self.api.as_ref().expect("an internal listener")).await;
        http.send(method, path, headers, body.as_bytes()).await;
        http.receive().await
    }

    /// Posts JSON.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, &[("Content-Type", "application/json")], &body.to_string()).await
    }

    /// Posts JSON, and reads that of the answer, which is a success.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.try_post(path, body).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Gets JSON, which is there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request("GET", path, &[], "").await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }
}

impl Node {
    /// Waits for its end: whether it was a good one.
    pub(crate) async fn ended(&mut self) -> bool {
        let mut end = None;
        crate::until(|| {
            end = self.child.try_wait().unwrap();
            end.is_some()
        })
        .await;
        end.is_some_and(|status| status.success())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a node that has to end by itself, with a failure: what it says.
pub(crate) fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut child = command(arguments, environment).stderr(Stdio::piped()).spawn().unwrap();
    let mut says = String::new();
    child.stderr.take().unwrap().read_to_string(&mut says).unwrap();
    assert!(!child.wait().unwrap().success());
    says
}

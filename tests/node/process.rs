//! A node as a process, and its internal listener.

use std::net::SocketAddr;

use serde_json::Value;

use crate::client::Client;
use crate::nats_server::{NatsServer, scratch};
use crate::program::Program;
use crate::support::{Address, Http, Response};

/// A node; killed when dropped.
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) clients: Address,
    pub(crate) api: Address,
}

impl Node {
    /// With free ports for clients and for the internal listener.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::with(arguments, &[]).await
    }

    /// In the cluster of that broker.
    pub(crate) async fn on(nats: &NatsServer, name: &str) -> Self {
        Self::start(&["--nats", &nats.url(), "--name", name]).await
    }

    pub(crate) async fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [&["--port", "0", "--api-port", "0"], arguments].concat();
        let program = Program::spawn(&arguments, environment);
        let clients = program.address().await;
        // It was said before.
        let said = program.said();
        let api =
            said.lines().find(|line| line.contains("HTTP API")).and_then(|line| line.split_once("http://"));
        let socket: SocketAddr = api.unwrap().1.split('/').next().unwrap().parse().unwrap();
        Self { program, clients, api: Address { socket, tls: None, edge: None } }
    }

    /// Where clients are served.
    pub(crate) fn clients(&self) -> &Address {
        &self.clients
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
        let mut http = Http::connect(&self.api).await;
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

    /// With this configuration.
    pub(crate) async fn configured(config: &str) -> Self {
        let file = scratch("toml");
        std::fs::write(&file, config).unwrap();
        Self::start(&["--config", file.to_str().unwrap()]).await
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Waits for its end: whether it was a good one.
    pub(crate) async fn ended(&mut self) -> bool {
        self.program.ended().await.0 == Some(0)
    }
}

/// Runs a node that has to end by itself, with a failure: what it says.
pub(crate) async fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut program = Program::spawn(arguments, environment);
    assert_ne!(program.ended().await.0, Some(0));
    program.logs("error").await;
    program.log()
}

//! A bare Engine.IO endpoint whose layer above echoes, and writes down what happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_socketio::DisconnectReason;
use actix_socketio::config::EngineConfig;
use actix_socketio::engine::{
    ConnectionHandle, ConnectionHandler, Engine, EngineBuilder, Incoming, TransportKind,
};

use super::eventually;
use super::server::{Address, Options, TestServer, Variant};
use super::session::Polling;
use super::ws::Ws;

/// What happened to one connection.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) handle: Option<ConnectionHandle>,
    pub(crate) texts: Vec<String>,
    pub(crate) binaries: Vec<Vec<u8>>,
    pub(crate) reason: Option<DisconnectReason>,
    pub(crate) closes: usize,
}

/// What happened to all of them, by session id.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<HashMap<String, Record>>>);

impl Log {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, sid: &str, change: impl FnOnce(&mut Record)) {
        change(self.lock().entry(sid.to_owned()).or_default());
    }

    pub(crate) fn of(&self, sid: &str) -> Record {
        self.lock().get(sid).cloned().unwrap_or_default()
    }

    /// The handle of a session.
    pub(crate) async fn handle(&self, sid: &str) -> ConnectionHandle {
        eventually("a connection", || self.of(sid).handle).await
    }

    /// Waits for the end of a session.
    pub(crate) async fn reason(&self, sid: &str) -> DisconnectReason {
        eventually("the end of a connection", || self.of(sid).reason).await
    }
}

/// Echoes whatever does not begin with `!`.
pub(crate) struct Echo {
    connection: ConnectionHandle,
    log: Log,
}

impl Echo {
    pub(crate) fn boxed(connection: ConnectionHandle, log: Log) -> Box<dyn ConnectionHandler> {
        log.change(connection.sid(), |record| record.handle = Some(connection.clone()));
        Box::new(Self { connection, log })
    }
}

impl ConnectionHandler for Echo {
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason> {
        match message {
            Incoming::Text(text) => {
                self.log.change(self.connection.sid(), |record| record.texts.push(text.to_owned()));
                if !text.starts_with('!') {
                    self.connection.send_text(text);
                }
            }
            Incoming::Binary(bytes) => {
                let bytes = bytes.into_bytes();
                self.log.change(self.connection.sid(), |record| record.binaries.push(bytes.to_vec()));
                self.connection.send_binary(&bytes);
            }
        }
        Ok(())
    }

    fn on_close(&mut self, reason: DisconnectReason) {
        self.log.change(self.connection.sid(), |record| {
            record.reason = Some(reason);
            record.closes += 1;
        });
    }
}

/// A running endpoint at `/engine.io/`.
pub(crate) struct EngineServer {
    pub(crate) server: TestServer,
    pub(crate) address: Address,
    pub(crate) engine: Engine,
    pub(crate) log: Log,
    /// The node that relays.
    edge: Option<TestServer>,
}

impl EngineServer {
    /// With options changed by `change`.
    pub(crate) fn start(variant: Variant, change: impl FnOnce(&mut EngineConfig)) -> Self {
        Self::build(variant, change, |builder| builder)
    }

    /// With options and hooks.
    pub(crate) fn build(
        variant: Variant,
        change: impl FnOnce(&mut EngineConfig),
        hooks: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        let builder = builder(change, hooks);
        let (engine, log) = build(builder.clone());
        let edge = variant.relayed.then(|| {
            let (edge, _) = build(builder);
            super::relay::connect(&[&engine, &edge]);
            TestServer::start(variant, Options::default(), move |config| edge.configure(config))
        });
        let mounted = engine.clone();
        let closing = engine.clone();
        let options = Options {
            before_stop: Some(Box::new(move || {
                let engine = closing.clone();
                Box::pin(async move {
                    let deadline = std::time::Duration::from_secs(5);
                    let spread = std::time::Duration::ZERO;
                    engine.close(DisconnectReason::ServerShuttingDown, spread, deadline).await;
                })
            })),
            ..Options::default()
        };
        let server = TestServer::start(variant, options, move |config| mounted.configure(config));
        let mut address = server.address.clone();
        address.edge = edge.as_ref().map(|edge| edge.address.socket);
        Self { address, server, engine, log, edge }
    }

    /// A websocket session and its id. One that is relayed begins on polling.
    pub(crate) async fn websocket(&self) -> (Ws, String) {
        if self.edge.is_some() {
            let polling = Polling::open(&self.address).await;
            let ws = polling.upgrade().await;
            let handle = self.log.handle(&polling.sid).await;
            let is_upgraded = || (handle.transport() == TransportKind::Websocket).then_some(());
            eventually("the upgrade", is_upgraded).await;
            return (ws, polling.sid);
        }
        let mut ws = Ws::open(&self.address, "/engine.io/?EIO=4&transport=websocket").await;
        let open = ws.text().await;
        let json: serde_json::Value = serde_json::from_str(&open[1..]).expect("JSON");
        (ws, json["sid"].as_str().expect("a sid").to_owned())
    }
}

/// An endpoint that is not mounted yet.
pub(crate) fn engine(
    change: impl FnOnce(&mut EngineConfig),
    hooks: impl FnOnce(EngineBuilder) -> EngineBuilder,
) -> (Engine, Log) {
    build(builder(change, hooks))
}

fn builder(
    change: impl FnOnce(&mut EngineConfig),
    hooks: impl FnOnce(EngineBuilder) -> EngineBuilder,
) -> EngineBuilder {
    let mut config = EngineConfig::default();
    change(&mut config);
    hooks(Engine::builder().config(config))
}

fn build(builder: EngineBuilder) -> (Engine, Log) {
    let log = Log::default();
    let of_layer = log.clone();
    let engine = builder
        .build(move |connection| Echo::boxed(connection, of_layer.clone()))
        .expect("a valid configuration");
    (engine, log)
}

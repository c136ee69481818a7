//! An endpoint without sockets, on the thread of whoever asks for it: requests are calls, and other nodes are what an input
//! makes of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_socketio::DisconnectReason;
use actix_socketio::config::EngineConfig;
use actix_socketio::engine::{ConnectionHandle, ConnectionHandler, Engine, Incoming, RelayBus, RelayInbox};
use actix_web::App;
use actix_web::dev::Service as _;
use actix_web::rt::{System, SystemRunner, spawn};
use actix_web::test::{TestRequest, init_service};
use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{Open, Part, Relay};
use tokio::task::JoinHandle;

/// Ids of the other nodes.
pub(super) const NODES: [&str; 2] = ["hostileA", "hostileB"];
/// Sessions that nobody uses any more are gone soon, so that there are never many.
const MAX_SESSIONS: usize = 5_000;
/// How often everybody else has a turn while an answer is waited for.
const TURNS: usize = 30;

/// Status and body of an answer.
pub(super) type Answer = (u16, Vec<u8>);
type Call = Box<dyn Fn(TestRequest) -> Pin<Box<dyn Future<Output = Option<Answer>>>>>;

/// The endpoint.
pub(super) struct Endpoint {
    runner: SystemRunner,
    pub(super) engine: Engine,
    pub(super) inbox: RelayInbox,
    bus: Arc<Bus>,
    call: Call,
}

/// Takes everything, and knows the last stream that was begun from here.
#[derive(Default)]
struct Bus(AtomicU64);

impl RelayBus for Bus {
    fn live_node(&self, token: &str) -> Option<NodeId> {
        NODES.contains(&token).then(|| NodeId::parse(token.as_bytes()).expect("an id"))
    }

    fn send(&self, _: NodeId, message: Relay) -> bool {
        if let Relay::Stream { id, part: Part::Open(Open { .. }), .. } = message {
            self.0.store(id, Ordering::Relaxed);
        }
        true
    }
}

thread_local! {
    static ENDPOINT: &'static Endpoint = Box::leak(Box::new(Endpoint::new()));
}

/// Runs something on this thread's endpoint.
pub(super) fn run<F: Future<Output = ()>>(script: impl FnOnce(&'static Endpoint) -> F) {
    let endpoint = ENDPOINT.with(|endpoint| *endpoint);
    endpoint.runner.block_on(async {
        script(endpoint).await;
        turns().await;
    });
    assert!(endpoint.engine.connection_count() < MAX_SESSIONS, "sessions are kept");
}

/// Lets the other tasks of this thread have their turns.
pub(super) async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

impl Endpoint {
    fn new() -> Self {
        let runner = System::new();
        let mut config = EngineConfig::default();
        config.allow_eio3 = true;
        config.ping_interval = Duration::from_millis(20);
        config.ping_timeout = Duration::from_millis(20);
        config.upgrade_timeout = Duration::from_millis(20);
        config.body_timeout = Duration::from_millis(20);
        config.max_http_buffer_size = 1_000;
        config.outbox_bytes = 2_000;
        config.http_compression = Some(64);
        let engine = Engine::builder().config(config).build(|handle| Box::new(Echo(handle)));
        let engine = engine.expect("a valid configuration");
        let bus = Arc::new(Bus::default());
        let inbox = engine.relay_over(bus.clone());
        let mounted = engine.clone();
        let app = App::new().configure(|config| mounted.configure(config));
        let app = std::rc::Rc::new(runner.block_on(init_service(app)));
        let call: Call = Box::new(move |request| {
            let app = app.clone();
            Box::pin(async move {
                let response = app.call(request.to_request()).await.ok()?;
                let status = response.status().as_u16();
                let body = actix_web::body::to_bytes(response.into_body()).await.ok()?;
                Some((status, body.to_vec()))
            })
        });
        Self { runner, engine, inbox, bus, call }
    }

    /// Begins a request.
    pub(super) fn begin(&self, request: TestRequest) -> JoinHandle<Option<Answer>> {
        spawn((self.call)(request))
    }

    /// The answer to a request, if it comes while everybody has some turns; else the client goes away.
    pub(super) async fn fetch(&self, request: TestRequest) -> Option<Answer> {
        let running = self.begin(request);
        turns().await;
        if running.is_finished() {
            return running.await.expect("no panic");
        }
        running.abort();
        None
    }

    /// Opens a session on polling and returns its id.
    pub(super) async fn open(&self) -> Option<String> {
        let request = TestRequest::get().uri("/engine.io/?EIO=4&transport=polling");
        sid_of(&self.fetch(request).await?)
    }

    /// The stream that was begun last from here.
    pub(super) fn last_stream(&self) -> u64 {
        self.bus.0.load(Ordering::Relaxed)
    }
}

/// The session that was opened.
pub(super) fn sid_of((_, body): &Answer) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    body.split(r#""sid":""#).nth(1)?.split('"').next().map(str::to_owned)
}

/// The layer above: reads whatever a request says, and echoes.
struct Echo(ConnectionHandle);

impl ConnectionHandler for Echo {
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason> {
        let request = self.0.request();
        assert!(request.query_pairs().count() <= request.uri().len());
        for (name, _) in request.headers() {
            let (_, _) = (request.header(name), request.cookie(name));
        }
        match message {
            Incoming::Text(text) => self.0.send_text(text),
            Incoming::Binary(bytes) => self.0.send_binary(&bytes.into_bytes()),
        };
        Ok(())
    }

    fn on_close(&mut self, _: DisconnectReason) {}
}

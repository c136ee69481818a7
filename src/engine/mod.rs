//! Engine.IO: sessions over long-polling and websockets, usable by itself. Knows nothing of Socket.IO.
//!
//! A request enters at `handshake` and becomes, or finds, a `Connection` actor. What the client sends reaches
//! the [`ConnectionHandler`] above; what is sent to it goes through the connection's `Outbox`, which a poll,
//! a taken-over socket or the body of a websocket response drains. In a cluster a request may be for a session of another
//! node: then it is relayed there (`relay`).
//!
//! Must never import anything but `config`, `counters`, `disconnect_reason` and `id`; of the cluster it knows the messages of `relay`.

mod answer;
mod base64;
#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod bench;
mod clock;
mod connection;
mod connections;
mod departures;
mod drain;
pub mod frame;
mod handle;
mod handshake;
mod link;
mod local;
pub(crate) mod local_tasks;
mod message;
mod moment;
mod native;
mod out;
mod outbox;
pub mod packet;
pub mod payload;
mod polling;
pub(crate) mod query;
mod queue;
mod relay;
mod request;
mod take_over;
mod turn;
mod websocket;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, web};

use self::connections::Connections;
pub use self::handle::{Backlog, ConnectionHandle, ConnectionHandler, Incoming, TransportKind};
pub use self::handshake::{ConnectionError, HeadersHook};
pub(crate) use self::local::{LocalClient, LocalEvent};
pub use self::message::{Message, MessageBuilder};
pub(crate) use self::moment::Moment;
pub use self::packet::Revision;
pub use self::relay::{RelayBus, RelayInbox};
pub use self::request::HandshakeRequest;
#[cfg(feature = "tls")]
pub(crate) use self::request::Secure;
pub(crate) use self::request::{ExtensionCopier, copy_extension};
pub(crate) use self::take_over::upgrade_factory;
pub(crate) use self::turn::current_thread;
use crate::config::{ConfigError, EngineConfig};
use crate::counters::Counters;
use crate::id::{IdSource, NodeToken, RandomPart};

/// The answer of an `allow_request` hook: an error refuses.
pub type Allowed = Pin<Box<dyn Future<Output = Result<(), ConnectionError>>>>;
type AllowHook = Arc<dyn Fn(HttpRequest) -> Allowed + Send + Sync>;
type ErrorHook = Arc<dyn Fn(&HttpRequest, &ConnectionError) + Send + Sync>;
type HandshakeHook = Arc<dyn Fn(&HttpRequest) + Send + Sync>;
/// What is called when that is over, with why it was refused.
type OpeningEnd = Box<dyn FnOnce(Option<&ConnectionError>)>;
type OpeningHook = Arc<dyn Fn(TransportKind) -> OpeningEnd + Send + Sync>;
type Open = Arc<dyn Fn(ConnectionHandle) -> Box<dyn ConnectionHandler> + Send + Sync>;

/// What an application may have its say in.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) allow_request: Vec<AllowHook>,
    pub(crate) initial_headers: Option<HeadersHook>,
    pub(crate) headers: Option<HeadersHook>,
    pub(crate) connection_error: Option<ErrorHook>,
    /// Sees every request that opens a session, on the session's thread.
    pub(crate) handshake: Option<HandshakeHook>,
    /// Told when a request is about to open a session.
    pub(crate) opening: Option<OpeningHook>,
}

pub(crate) struct EngineInner {
    pub(crate) config: EngineConfig,
    connections: Connections,
    counters: Arc<Counters>,
    ids: IdSource,
    open: Open,
    hooks: Hooks,
    copiers: Vec<ExtensionCopier>,
    /// No more sessions are opened.
    is_draining: AtomicBool,
    /// Those that are open are being closed.
    is_closing: AtomicBool,
    /// Where requests for sessions of other nodes go, in a cluster.
    relays: OnceLock<Arc<relay::Relays>>,
}

impl EngineInner {
    /// Whether no more connections may be opened.
    fn is_full(&self) -> bool {
        self.config.max_connections.is_some_and(|max| self.connections.len() >= max)
    }
}

/// Builds an [`Engine`].
#[derive(Clone, Default)]
pub struct EngineBuilder {
    config: EngineConfig,
    hooks: Hooks,
    copiers: Vec<ExtensionCopier>,
    random_part: Option<RandomPart>,
    node: Option<NodeToken>,
    counters: Option<Arc<Counters>>,
}

impl EngineBuilder {
    /// Replaces all options.
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Asked before a session is opened, one after the other if there are several. An error that is a text answers 403 with code 4
    /// and the text; a [`ConnectionError`], such as [`TooManyRequests`](ConnectionError::TooManyRequests), what it stands for.
    pub fn allow_request<F, R, E>(mut self, allow: F) -> Self
    where
        F: Fn(HttpRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<ConnectionError> + 'static,
    {
        let allow: AllowHook = Arc::new(move |request| {
            let answer = allow(request);
            Box::pin(async move { answer.await.map_err(Into::into) })
        });
        self.hooks.allow_request.push(allow);
        self
    }

    /// Changes the headers of a session's first answer.
    pub fn initial_headers(
        mut self,
        hook: impl Fn(&mut HeaderMap, &HttpRequest) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.initial_headers = Some(Arc::new(hook));
        self
    }

    /// Changes the headers of every answer.
    pub fn headers(mut self, hook: impl Fn(&mut HeaderMap, &HttpRequest) + Send + Sync + 'static) -> Self {
        self.hooks.headers = Some(Arc::new(hook));
        self
    }

    /// Hears of every refused request.
    pub fn on_connection_error(
        mut self,
        hook: impl Fn(&HttpRequest, &ConnectionError) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.connection_error = Some(Arc::new(hook));
        self
    }

    /// Copies a `T` that middleware left in the extensions of the handshake's request into
    /// [`HandshakeRequest::extension`].
    pub fn handshake_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.copiers.push(copy_extension::<T>);
        self
    }

    /// Supplies the random part of session ids, which are bearer secrets: at least 128 random bits, in the
    /// alphabet `A–Z a–z 0–9 _ -`.
    pub fn id_generator(mut self, random_part: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.random_part = Some(Arc::new(random_part));
        self
    }

    pub(crate) fn node(mut self, node: NodeToken) -> Self {
        self.node = Some(node);
        self
    }

    pub(crate) fn counters(mut self, counters: Arc<Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    pub(crate) fn on_handshake(mut self, hook: impl Fn(&HttpRequest) + Send + Sync + 'static) -> Self {
        self.hooks.handshake = Some(Arc::new(hook));
        self
    }

    /// Called when a session is about to be opened; what it returns is called when it was, or was refused.
    pub(crate) fn on_opening(
        mut self,
        hook: impl Fn(TransportKind) -> OpeningEnd + Send + Sync + 'static,
    ) -> Self {
        self.hooks.opening = Some(Arc::new(hook));
        self
    }

    pub(crate) fn config_mut(&mut self) -> &mut EngineConfig {
        &mut self.config
    }

    /// The endpoint; `open` makes the layer above for each new connection.
    pub fn build<F>(self, open: F) -> Result<Engine, ConfigError>
    where
        F: Fn(ConnectionHandle) -> Box<dyn ConnectionHandler> + Send + Sync + 'static,
    {
        let ids = IdSource::new(self.node.unwrap_or_else(NodeToken::random), self.random_part);
        Ok(Engine(Arc::new(EngineInner {
            config: self.config.validate()?,
            connections: Connections::new(),
            counters: self.counters.unwrap_or_default(),
            ids,
            open: Arc::new(open),
            hooks: self.hooks,
            copiers: self.copiers,
            is_draining: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            relays: OnceLock::new(),
        })))
    }
}

/// An Engine.IO endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

impl Engine {
    /// Starts with the default options.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The options in force.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// The token that ends every session id of this endpoint.
    pub fn node(&self) -> &NodeToken {
        self.0.ids.node()
    }

    /// Open connections.
    pub fn connection_count(&self) -> usize {
        self.0.connections.len()
    }

    /// Open connections, and bytes in their outboxes, on polling and on websockets.
    pub(crate) fn weigh(&self) -> [(usize, usize); 2] {
        let mut weights = [(0, 0); 2];
        self.0.connections.each(|shared| {
            let is_websocket = shared.is_websocket.load(std::sync::atomic::Ordering::Relaxed);
            let (connections, bytes) = &mut weights[usize::from(is_websocket)];
            *connections += 1;
            *bytes += shared.outbox.bytes();
        });
        weights
    }

    /// Mounts the endpoint at its path.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        config.service(self.service());
    }

    /// The endpoint as a service.
    pub(crate) fn service(&self) -> impl actix_web::dev::HttpServiceFactory + 'static {
        let path = self.0.config.path.clone();
        let bare = path.trim_end_matches('/').to_owned();
        let has_cors = self.0.config.cors.is_some();
        let resource = |path: String| {
            let engine = self.0.clone();
            let cors = crate::engine::cors(self.0.config.cors.as_ref());
            web::resource(path).wrap(actix_web::middleware::Condition::new(has_cors, cors)).to(
                move |request: HttpRequest, payload: web::Payload| {
                    handshake::serve(engine.clone(), request, payload)
                },
            )
        };
        // One resource for both would be found by a regular expression.
        let mut resources = vec![resource(path.clone())];
        if bare != path {
            resources.push(resource(bare));
        }
        resources
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("path", &self.0.config.path).finish_non_exhaustive()
    }
}

/// The CORS middleware that `config` asks for.
pub(crate) fn cors(config: Option<&crate::config::CorsConfig>) -> actix_cors::Cors {
    use crate::config::Origins;

    let mut cors = actix_cors::Cors::default();
    let Some(config) = config else { return cors };
    cors = match &config.origins {
        Origins::None => cors,
        Origins::Wildcard => cors.allow_any_origin().send_wildcard(),
        Origins::Any => cors.allow_any_origin(),
        Origins::List(origins) => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
        Origins::Predicate(predicate) => {
            let predicate = predicate.clone();
            cors.allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| predicate(origin)))
        }
    };
    cors = cors.allowed_methods(["GET", "POST"]);
    cors = if config.allowed_headers.is_empty() {
        cors.allow_any_header()
    } else {
        config.allowed_headers.iter().fold(cors, |cors, name| cors.allowed_header(name))
    };
    if config.credentials {
        cors = cors.supports_credentials();
    }
    if let Some(max_age) = config.max_age {
        cors = cors.max_age(usize::try_from(max_age.as_secs()).unwrap_or(usize::MAX));
    }
    cors
}

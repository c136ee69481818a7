//! The server's handle: built once, cloned into handlers, Actix apps and other threads.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, web};
use socketio_cluster::bus::{Bus, BusEvents};

use crate::broadcast_operator::{BroadcastOperator, broadcasting};
use crate::client::Client;
use crate::client_files::ClientFiles;
use crate::config::{ClusterConfig, Config, ConfigError, CookieConfig, CorsConfig, EngineConfig};
use crate::counters::Counters;
use crate::engine::{ConnectionError, ConnectionHandle, Engine, EngineBuilder};
use crate::error::NamespaceError;
use crate::every_namespace::EveryNamespace;
use crate::handler::{Refusal, remember_app};
use crate::id::{IdSource, NodeToken};
use crate::namespace::Namespace;
use crate::namespaces::{Core, DynamicNamespace, Meter, Namespaces};
use crate::protocol::{Args, Parser};
use crate::service::Server;
use crate::socket::Socket;
use crate::trace::{Operation, Trace, Tracer, Tracing};
use crate::uplink::{Holding, Site, Uplink};

/// A Socket.IO server. Cheap to clone, usable from any thread; what is emitted on it goes to the namespace `/`.
#[derive(Clone)]
pub struct SocketIo {
    core: Arc<Core>,
    namespaces: Arc<Namespaces>,
    engine: Engine,
    client_files: Option<ClientFiles>,
}

/// Builds a [`SocketIo`].
pub struct SocketIoBuilder {
    config: Config,
    engine: EngineBuilder,
    states: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    client_files: Option<PathBuf>,
    cluster: ClusterConfig,
    bus: Option<(Arc<dyn Bus>, BusEvents)>,
    every: EveryNamespace,
    meter: Option<Meter>,
    tracing: Tracing,
}

impl Default for SocketIoBuilder {
    fn default() -> Self {
        let mut engine = EngineBuilder::default();
        engine.config_mut().path = "/socket.io/".to_owned();
        Self {
            config: Config::default(),
            engine,
            states: HashMap::new(),
            client_files: None,
            cluster: ClusterConfig::default(),
            bus: None,
            every: EveryNamespace::default(),
            meter: None,
            tracing: Tracing::default(),
        }
    }
}

/// Setters of single options, documented where the options are.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $($field:ident).+;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            options!(@set self, value, $($field).+);
            self
        }
    )*};
    (@set $self:ident, $value:ident, config.$field:ident) => { $self.config.$field = $value };
    (@set $self:ident, $value:ident, engine.$field:ident) => { $self.engine.config_mut().$field = $value };
}

impl SocketIoBuilder {
    options! {
        /// [`Config::parser`].
        parser: Parser => config.parser;
        /// [`Config::connect_timeout`].
        connect_timeout: Duration => config.connect_timeout;
        /// [`Config::ack_timeout`].
        ack_timeout: Duration => config.ack_timeout;
        /// [`Config::max_attachments`].
        max_attachments: u32 => config.max_attachments;
        /// [`EngineConfig::ping_interval`].
        ping_interval: Duration => engine.ping_interval;
        /// [`EngineConfig::ping_timeout`].
        ping_timeout: Duration => engine.ping_timeout;
        /// [`EngineConfig::upgrade_timeout`].
        upgrade_timeout: Duration => engine.upgrade_timeout;
        /// [`EngineConfig::max_http_buffer_size`].
        max_http_buffer_size: usize => engine.max_http_buffer_size;
        /// [`EngineConfig::allow_eio3`].
        allow_eio3: bool => engine.allow_eio3;
        /// [`EngineConfig::allow_upgrades`].
        allow_upgrades: bool => engine.allow_upgrades;
    }

    /// [`EngineConfig::path`].
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.engine.config_mut().path = path.into();
        self
    }

    /// [`EngineConfig::cors`].
    pub fn cors(mut self, cors: CorsConfig) -> Self {
        self.engine.config_mut().cors = Some(cors);
        self
    }

    /// [`EngineConfig::cookie`].
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.engine.config_mut().cookie = Some(cookie);
        self
    }

    /// Replaces all options of the engine. Its default path is not the one of Socket.IO.
    pub fn engine_config(mut self, config: EngineConfig) -> Self {
        self.engine = self.engine.config(config);
        self
    }

    /// Replaces all options beside those of the engine.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes any options in place, those too that have no setter of their own here.
    ///
    /// ```
    /// # use actix_socketio::SocketIo;
    /// let io = SocketIo::builder()
    ///     .adjust(|config, engine| {
    ///         config.max_namespaces = 5;
    ///         engine.outbox_bytes = 4 * 1024 * 1024;
    ///     })
    ///     .build();
    /// # drop(io);
    /// ```
    pub fn adjust(mut self, change: impl FnOnce(&mut Config, &mut EngineConfig)) -> Self {
        change(&mut self.config, self.engine.config_mut());
        self
    }

    /// A value that handlers can have as [`State<T>`](crate::State).
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// Registers what every namespace has, before anything that is registered for a single one: static namespaces and
    /// dynamic ones alike, whenever they are made.
    pub fn every_namespace(mut self, register: impl FnOnce(EveryNamespace) -> EveryNamespace) -> Self {
        self.every = register(self.every);
        self
    }

    /// Limits what clients send. Called for each new connection, on its thread, and returns what is then asked for each of its messages
    /// (a packet, or one of its attachments) before it is decoded, with the size in bytes. An error refuses the packet: a CONNECT by
    /// CONNECT_ERROR, an event by an acknowledgement `{"error":"…"}`, if the client asked for one; nobody else sees it. What the server
    /// waits for, acknowledgements and disconnects, is taken all the same. Must not block; may
    /// [close](crate::engine::ConnectionHandle::close) the connection. Dropped with the connection.
    pub fn meter<F, M>(mut self, make: F) -> Self
    where
        F: Fn(&ConnectionHandle) -> M + Send + Sync + 'static,
        M: FnMut(usize) -> Result<(), Refusal> + 'static,
    {
        self.meter = Some(Arc::new(move |connection| Box::new(make(connection))));
        self
    }

    /// Who is told what the server does: see [`Tracer`]. Workers get the context of what they are asked for as headers.
    pub fn tracer(mut self, tracer: impl Tracer) -> Self {
        self.tracing = Tracing::new(Arc::new(tracer));
        self
    }

    /// See [`EngineBuilder::allow_request`].
    pub fn allow_request<F, R, E>(mut self, allow: F) -> Self
    where
        F: Fn(HttpRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<ConnectionError> + 'static,
    {
        self.engine = self.engine.allow_request(allow);
        self
    }

    /// See [`EngineBuilder::initial_headers`].
    pub fn initial_headers(
        mut self,
        hook: impl Fn(&mut HeaderMap, &HttpRequest) + Send + Sync + 'static,
    ) -> Self {
        self.engine = self.engine.initial_headers(hook);
        self
    }

    /// See [`EngineBuilder::headers`].
    pub fn headers(mut self, hook: impl Fn(&mut HeaderMap, &HttpRequest) + Send + Sync + 'static) -> Self {
        self.engine = self.engine.headers(hook);
        self
    }

    /// See [`EngineBuilder::on_connection_error`].
    pub fn on_connection_error(
        mut self,
        hook: impl Fn(&HttpRequest, &ConnectionError) + Send + Sync + 'static,
    ) -> Self {
        self.engine = self.engine.on_connection_error(hook);
        self
    }

    /// See [`EngineBuilder::handshake_extension`].
    pub fn handshake_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.engine = self.engine.handshake_extension::<T>();
        self
    }

    /// See [`EngineBuilder::id_generator`].
    pub fn id_generator(mut self, random_part: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.engine = self.engine.id_generator(random_part);
        self
    }

    /// Serves the browser client beside the endpoint, as `/socket.io/socket.io.js`, `socket.io.min.js`,
    /// `socket.io.esm.min.js` and `socket.io.msgpack.min.js` with their source maps, from the folder of the npm
    /// package `socket.io-client` (or its `dist`). The files are read once, when the server is built; one that is
    /// not there is answered 404. Without this call there are none.
    pub fn client_files(mut self, folder: impl Into<PathBuf>) -> Self {
        self.client_files = Some(folder.into());
        self
    }

    /// Makes the server a node of a cluster: `bus` is what [`NatsBus::connect`](crate::cluster::NatsBus::connect) returns. Without
    /// a bus it is a server by itself.
    pub fn bus<B: Bus>(mut self, (bus, events): (B, BusEvents)) -> Self {
        self.bus = Some((Arc::new(bus), events));
        self
    }

    /// How it takes part in the cluster. Without effect if there is no [`bus`](Self::bus).
    pub fn cluster(mut self, change: impl FnOnce(&mut ClusterConfig)) -> Self {
        change(&mut self.cluster);
        self
    }

    /// The server, or what is wrong with its options.
    ///
    /// # Panics
    /// With a bus, outside of a tokio runtime: what listens to it runs there.
    pub fn try_build(self) -> Result<SocketIo, ConfigError> {
        let node = NodeToken::random();
        let ids = IdSource::new(node.clone(), None);
        let (uplink, events) = match self.bus {
            Some((bus, events)) => (Some(Uplink::new(bus, &node, self.cluster)?), Some(events)),
            None => (None, None),
        };
        let hooks = (self.every.handlers(), self.meter, self.tracing);
        let core = Core::new(self.config.validate()?, ids, uplink.clone(), self.states, hooks);
        let namespaces = Namespaces::new(core.clone());
        // Always there, as with the reference server.
        namespaces.of("/");
        let number = core.number;
        let of_client = namespaces.clone();
        let tracing = core.tracing.clone();
        let engine = match tracing.is_on() {
            true => self.engine.on_opening(move |transport| {
                let transport = transport.as_str();
                let mut begun = tracing.begin(&Operation::Handshake { transport }, &Trace::default());
                Box::new(move |error| {
                    if let Some(error) = error {
                        begun.failed(error);
                    }
                })
            }),
            false => self.engine,
        };
        let engine = engine
            .node(node)
            .counters(core.counters.clone())
            .on_handshake(move |request| remember_app(number, request))
            .build(move |connection| Box::new(Client::open(connection, of_client.clone())))?;
        if let Some((uplink, events)) = uplink.zip(events) {
            let site: Arc<dyn Site> = namespaces.clone();
            if uplink.config().relay_sessions {
                uplink.relay(&engine);
            }
            uplink.start(events, Arc::downgrade(&site));
        }
        let client_files = self.client_files.map(|folder| ClientFiles::read(&folder));
        Ok(SocketIo { core, namespaces, engine, client_files })
    }

    /// The server.
    ///
    /// # Panics
    /// If the options make no sense: see [`ConfigError`]; and as [`try_build`](Self::try_build) does.
    pub fn build(self) -> SocketIo {
        match self.try_build() {
            Ok(io) => io,
            Err(error) => panic!("invalid configuration: {error}"),
        }
    }
}

impl fmt::Debug for SocketIoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIoBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SocketIo {
    /// Starts with the default options.
    pub fn builder() -> SocketIoBuilder {
        SocketIoBuilder::default()
    }

    /// A server with the default options.
    pub fn new() -> Self {
        Self::builder().build()
    }

    pub(crate) fn of_socket(socket: &Socket) -> Self {
        let namespace = socket.namespace_inner();
        let core = namespace.core().clone();
        let engine = socket.connection().engine();
        // The engine of a connection owns the namespaces.
        let namespaces = namespace.directory().unwrap_or_else(|| Namespaces::new(core.clone()));
        Self { core, namespaces, engine, client_files: None }
    }

    fn operator(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.namespaces.of("/"))
    }

    broadcasting!();

    /// The namespace of that name, made if there is none: if a [pattern](Self::of_pattern) matches it, as its child,
    /// which has its handlers in common with all children of the pattern.
    pub fn of(&self, name: &str) -> Namespace {
        Namespace(self.namespaces.of(name))
    }

    /// The namespaces whose name matches a pattern: text with `{name}` for a part without slash, or
    /// `{name:regex}`, as in the paths of actix-web. [`Namespace::param`] gives the parts.
    pub fn of_pattern(&self, pattern: &str) -> Result<DynamicNamespace, NamespaceError> {
        self.namespaces.of_pattern(pattern)
    }

    /// The namespaces for whose name (and the client's auth) the predicate holds. Static ones, and families that were
    /// registered earlier, come first.
    pub fn of_predicate<F, R>(&self, predicate: F) -> DynamicNamespace
    where
        F: Fn(String, Args) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + 'static,
    {
        self.namespaces.of_predicate(predicate)
    }

    /// The namespace of that name, if there is one now.
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.get(name).map(Namespace)
    }

    /// The sockets of the namespace of that name, wherever they are: to emit to them, list and move them. Unlike [`of`](Self::of) it
    /// makes nothing, so names may come from others; handlers that are registered on what it returns are never called if this node has
    /// no such namespace.
    pub fn reach(&self, name: &str) -> Namespace {
        Namespace(self.namespaces.reach(name))
    }

    /// All namespaces, dynamic ones that are in use included.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.namespaces.all().into_iter().map(Namespace).collect()
    }

    /// What this node has now.
    pub(crate) fn holding(&self) -> Holding {
        self.namespaces.holding()
    }

    /// Drops a namespace: its sockets are disconnected, and clients that ask for it are refused.
    pub async fn remove_namespace(&self, name: &str) {
        if let Some(namespace) = self.namespaces.remove(name) {
            Namespace(namespace).disconnect_sockets(false).await;
        }
    }

    /// A value given to [`SocketIoBuilder::state`].
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.core.state()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn uplink(&self) -> Option<&Arc<Uplink>> {
        self.core.uplink.as_ref()
    }

    pub(crate) fn started(&self) -> std::time::SystemTime {
        self.core.started
    }

    pub(crate) fn token(&self) -> &NodeToken {
        self.core.ids.node()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.core.counters
    }

    pub(crate) fn parser(&self) -> Parser {
        self.core.config.parser
    }

    pub(crate) fn number(&self) -> usize {
        self.core.number
    }

    /// The Engine.IO endpoint below.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Open connections on this node.
    pub fn connection_count(&self) -> usize {
        self.engine.connection_count()
    }

    /// Mounts the server into an Actix `App` (or a scope of it) at its path, with the embedded websocket transport.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        self.engine.configure(config);
        if let Some(files) = &self.client_files {
            let options = self.engine.config();
            files.configure(config, &options.path, options.cors.as_ref());
        }
    }

    /// An HTTP server for an `App` factory (which calls [`configure`](Self::configure) itself), with the native
    /// websocket transport. When it stops, it [closes](Self::close) the sessions first.
    pub fn server<F>(&self, factory: F) -> Server<F> {
        let io = self.clone();
        Server::new(factory).before_stop(move || {
            let io = io.clone();
            async move { io.close().await }
        })
    }
}

impl Default for SocketIo {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo").field("engine", &self.engine).finish_non_exhaustive()
    }
}

//! Limits and timers, with their defaults; validated once, when a server is built.

mod cluster;
mod drain;

use std::time::Duration;

use actix_web::cookie::SameSite;

pub use self::cluster::ClusterConfig;
pub use self::drain::DrainOptions;

use crate::protocol::Parser;

/// The options of an Engine.IO endpoint. Defaults are those of the reference server where it has the option.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Path of the endpoint, with or without the slash at its end. Default `/engine.io/`
    /// (`/socket.io/` for a Socket.IO server).
    pub path: String,
    /// Whether HTTP long-polling is served. Default true.
    pub polling: bool,
    /// Whether websockets are served. Default true.
    pub websocket: bool,
    /// Whether a polling session may become a websocket. Default true.
    pub allow_upgrades: bool,
    /// Whether clients of protocol revision 3 (Socket.IO 2.x) are served. Default false.
    pub allow_eio3: bool,
    /// Time between a pong and the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping; then its session ends with `ping timeout`. Default 20 s.
    pub ping_timeout: Duration,
    /// How long an upgrade may take; then the websocket is closed and polling goes on. Default 10 s.
    pub upgrade_timeout: Duration,
    /// Bytes of one message and of one POST body. A client that sends more is answered 413, or loses its
    /// websocket with close code 1009. Default 1,000,000.
    pub max_http_buffer_size: usize,
    /// Packets in one POST; more close the session. Default 10,000.
    pub max_packets_per_post: usize,
    /// Packets in the answer of one poll, attachments counted; the rest waits for the next poll (a packet is not
    /// separated from its attachments). Default 16: clients of python-engineio refuse more.
    pub max_packets_per_poll: usize,
    /// Frames of one fragmented websocket message; more close the session. Default 1,024.
    pub max_fragments: usize,
    /// How long the body of a POST may take to arrive; then 408 and the session is closed. Default 20 s.
    pub body_timeout: Duration,
    /// Bytes that may wait for one client, whatever the transport. A client that reads too slowly loses its
    /// volatile messages first, then its connection (`transport error`). Default 1 MiB.
    pub outbox_bytes: usize,
    /// How long a message may wait for a client that does not read; then `transport error`. Default 30 s.
    pub outbox_age: Duration,
    /// Bytes of received events that may wait for their handlers; past it the connection is not read, at twice
    /// of it (while a handler awaits an acknowledgement) it is closed. Default 1 MiB.
    pub inbox_bytes: usize,
    /// Polling answers of at least this many bytes are compressed (gzip or deflate) if the client accepts it;
    /// `None` never compresses. Default 1,024.
    pub http_compression: Option<usize>,
    /// A cookie that carries the session id. Default none.
    pub cookie: Option<CookieConfig>,
    /// Cross-origin requests. Default none: no CORS headers at all.
    pub cors: Option<CorsConfig>,
    /// Bytes of the headers of a request that opens a session, which are kept as long as it lives; more are answered
    /// 400. Default 16 KiB.
    pub max_header_bytes: usize,
    /// Open connections of this endpoint; a handshake over it is answered 503. Default unlimited.
    pub max_connections: Option<usize>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            path: "/engine.io/".to_owned(),
            polling: true,
            websocket: true,
            allow_upgrades: true,
            allow_eio3: false,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_http_buffer_size: 1_000_000,
            max_packets_per_post: 10_000,
            max_packets_per_poll: 16,
            max_fragments: 1_024,
            body_timeout: Duration::from_secs(20),
            outbox_bytes: 1024 * 1024,
            outbox_age: Duration::from_secs(30),
            inbox_bytes: 1024 * 1024,
            http_compression: Some(1024),
            cookie: None,
            cors: None,
            max_header_bytes: 16 * 1024,
            max_connections: None,
        }
    }
}

impl EngineConfig {
    /// Checks that the options make sense together and brings the path into its form `/…/`.
    pub fn validate(mut self) -> Result<Self, ConfigError> {
        let path = self.path.trim_matches('/');
        if path.is_empty() || path.contains(['?', '#', '{', '}', '*', ' ']) {
            return Err(ConfigError::Path);
        }
        self.path = format!("/{path}/");
        if !self.polling && !self.websocket {
            return Err(ConfigError::NoTransport);
        }
        let timers =
            [self.ping_interval, self.ping_timeout, self.upgrade_timeout, self.body_timeout, self.outbox_age];
        if timers.iter().any(Duration::is_zero) {
            return Err(ConfigError::ZeroTimer);
        }
        let sizes = [
            self.max_http_buffer_size,
            self.max_packets_per_post,
            self.max_packets_per_poll,
            self.max_fragments,
            self.outbox_bytes,
            self.inbox_bytes,
        ];
        if sizes.contains(&0) {
            return Err(ConfigError::ZeroLimit);
        }
        if let Some(cors) = &self.cors
            && cors.credentials
            && cors.origins == Origins::Wildcard
        {
            return Err(ConfigError::WildcardWithCredentials);
        }
        Ok(self)
    }
}

/// The options of a Socket.IO server, beside those of its engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The encoding of packets; clients must use the same. Default JSON.
    pub parser: Parser,
    /// How long a connection may take to join its first namespace; then it is closed (`forced server close`).
    /// Default 45 s.
    pub connect_timeout: Duration,
    /// How long an acknowledgement is waited for, unless a call says otherwise. Default 10 s.
    pub ack_timeout: Duration,
    /// Acknowledgements that may be pending for one socket; more are refused. Default 1,000.
    pub max_pending_acks: usize,
    /// Binary attachments of one packet; more close the connection. Default 10.
    pub max_attachments: u32,
    /// Bytes of the auth payload of CONNECT, which is kept as long as the socket lives; more is refused with an error.
    /// Default 64 KiB.
    pub max_auth_bytes: usize,
    /// Bytes of one packet with its attachments; more close the connection. Default 10 MB.
    pub max_packet_bytes: usize,
    /// How long a packet's attachments may take to arrive; then the connection is closed. Default 60 s.
    pub packet_timeout: Duration,
    /// Namespaces that one connection may join; more are refused with an error. Default 100.
    pub max_namespaces: usize,
    /// Whether a child of a [`DynamicNamespace`](crate::DynamicNamespace) lives on when its last socket has
    /// left. Default false: it is dropped, so that clients cannot fill the memory with names.
    pub keep_empty_namespaces: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            parser: Parser::Json,
            connect_timeout: Duration::from_secs(45),
            ack_timeout: Duration::from_secs(10),
            max_pending_acks: 1_000,
            max_attachments: 10,
            max_auth_bytes: 64 * 1024,
            max_packet_bytes: 10_000_000,
            packet_timeout: Duration::from_secs(60),
            max_namespaces: 100,
            keep_empty_namespaces: false,
        }
    }
}

impl Config {
    /// Checks that the options make sense.
    pub fn validate(self) -> Result<Self, ConfigError> {
        if [self.connect_timeout, self.ack_timeout, self.packet_timeout].iter().any(Duration::is_zero) {
            return Err(ConfigError::ZeroTimer);
        }
        if self.max_pending_acks == 0 || self.max_packet_bytes == 0 || self.max_namespaces == 0 {
            return Err(ConfigError::ZeroLimit);
        }
        Ok(self)
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The path is empty or has characters that a plain path cannot have.
    #[error("the path must be a plain path such as /socket.io/")]
    Path,
    /// Neither polling nor websockets are enabled.
    #[error("at least one transport must be enabled")]
    NoTransport,
    /// A timer of zero.
    #[error("timers must be longer than zero")]
    ZeroTimer,
    /// A limit of zero.
    #[error("limits must be greater than zero")]
    ZeroLimit,
    /// `Access-Control-Allow-Origin: *` cannot be combined with credentials.
    #[error("the wildcard origin excludes credentials; reflect origins or list them")]
    WildcardWithCredentials,
    /// The subject prefix, or the number of buckets.
    #[error(transparent)]
    Subjects(#[from] socketio_cluster::subject::SubjectsError),
    /// The name of a node is longer than 255 bytes.
    #[error("the name of a node has at most 255 bytes")]
    NodeName,
}

/// The cookie of [`EngineConfig::cookie`].
#[derive(Clone, Debug)]
pub struct CookieConfig {
    /// Its name. Default `io`.
    pub name: String,
    /// Its path; `None` leaves the attribute out. Default `/`.
    pub path: Option<String>,
    /// Whether scripts cannot read it. Default true.
    pub http_only: bool,
    /// Its SameSite attribute. Default `Lax`.
    pub same_site: Option<SameSite>,
    /// Whether it is sent over TLS only. Default false.
    pub secure: bool,
    /// Its Max-Age; `None` makes it a session cookie. Default none.
    pub max_age: Option<Duration>,
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: Some("/".to_owned()),
            http_only: true,
            same_site: Some(SameSite::Lax),
            secure: false,
            max_age: None,
        }
    }
}

/// Which origins may use the endpoint from a browser.
#[derive(Clone, Debug, Default)]
pub struct CorsConfig {
    /// The origins.
    pub origins: Origins,
    /// Whether requests may carry cookies. Default false.
    pub credentials: bool,
    /// Request headers that are allowed beyond the simple ones; empty reflects what is asked for.
    pub allowed_headers: Vec<String>,
    /// How long a browser may remember a preflight. Default unset.
    pub max_age: Option<Duration>,
}

/// Origins of [`CorsConfig`].
#[derive(Clone, Default)]
pub enum Origins {
    /// None.
    #[default]
    None,
    /// `Access-Control-Allow-Origin: *`.
    Wildcard,
    /// Any origin, reflected: what a server needs for any origin with credentials.
    Any,
    /// These, such as `https://example.com`.
    List(Vec<String>),
    /// Those for which the function returns true.
    Predicate(std::sync::Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl PartialEq for Origins {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) | (Self::Wildcard, Self::Wildcard) | (Self::Any, Self::Any) => true,
            (Self::List(one), Self::List(two)) => one == two,
            (Self::Predicate(one), Self::Predicate(two)) => std::sync::Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Wildcard => f.write_str("Wildcard"),
            Self::Any => f.write_str("Any"),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
            Self::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_brought_into_form() {
        for path in ["ws", "/ws", "ws/", "/ws/"] {
            let config = EngineConfig { path: path.to_owned(), ..EngineConfig::default() };
            assert_eq!(config.validate().unwrap().path, "/ws/");
        }
        let config = EngineConfig { path: "/".to_owned(), ..EngineConfig::default() };
        assert_eq!(config.validate().unwrap_err(), ConfigError::Path);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let none = EngineConfig { polling: false, websocket: false, ..EngineConfig::default() };
        assert_eq!(none.validate().unwrap_err(), ConfigError::NoTransport);
        let zero = EngineConfig { ping_interval: Duration::ZERO, ..EngineConfig::default() };
        assert_eq!(zero.validate().unwrap_err(), ConfigError::ZeroTimer);
        let zero = EngineConfig { outbox_bytes: 0, ..EngineConfig::default() };
        assert_eq!(zero.validate().unwrap_err(), ConfigError::ZeroLimit);
        let cors = CorsConfig { origins: Origins::Wildcard, credentials: true, ..CorsConfig::default() };
        let cors = EngineConfig { cors: Some(cors), ..EngineConfig::default() };
        assert_eq!(cors.validate().unwrap_err(), ConfigError::WildcardWithCredentials);
    }
}

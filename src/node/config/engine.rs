//! `[engine]`: transports, timers and sizes of the Engine.IO endpoint.

use actix_socketio::config::EngineConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;
use super::size::Size;

/// Transports, timers and sizes of connections. The defaults are those of the reference server where it has the option.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Engine {
    /// Path of the endpoint.
    pub(crate) path: String,
    /// What carries packets: polling, websocket or both.
    pub(crate) transports: Vec<Transport>,
    /// Whether a polling session may become a websocket.
    pub(crate) allow_upgrades: bool,
    /// Whether clients of protocol revision 3 (Socket.IO 2.x) are served.
    pub(crate) allow_eio3: bool,
    /// Time between a pong and the next ping.
    pub(crate) ping_interval: Period,
    /// How long a client may take to answer a ping; then its session ends with `ping timeout`.
    pub(crate) ping_timeout: Period,
    /// How long an upgrade may take; then the websocket is closed and polling goes on.
    pub(crate) upgrade_timeout: Period,
    /// Bytes of one message and of one POST body. A client that sends more is answered 413, or loses its websocket with close
    /// code 1009.
    pub(crate) max_http_buffer_size: Size,
    /// Packets in one POST; more close the session.
    pub(crate) max_packets_per_post: usize,
    /// Packets in the answer of one poll, attachments counted; the rest waits for the next poll. Clients of python-engineio
    /// refuse more than 16.
    pub(crate) max_packets_per_poll: usize,
    /// Frames of one fragmented websocket message; more close the session.
    pub(crate) max_fragments: usize,
    /// How long the body of a POST may take to arrive; then 408 and the session is closed.
    pub(crate) body_timeout: Period,
    /// Bytes that may wait for one client, whatever the transport. A client that reads too slowly loses its volatile messages
    /// first, then its connection (`transport error`).
    pub(crate) outbox_bytes: Size,
    /// How long a message may wait for a client that does not read; then `transport error`.
    pub(crate) outbox_age: Period,
    /// Bytes of received events that may wait for their handlers; past it the connection is not read, at twice of it (while a
    /// handler awaits an acknowledgement) it is closed.
    pub(crate) inbox_bytes: Size,
    /// Polling answers of at least this many bytes are compressed (gzip or deflate) if the client accepts it; 0 never compresses.
    pub(crate) compress_above: Size,
    /// Bytes of the headers of a request that opens a session, which are kept as long as it lives; more are answered 400.
    pub(crate) max_header_bytes: Size,
}

/// What carries packets.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Transport {
    Polling,
    Websocket,
}

impl Default for Engine {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Self {
            path: "/socket.io/".to_owned(),
            transports: vec![Transport::Polling, Transport::Websocket],
            allow_upgrades: engine.allow_upgrades,
            allow_eio3: engine.allow_eio3,
            ping_interval: engine.ping_interval.into(),
            ping_timeout: engine.ping_timeout.into(),
            upgrade_timeout: engine.upgrade_timeout.into(),
            max_http_buffer_size: engine.max_http_buffer_size.into(),
            max_packets_per_post: engine.max_packets_per_post,
            max_packets_per_poll: engine.max_packets_per_poll,
            max_fragments: engine.max_fragments,
            body_timeout: engine.body_timeout.into(),
            outbox_bytes: engine.outbox_bytes.into(),
            outbox_age: engine.outbox_age.into(),
            inbox_bytes: engine.inbox_bytes.into(),
            compress_above: engine.http_compression.unwrap_or(0).into(),
            max_header_bytes: engine.max_header_bytes.into(),
        }
    }
}

impl Engine {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        for (key, period) in [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
            ("body_timeout", self.body_timeout),
            ("outbox_age", self.outbox_age),
        ] {
            found.is_not_zero(key, period.is_zero());
        }
        for (key, limit) in [
            ("max_http_buffer_size", self.max_http_buffer_size.bytes()),
            ("max_packets_per_post", self.max_packets_per_post),
            ("max_packets_per_poll", self.max_packets_per_poll),
            ("max_fragments", self.max_fragments),
            ("outbox_bytes", self.outbox_bytes.bytes()),
            ("inbox_bytes", self.inbox_bytes.bytes()),
        ] {
            found.is_not_zero(key, limit == 0);
        }
        if self.transports.is_empty() {
            found.add("transports", "at least one of polling and websocket is needed");
        }
        let mut engine = EngineConfig::default();
        engine.path.clone_from(&self.path);
        if let Err(error) = engine.validate() {
            found.add("path", error);
        }
    }

    /// Gives the library what is configured here.
    pub(crate) fn apply(&self, engine: &mut EngineConfig) {
        engine.path.clone_from(&self.path);
        engine.polling = self.transports.contains(&Transport::Polling);
        engine.websocket = self.transports.contains(&Transport::Websocket);
        engine.allow_upgrades = self.allow_upgrades;
        engine.allow_eio3 = self.allow_eio3;
        engine.ping_interval = self.ping_interval.into();
        engine.ping_timeout = self.ping_timeout.into();
        engine.upgrade_timeout = self.upgrade_timeout.into();
        engine.max_http_buffer_size = self.max_http_buffer_size.bytes();
        engine.max_packets_per_post = self.max_packets_per_post;
        engine.max_packets_per_poll = self.max_packets_per_poll;
        engine.max_fragments = self.max_fragments;
        engine.body_timeout = self.body_timeout.into();
        engine.outbox_bytes = self.outbox_bytes.bytes();
        engine.outbox_age = self.outbox_age.into();
        engine.inbox_bytes = self.inbox_bytes.bytes();
        engine.http_compression = Some(self.compress_above.bytes()).filter(|bytes| *bytes > 0);
        engine.max_header_bytes = self.max_header_bytes.bytes();
    }
}

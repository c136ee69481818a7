//! `[protocol]`: how Socket.IO packets are written, and what one client may ask for.

use actix_socketio::config::Config;
use actix_socketio::protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;
use super::size::Size;

/// Socket.IO packets, and what one client may ask for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Protocol {
    /// The encoding of packets, json or msgpack; clients must use the same.
    pub(crate) parser: Parser,
    /// How long a connection may take to join its first namespace; then it is closed (`forced server close`).
    pub(crate) connect_timeout: Period,
    /// How long an acknowledgement is waited for, unless a call says otherwise.
    pub(crate) ack_timeout: Period,
    /// Acknowledgements that may be pending for one socket; more are refused.
    pub(crate) max_pending_acks: usize,
    /// Binary attachments of one packet; more close the connection.
    pub(crate) max_attachments: u32,
    /// Bytes of the auth payload of CONNECT, which is kept as long as the socket lives; more is refused with an error.
    pub(crate) max_auth_bytes: Size,
    /// Bytes of one packet with its attachments; more close the connection.
    pub(crate) max_packet_bytes: Size,
    /// How long a packet's attachments may take to arrive; then the connection is closed.
    pub(crate) packet_timeout: Period,
    /// Namespaces that one connection may join; more are refused with an error.
    pub(crate) max_namespaces: usize,
}

/// How packets are encoded.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Parser {
    #[default]
    Json,
    Msgpack,
}

impl Default for Protocol {
    fn default() -> Self {
        let config = Config::default();
        Self {
            parser: Parser::default(),
            connect_timeout: config.connect_timeout.into(),
            ack_timeout: config.ack_timeout.into(),
            max_pending_acks: config.max_pending_acks,
            max_attachments: config.max_attachments,
            max_auth_bytes: config.max_auth_bytes.into(),
            max_packet_bytes: config.max_packet_bytes.into(),
            packet_timeout: config.packet_timeout.into(),
            max_namespaces: config.max_namespaces,
        }
    }
}

impl Protocol {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        for (key, period) in [
            ("connect_timeout", self.connect_timeout),
            ("ack_timeout", self.ack_timeout),
            ("packet_timeout", self.packet_timeout),
        ] {
            found.is_not_zero(key, period.is_zero());
        }
        for (key, limit) in [
            ("max_pending_acks", self.max_pending_acks),
            ("max_packet_bytes", self.max_packet_bytes.bytes()),
            ("max_namespaces", self.max_namespaces),
        ] {
            found.is_not_zero(key, limit == 0);
        }
    }

    /// Gives the library what is configured here.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.parser = match self.parser {
            Parser::Json => protocol::Parser::Json,
            Parser::Msgpack => protocol::Parser::MsgPack,
        };
        config.connect_timeout = self.connect_timeout.into();
        config.ack_timeout = self.ack_timeout.into();
        config.max_pending_acks = self.max_pending_acks;
        config.max_attachments = self.max_attachments;
        config.max_auth_bytes = self.max_auth_bytes.bytes();
        config.max_packet_bytes = self.max_packet_bytes.bytes();
        config.packet_timeout = self.packet_timeout.into();
        config.max_namespaces = self.max_namespaces;
    }
}

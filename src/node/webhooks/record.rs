//! One thing that a webhook is told, as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_socketio::trace::{Trace, TraceContext};
use actix_socketio::{Args, Socket};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::node::namespaces::user;

/// What happened.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record<'a> {
    /// `event`, `connected`, `disconnected`, `room_created`, `room_deleted`, `room_joined` or `room_left`.
    r#type: &'static str,
    /// Milliseconds since 1970.
    time: u64,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What it belongs to, if that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// The claim that says who the user is.
const SUBJECT: &str = "sub";

impl<'a> Record<'a> {
    /// Of a socket, by its id and user.
    pub(super) fn of(r#type: &'static str, namespace: &'a str, socket: Option<&'a Socket>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            r#type,
            time: u64::try_from(now.as_millis()).unwrap_or_default(),
            namespace,
            sid: socket.map(Socket::id),
            user: socket.and_then(|socket| user::name(socket, SUBJECT)),
            ..Self::default()
        }
    }

    pub(super) fn room(self, room: &'a str) -> Self {
        Self { room: Some(room), ..self }
    }

    pub(super) fn trace(self, trace: &Trace) -> Self {
        Self { traceparent: trace.context().map(TraceContext::traceparent), ..self }
    }

    pub(super) fn reason(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// An event; none if its arguments cannot be JSON.
    pub(super) fn event(self, event: &'a str, args: &Args) -> Option<Self> {
        let (data, attachments) = args.to_json().ok()?;
        let data = RawValue::from_string(data.to_string()).ok()?;
        let attachments = attachments.iter().map(|bytes| STANDARD.encode(bytes)).collect();
        Some(Self { event: Some(event), data: Some(data), attachments, ..self })
    }

    pub(super) fn to_json(&self) -> String {
        // Plain data with keys that are texts.
        serde_json::to_string(self).unwrap_or_default()
    }
}

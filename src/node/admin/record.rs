//! A socket as the admin UI shows it. Without its secrets: no auth payload, no session id, no cookies and tokens.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use actix_socketio::engine::TransportKind;
use actix_socketio::{Handshake, Socket};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::node::limits::client_address;

/// In place of what is a secret.
const HIDDEN: &str = "(hidden)";
/// A header or parameter with one of these in its name is a secret.
const SECRET_NAMES: [&str; 8] = ["cookie", "auth", "token", "secret", "password", "key", "jwt", "session"];
/// Of a longer value of a header or parameter, that much is shown, in characters.
const MAX_VALUE: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    id: String,
    /// Tells connections apart, and does not give away their session ids.
    client_id: String,
    transport: &'static str,
    nsp: String,
    data: Box<RawValue>,
    handshake: HandshakeShown,
    rooms: Vec<String>,
}

#[derive(Serialize)]
struct HandshakeShown {
    address: String,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    issued: u64,
    secure: bool,
    time: String,
    url: String,
    xdomain: bool,
}

impl Record {
    pub(super) fn of(socket: &Socket) -> Self {
        let client = digest(&SHA256, socket.connection().sid().as_bytes());
        let mut client_id = URL_SAFE_NO_PAD.encode(client);
        client_id.truncate(12);
        Self {
            id: socket.id().to_owned(),
            client_id,
            transport: transport(socket),
            nsp: socket.namespace().name().to_owned(),
            data: data(socket),
            handshake: HandshakeShown::of(&socket.handshake()),
            rooms: socket.rooms(),
        }
    }

    /// When the connection was opened.
    pub(super) fn issued(&self) -> &str {
        &self.handshake.time
    }
}

/// What is shared of a socket's data.
pub(super) fn data(socket: &Socket) -> Box<RawValue> {
    let nothing = || serde_json::value::to_raw_value(&serde_json::json!({})).unwrap_or_default();
    socket.data().shared().unwrap_or_else(nothing)
}

/// How the UI calls the transport of a socket.
pub(super) fn transport(socket: &Socket) -> &'static str {
    match socket.connection().transport() {
        TransportKind::Websocket => "websocket",
        TransportKind::Polling => "polling",
    }
}

/// A time as the UI reads it.
pub(super) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

impl HandshakeShown {
    fn of(handshake: &Handshake) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in handshake.headers() {
            let shown = shown(name, &String::from_utf8_lossy(value)).into_owned();
            let all = headers.entry(name.to_owned()).or_default();
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(&shown);
        }
        let query: Vec<_> = handshake
            .query_pairs()
            .map(|(name, value)| {
                let value = shown(&name, &value).into_owned();
                (name.into_owned(), value)
            })
            .collect();
        let path = handshake.uri().split('?').next().unwrap_or_default();
        let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(&query).finish();
        let issued = handshake.issued().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            address: client_address(handshake).map(|address| address.to_string()).unwrap_or_default(),
            headers,
            issued: u64::try_from(issued.as_millis()).unwrap_or_default(),
            secure: handshake.is_secure(),
            time: timestamp(handshake.issued()),
            url: format!("{path}?{pairs}"),
            xdomain: handshake.is_cross_domain(),
            query: query.into_iter().collect(),
        }
    }
}

/// As much of a value as may be seen.
fn shown<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    let name = name.to_ascii_lowercase();
    if SECRET_NAMES.iter().any(|secret| name.contains(secret)) && !name.starts_with("sec-websocket-key") {
        return HIDDEN.into();
    }
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]).into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_values_short() {
        for name in
            ["Cookie", "authorization", "x-api-key", "access_token", "Proxy-Authorization", "sessionId"]
        {
            assert_eq!(shown(name, "swordfish"), HIDDEN, "{name}");
        }
        for name in ["user-agent", "EIO", "transport", "host", "x-forwarded-for", "sec-websocket-key"] {
            assert_eq!(shown(name, "value"), "value", "{name}");
        }
        assert_eq!(shown("user-agent", &"ä".repeat(MAX_VALUE + 1)).chars().count(), MAX_VALUE + 1);
    }
}

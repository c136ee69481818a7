//! What happens to the sockets of this node, written down for the feed while somebody looks. Bounded: in number per second, in size,
//! and in what waits to be emitted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use actix_socketio::{Args, DisconnectReason, Membership, Observer, Socket};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::record::{Record, data, timestamp, transport};
use crate::node::limits::Bucket;

/// Connections, disconnections, joins and leaves that are told in a second. When there are more, sockets are listed again later.
const MAX_CHANGES: usize = 500;
/// What is told in a second may be told at once.
const SECOND: Duration = Duration::from_secs(1);
/// Arguments of an event that are longer are not shown.
const MAX_ARGUMENTS: usize = 4096;
/// Clients whose change to a websocket is waited for.
const MAX_POLLING: usize = 10_000;

/// An event for the admins: its name, and its arguments as a JSON array.
pub(super) struct Happening {
    pub(super) event: &'static str,
    pub(super) args: String,
    /// Whether it may be left out for an admin that is behind.
    pub(super) is_volatile: bool,
}

/// See the module's documentation.
pub(super) struct Tap {
    /// The admins' own namespace, of whose events nothing is told.
    namespace: String,
    happenings: mpsc::Sender<Happening>,
    changes: Bucket,
    /// None: no events are shown.
    events: Option<Bucket>,
    is_stale: AtomicBool,
    /// Sockets that were shown as polling.
    polling: Mutex<HashMap<String, Socket>>,
}

impl Tap {
    pub(super) fn new(namespace: &str, max_events: u32, happenings: mpsc::Sender<Happening>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            happenings,
            changes: Bucket::new(MAX_CHANGES, SECOND),
            events: (max_events > 0).then(|| Bucket::new(max_events as usize, SECOND)),
            is_stale: AtomicBool::new(false),
            polling: Mutex::default(),
        }
    }

    /// Whether something was left out since it was asked last.
    pub(super) fn was_stale(&self) -> bool {
        self.is_stale.swap(false, Ordering::Relaxed)
    }

    /// A socket is shown from now on.
    pub(super) fn shown(&self, socket: &Socket) {
        let mut polling = self.polling.lock().unwrap_or_else(PoisonError::into_inner);
        if transport(socket) == "polling" && polling.len() < MAX_POLLING {
            polling.insert(socket.id().to_owned(), socket.clone());
        }
    }

    /// The sockets that were shown as polling, and have a websocket now.
    pub(super) fn upgraded(&self) -> Vec<Happening> {
        let mut upgraded = Vec::new();
        let mut polling = self.polling.lock().unwrap_or_else(PoisonError::into_inner);
        polling.retain(|id, socket| {
            let transport = transport(socket);
            if transport != "polling" && socket.is_connected() {
                let socket = json!({ "id": id, "nsp": socket.namespace().name(), "transport": transport });
                upgraded.push(Happening::new("socket_updated", &(socket,), false));
            }
            transport == "polling" && socket.is_connected()
        });
        upgraded
    }

    fn change(&self, event: &'static str, args: &impl Serialize) {
        if !self.changes.take(1) || self.happenings.try_send(Happening::new(event, args, false)).is_err() {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }

    fn event(&self, kind: &'static str, socket: &Socket, event: &str, args: &Args) {
        let namespace = socket.namespace();
        let Some(events) = &self.events else { return };
        if namespace.name() == self.namespace || !events.take(1) {
            return;
        }
        let args = (namespace.name(), socket.id(), shown(event, args), now());
        // One that is left out is missed by nobody.
        let _ = self.happenings.try_send(Happening::new(kind, &args, true));
    }
}

/// So that the feed keeps one, too.
pub(super) struct Shared(pub(super) std::sync::Arc<Tap>);

impl Observer for Shared {
    fn connected(&self, socket: &Socket) {
        let tap = &self.0;
        tap.shown(socket);
        tap.change("socket_connected", &(Record::of(socket), now()));
    }

    fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        let tap = &self.0;
        let (namespace, id) = (socket.namespace(), socket.id());
        tap.polling.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        tap.change("socket_disconnected", &(namespace.name(), id, reason.as_str(), now()));
        tap.change("room_left", &(namespace.name(), id, id, now()));
    }

    fn membership(&self, socket: &Socket, room: &str, membership: Membership) {
        let event = match membership {
            Membership::Joined => "room_joined",
            Membership::Left => "room_left",
        };
        self.0.change(event, &(socket.namespace().name(), room, socket.id(), now()));
    }

    fn shared(&self, socket: &Socket) {
        #[derive(Serialize)]
        struct Updated<'a> {
            id: &'a str,
            nsp: &'a str,
            data: Box<RawValue>,
        }
        let namespace = socket.namespace();
        let updated = Updated { id: socket.id(), nsp: namespace.name(), data: data(socket) };
        self.0.change("socket_updated", &(updated,));
    }

    fn received(&self, socket: &Socket, event: &str, args: &Args) {
        self.0.event("event_received", socket, event, args);
    }

    fn sent(&self, socket: &Socket, event: &str, args: &Args) {
        self.0.event("event_sent", socket, event, args);
    }
}

impl Happening {
    pub(super) fn new(event: &'static str, args: &impl Serialize, is_volatile: bool) -> Self {
        // Plain data with keys that are texts.
        Self { event, args: serde_json::to_string(args).unwrap_or_default(), is_volatile }
    }
}

fn now() -> String {
    timestamp(SystemTime::now())
}

/// An event as a list of its name and its arguments, those that are binary by their size.
fn shown(event: &str, args: &Args) -> Vec<Box<RawValue>> {
    let text = |text: &str| to_raw_value(text).unwrap_or_default();
    let mut list = vec![text(event)];
    if args.size() > MAX_ARGUMENTS {
        list.push(text(&format!("({} bytes)", args.size())));
        return list;
    }
    let Ok((json, attachments)) = args.to_json() else { return list };
    if attachments.is_empty() {
        list.extend(serde_json::from_str::<Vec<Box<RawValue>>>(&json).unwrap_or_default());
    } else if let Ok(Value::Array(mut values)) = serde_json::from_str(&json) {
        let sizes: Vec<_> = attachments.iter().map(|bytes| bytes.len()).collect();
        values.iter_mut().for_each(|value| hide_binary(value, &sizes));
        list.extend(values.iter().filter_map(|value| to_raw_value(value).ok()));
    }
    list
}

fn hide_binary(value: &mut Value, sizes: &[usize]) {
    if value.get("_placeholder") == Some(&Value::Bool(true)) {
        let size = value
            .get("num")
            .and_then(Value::as_u64)
            .and_then(|index| sizes.get(usize::try_from(index).ok()?));
        *value = format!("({} bytes)", size.copied().unwrap_or_default()).into();
        return;
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| hide_binary(value, sizes)),
        Value::Object(object) => object.values_mut().for_each(|value| hide_binary(value, sizes)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn json_of(event: &str, args: &Args) -> Value {
        serde_json::to_value(shown(event, args)).expect("JSON")
    }

    #[test]
    fn arguments_are_shown_but_not_large_or_binary_ones() {
        let args = Args::from_json(r#"[1.0,{"a":"b"}]"#, Vec::new()).expect("arguments");
        assert_eq!(json_of("e", &args), json!(["e", 1.0, { "a": "b" }]));
        let text = r#"[{"x":[{"_placeholder":true,"num":0}]}]"#;
        let args = Args::from_json(text, vec![Bytes::from_static(b"123")]).expect("arguments");
        assert_eq!(json_of("e", &args), json!(["e", { "x": ["(3 bytes)"] }]));
        let args =
            Args::from_json(format!("[{:?}]", "x".repeat(MAX_ARGUMENTS)), Vec::new()).expect("arguments");
        assert_eq!(json_of("e", &args), json!(["e", format!("({} bytes)", args.size())]));
        assert_eq!(json_of("e", &Args::default()), json!(["e"]));
    }
}

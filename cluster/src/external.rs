//! What external processes ask for: JSON on the emit subject, from any language.
//!
//! Used by nodes, which read it, and by the [`Emitter`](crate::emitter), which writes it. Strict: an unknown field, an empty
//! action or a reserved event name is refused with a text that says what is wrong, for it is the only thing that the author
//! of a shell script will see. Event arguments stay the JSON they are. Pure.

mod check;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use check::is_reserved_event;

/// Bounds of what is accepted. What is above one is refused.
#[derive(Clone, Copy, Debug)]
pub struct ExternalLimits {
    /// The largest message, in bytes. Default 1 MiB.
    pub max_bytes: usize,
    /// The most rooms in one list. Default 1,000.
    pub max_rooms: usize,
    /// The longest name of a namespace, room or event, in bytes. Default 16 KiB.
    pub max_name: usize,
    /// The most attachments. Default 10.
    pub max_attachments: usize,
    /// The deepest nesting of arrays and objects in `data`, its own array included. Default 64.
    pub max_depth: usize,
}

impl Default for ExternalLimits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_rooms: 1000, max_name: 16 << 10, max_attachments: 10, max_depth: 64 }
    }
}

/// Why a message is refused. Its text is the answer to the sender.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// Not the JSON of any action.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A limit of [`ExternalLimits`].
    #[error("{what} above the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// The event name belongs to the protocol.
    #[error("the event name {0:?} is reserved")]
    ReservedEvent(String),
    /// A namespace without its slash.
    #[error("the namespace {0:?} does not begin with a slash")]
    Namespace(String),
    /// An action that would do nothing.
    #[error("{0:?} names no room")]
    NoRooms(&'static str),
    /// An attachment is not base64.
    #[error("attachment {0} is not base64")]
    Attachment(usize),
    /// A placeholder in `data` stands for no attachment.
    #[error("a placeholder in \"data\" stands for none of the {0} attachments")]
    Placeholder(usize),
}

/// What an external process asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum External {
    /// Send an event.
    Emit(Emit),
    /// Put sockets into rooms.
    Join(Join),
    /// Take sockets out of rooms.
    Leave(Leave),
    /// Disconnect sockets.
    Disconnect(Disconnect),
    /// Take every member out of a room.
    CloseRoom(CloseRoom),
}

/// `{"event": .., "data": [..]}`, to the members of any of `rooms` (everybody, if there is none) but those in `except`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    #[serde(default, rename = "action", skip_serializing)]
    _action: Ignored,
    /// The namespace, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// Members of any of these, or everybody. A socket id is a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The event's name.
    pub event: String,
    /// Its arguments, none unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Box<RawValue>>,
    /// What the placeholders in `data` stand for, in base64.
    #[serde(default, with = "base64_list", skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Bytes>,
    /// May be dropped for sockets that are not ready.
    #[serde(default, skip_serializing_if = "is_false")]
    pub volatile: bool,
}

/// `{"action":"join", "rooms": [..], "join": [..]}`: the members of any of `rooms` join the rooms of `join`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    #[serde(default, rename = "action", skip_serializing)]
    _action: Ignored,
    /// The namespace, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// Members of any of these, or everybody. A socket id is a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// What they join.
    pub join: Vec<String>,
}

/// `{"action":"leave", "rooms": [..], "leave": [..]}`: the members of any of `rooms` leave the rooms of `leave`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    #[serde(default, rename = "action", skip_serializing)]
    _action: Ignored,
    /// The namespace, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// Members of any of these, or everybody. A socket id is a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// What they leave.
    pub leave: Vec<String>,
}

/// `{"action":"disconnect", "rooms": [..], "close": false}`: the members of any of `rooms` leave the namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    #[serde(default, rename = "action", skip_serializing)]
    _action: Ignored,
    /// The namespace, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// Members of any of these, or everybody. A socket id is a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Whether their connections are closed, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub close: bool,
}

/// `{"action":"close_room", "room": ".."}`: every member leaves the room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseRoom {
    #[serde(default, rename = "action", skip_serializing)]
    _action: Ignored,
    /// The namespace, `/` unless given.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// The room.
    pub room: String,
}

/// Read before the rest: which action it is.
#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    action: Action,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    #[default]
    Emit,
    Join,
    Leave,
    Disconnect,
    CloseRoom,
}

//! `[namespaces]`: what clients get without code, by namespace.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Namespaces by their name, such as "/chat", or by a pattern of names, such as "/team-{team}" or "/{tenant:[a-z]+}/chat".
pub(in crate::node) type Namespaces = BTreeMap<String, NamespaceOptions>;

/// What clients of a namespace get without code. A namespace that is listed exists.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct NamespaceOptions {
    /// Events by which clients join, leave and emit to rooms. Each needs a permission.
    pub(in crate::node) rooms: RoomOptions,
    /// Who is in a room.
    pub(in crate::node) presence: PresenceOptions,
    /// Events that workers on NATS handle: names, in which * stands for anything. What no other handler takes goes there.
    #[schemars(example = ["order.*"])]
    pub(in crate::node) workers: Vec<String>,
}

/// Events by which clients join, leave and emit to rooms.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct RoomOptions {
    /// Whether clients have these events.
    pub(in crate::node) enabled: bool,
    /// The event that joins a room: (room). Empty: there is none.
    pub(in crate::node) join_event: String,
    /// The event that leaves a room: (room). Empty: there is none.
    pub(in crate::node) leave_event: String,
    /// The event that emits to the other members of a room: (room, event, data…). Empty: there is none.
    pub(in crate::node) emit_event: String,
    /// Whether what clients emit to a room ends with an argument {"sid", "user"} that tells who it was.
    pub(in crate::node) with_sender: bool,
    /// How many rooms a client may be in before it may join no further one.
    pub(in crate::node) max_rooms: usize,
    /// How long the name of a room may be, in bytes.
    pub(in crate::node) max_name: usize,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            enabled: false,
            join_event: "join".to_owned(),
            leave_event: "leave".to_owned(),
            emit_event: "emit".to_owned(),
            with_sender: true,
            max_rooms: 100,
            max_name: 200,
        }
    }
}

/// Who is in a room.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct PresenceOptions {
    /// Whether clients can ask, and members are told.
    pub(in crate::node) enabled: bool,
    /// The event that asks who is in a room: (room). Empty: there is none.
    pub(in crate::node) event: String,
    /// The event that tells members who has come. Empty: they are not told.
    pub(in crate::node) joined_event: String,
    /// The event that tells members who has gone. Empty: they are not told.
    pub(in crate::node) left_event: String,
    /// The claim that says who a user is: connections with the same one are one user. A client without it is a user by itself, its
    /// socket id.
    pub(in crate::node) user: String,
    /// Further claims that others may see.
    #[schemars(example = ["name"])]
    pub(in crate::node) info: Vec<String>,
    /// How many users of a room each node tells of. Of a room that has more on one node, only the count is complete, and members are
    /// not told who comes and goes.
    pub(in crate::node) max_members: usize,
}

impl Default for PresenceOptions {
    fn default() -> Self {
        Self {
            enabled: false,
            event: "presence".to_owned(),
            joined_event: "presence_joined".to_owned(),
            left_event: "presence_left".to_owned(),
            user: "sub".to_owned(),
            info: Vec::new(),
            max_members: 1000,
        }
    }
}

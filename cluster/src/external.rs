//! What external processes ask for: JSON on the emit subject, from any language.
//!
//! Used by nodes, which read it, and by whoever writes it in Rust. Strict: an unknown field, an empty
//! action or a reserved event name is refused with a text that says what is wrong, for it is the only thing that the author
//! of a shell script will see. Event arguments stay the JSON they are. Pure.

mod check;
mod reply;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::Target;

pub use check::is_reserved_event;
pub use reply::{Member, Receipt, Reply, ReplyError};

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
    /// Something else than an object.
    #[error("a message is a JSON object")]
    NoObject,
    /// Not the JSON of any action.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A limit of [`ExternalLimits`].
    #[error("{what} more than {limit}")]
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
    /// A field that the action needs is not there.
    #[error("the field {0:?} is missing")]
    Needs(&'static str),
    /// A field of another action.
    #[error("the field {0:?} does not belong to this action")]
    Misplaced(&'static str),
    /// A list of rooms to join or leave is empty, or a room is closed with other than one room for a target.
    #[error("{0:?} names no room")]
    NoRooms(&'static str),
    /// `data` is nested deeper than the limit.
    #[error("\"data\" is nested deeper than {0} levels")]
    Depth(usize),
    /// An attachment is not base64.
    #[error("attachment {0} is not base64")]
    Attachment(usize),
    /// A placeholder in `data` stands for no attachment.
    #[error("a placeholder in \"data\" stands for none of the {0} attachments")]
    Placeholder(usize),
}

/// What an external process asks for.
#[derive(Clone, Debug)]
pub struct External {
    /// Whom it concerns.
    pub target: Target,
    /// What to do.
    pub action: Action,
}

/// What to do with the sockets of an [`External`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Send them an event.
    Emit(Event),
    /// They join these rooms.
    Join(Vec<Arc<str>>),
    /// They leave these rooms.
    Leave(Vec<Arc<str>>),
    /// They leave the namespace.
    Disconnect {
        /// Whether their connections are closed, too.
        close: bool,
    },
    /// They leave the one room of the target, which has no exceptions then.
    CloseRoom,
    /// Tell which nodes there are. Concerns no sockets; without anybody who waits for the answer it does nothing.
    Nodes,
}

impl Action {
    /// What the field `action` says.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Emit(_) => "emit",
            Self::Join(_) => "join",
            Self::Leave(_) => "leave",
            Self::Disconnect { .. } => "disconnect",
            Self::CloseRoom => "close_room",
            Self::Nodes => "nodes",
        }
    }
}

/// An event to be sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub data: Vec<Box<RawValue>>,
    /// What the placeholders in `data` stand for.
    pub attachments: Vec<Bytes>,
    /// May be dropped for sockets that are not ready.
    pub volatile: bool,
}

impl External {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is none, does not obey `limits`, or would do nothing; the error's text says what is wrong with it.
    pub fn read(json: &[u8], limits: &ExternalLimits) -> Result<Self, ExternalError> {
        check::limit("the message's bytes are", json.len(), limits.max_bytes)?;
        // A list with the fields in order would do for serde.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(ExternalError::NoObject);
        }
        let wire: Wire<'_> = serde_json::from_slice(json)?;
        let external = wire.into_external(limits)?;
        external.check(limits)?;
        Ok(external)
    }

    /// Writes the message, when [`read`](Self::read) would take it.
    ///
    /// # Errors
    /// The same as those of `read`.
    pub fn write(&self, limits: &ExternalLimits) -> Result<Bytes, ExternalError> {
        self.check(limits)?;
        let json = serde_json::to_vec(&Wire::from(self))?;
        check::limit("the message's bytes are", json.len(), limits.max_bytes)?;
        Ok(json.into())
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Emit,
    Join,
    Leave,
    Disconnect,
    CloseRoom,
    Nodes,
}

impl Kind {
    fn is_emit(&self) -> bool {
        *self == Self::Emit
    }
}

/// Every field that any action has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(default, skip_serializing_if = "Kind::is_emit")]
    action: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<Arc<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    except: Option<Vec<Arc<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Vec<Box<RawValue>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volatile: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join: Option<Vec<Arc<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leave: Option<Vec<Arc<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<Arc<str>>,
}

impl Wire<'_> {
    fn into_external(mut self, limits: &ExternalLimits) -> Result<External, ExternalError> {
        let action = match self.action {
            Kind::Emit => Action::Emit(Event {
                name: self.event.take().ok_or(ExternalError::Needs("event"))?.into_owned(),
                data: self.data.take().unwrap_or_default(),
                attachments: decode(&self.attachments.take().unwrap_or_default(), limits)?,
                volatile: self.volatile.take().unwrap_or_default(),
            }),
            Kind::Join => Action::Join(self.join.take().ok_or(ExternalError::Needs("join"))?),
            Kind::Leave => Action::Leave(self.leave.take().ok_or(ExternalError::Needs("leave"))?),
            Kind::Disconnect => Action::Disconnect { close: self.close.take().unwrap_or_default() },
            Kind::CloseRoom => Action::CloseRoom,
            Kind::Nodes if self.namespace.is_some() => return Err(ExternalError::Misplaced("namespace")),
            Kind::Nodes => Action::Nodes,
        };
        let (rooms, except) = match action {
            Action::Nodes => (Vec::new(), Vec::new()),
            Action::CloseRoom => (vec![self.room.take().ok_or(ExternalError::Needs("room"))?], Vec::new()),
            _ => (self.rooms.take().unwrap_or_default(), self.except.take().unwrap_or_default()),
        };
        let leftovers = [
            (self.rooms.is_some(), "rooms"),
            (self.except.is_some(), "except"),
            (self.event.is_some(), "event"),
            (self.data.is_some(), "data"),
            (self.attachments.is_some(), "attachments"),
            (self.volatile.is_some(), "volatile"),
            (self.join.is_some(), "join"),
            (self.leave.is_some(), "leave"),
            (self.close.is_some(), "close"),
            (self.room.is_some(), "room"),
        ];
        if let Some((_, field)) = leftovers.into_iter().find(|(is_left, _)| *is_left) {
            return Err(ExternalError::Misplaced(field));
        }
        let namespace = self.namespace.unwrap_or_else(|| "/".into());
        Ok(External { target: Target { namespace, rooms, except }, action })
    }
}

fn decode(attachments: &[String], limits: &ExternalLimits) -> Result<Vec<Bytes>, ExternalError> {
    check::limit("attachments are", attachments.len(), limits.max_attachments)?;
    let decode = |(index, attachment)| match STANDARD.decode(attachment) {
        Ok(bytes) => Ok(Bytes::from(bytes)),
        Err(_) => Err(ExternalError::Attachment(index)),
    };
    attachments.iter().enumerate().map(decode).collect()
}

impl<'a> From<&'a External> for Wire<'a> {
    fn from(external: &'a External) -> Self {
        let Target { namespace, rooms, except } = &external.target;
        let some = |rooms: &Vec<Arc<str>>| if rooms.is_empty() { None } else { Some(rooms.clone()) };
        let mut wire = Self {
            action: Kind::Emit,
            namespace: Some(namespace.clone()),
            rooms: some(rooms),
            except: some(except),
            event: None,
            data: None,
            attachments: None,
            volatile: None,
            join: None,
            leave: None,
            close: None,
            room: None,
        };
        match &external.action {
            Action::Emit(event) => {
                wire.event = Some(Cow::Borrowed(&event.name));
                wire.data = Some(event.data.clone());
                if !event.attachments.is_empty() {
                    wire.attachments =
                        Some(event.attachments.iter().map(|bytes| STANDARD.encode(bytes)).collect());
                }
                wire.volatile = event.volatile.then_some(true);
            }
            Action::Join(rooms) => (wire.action, wire.join) = (Kind::Join, Some(rooms.clone())),
            Action::Leave(rooms) => (wire.action, wire.leave) = (Kind::Leave, Some(rooms.clone())),
            Action::Disconnect { close } => {
                (wire.action, wire.close) = (Kind::Disconnect, close.then_some(true))
            }
            Action::Nodes => (wire.action, wire.namespace) = (Kind::Nodes, None),
            Action::CloseRoom => {
                (wire.action, wire.room) = (Kind::CloseRoom, rooms.first().cloned());
                (wire.rooms, wire.except) = (None, None);
            }
        }
        wire
    }
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;

//! The sockets that a request is about.
//!
//! Each body names the fields of its target itself: what serde flattens cannot refuse unknown fields.

use actix_socketio::cluster::message::Target;
use serde::{Deserialize as _, Deserializer};

/// Members of `rooms` (all of the namespace, if there is none) that are not in `except`.
pub(super) fn target(namespace: &str, rooms: &[String], except: &[String]) -> Target {
    let names = |rooms: &[String]| rooms.iter().map(|room| room.as_str().into()).collect();
    Target { namespace: namespace.into(), rooms: names(rooms), except: names(except) }
}

pub(super) fn default_namespace() -> String {
    "/".to_owned()
}

/// The name of a namespace that a client can name, too.
pub(super) fn namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.starts_with('/') && !name.contains(',') {
        return Ok(name);
    }
    Err(serde::de::Error::custom(format_args!(
        "the namespace {name:?} does not begin with a slash, or has a comma"
    )))
}

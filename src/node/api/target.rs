//! The sockets that a request is about.
//!
//! Each body names the fields of its target itself: what serde flattens cannot refuse unknown fields.

use actix_socketio::cluster::message::Target;

/// Members of `rooms` (all of the namespace, if there is none) that are not in `except`.
pub(super) fn target(namespace: &str, rooms: &[String], except: &[String]) -> Target {
    let names = |rooms: &[String]| rooms.iter().map(|room| room.as_str().into()).collect();
    Target { namespace: namespace.into(), rooms: names(rooms), except: names(except) }
}

pub(super) fn default_namespace() -> String {
    "/".to_owned()
}

//! Where handlers are registered: a namespace, or all whose names match a pattern.

use actix_socketio::error::NamespaceError;
use actix_socketio::{DynamicNamespace, Namespace, SocketIo};

/// A configured namespace.
#[derive(Clone)]
pub(in crate::node) enum Place {
    One(Namespace),
    Family(DynamicNamespace),
}

/// Registers the same on either: `register!(place, on("event", handler))`.
macro_rules! register {
    ($place:expr, $($call:tt)+) => {
        match $place.clone() {
            $crate::node::namespaces::Place::One(one) => _ = one.$($call)+,
            $crate::node::namespaces::Place::Family(family) => _ = family.$($call)+,
        }
    };
}
pub(in crate::node) use register;

impl Place {
    /// The namespace of that name; a pattern if it has a brace.
    pub(in crate::node) fn of(io: &SocketIo, name: &str) -> Result<Self, NamespaceError> {
        if name.contains('{') {
            return Ok(Self::Family(io.of_pattern(name)?));
        }
        Ok(Self::One(io.of(name)))
    }
}

//! A Socket.IO server as a cluster of actors, on actix.
pub mod protocol;

//! A Socket.IO server as a cluster of actors, on actix.
pub mod config;
mod disconnect_reason;
pub mod engine;
pub mod id;
pub mod protocol;
pub mod server;

pub use disconnect_reason::DisconnectReason;

//! Engine.IO as a client on the wire meets it, and the security floor of the whole server.

#[path = "../support/mod.rs"]
mod support;

mod handshake;
mod heartbeat;
mod polling;
mod revision3;
mod upgrade;
mod websocket;

//! Engine.IO as a client on the wire meets it, and the security floor of the whole server.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(clippy::field_reassign_with_default, reason = "configurations are non-exhaustive")]

#[path = "../support/mod.rs"]
mod support;

mod backlog;
mod cors;
mod embedding;
mod encrypted;
mod handshake;
mod heartbeat;
mod polling;
mod revision3;
mod security;
mod slow_client;
mod stopping;
mod upgrade;
mod websocket;

//! A Socket.IO server as actors, on actix: every client connection is one, every room is one, and yours can be handlers.
//!
//! [`SocketIo`] is the handle to begin with: build it, give its namespaces handlers ([`Namespace`]), and either mount it into
//! an Actix `App` ([`SocketIo::configure`], [`embed`]) or let it serve one ([`SocketIo::server`]).
//!
//! # Layout: the way of a packet
//!
//! | module | what happens there |
//! |---|---|
//! | [`config`], [`error`], [`id`] | limits and timers; one error type per operation; session and socket ids |
//! | [`protocol`] | Socket.IO packets, pure: bytes to arguments that stay raw, and back |
//! | [`engine`] | Engine.IO, by itself: a request becomes a `Connection` actor; polls, native and embedded websockets feed it and drain its `Outbox` |
//! | `delivery` | fan-out in one process: a broadcast is encoded once, goes to the `Room` actor, from there to the `Hub` of each worker thread, and into the outboxes of its sockets |
//! | `client`, `inbox` | a connection's messages are decoded and dealt out to its sockets; each socket's events are handled one at a time |
//! | `namespace`, `namespaces`, `socket`, `handler`, `ack`, `broadcast_operator` | what an application touches |
//! | `server`, `service`, `embed`, `client_files` | the handle, the HTTP server with the native transport, what an `HttpServer` of one's own needs, client scripts |
//! | [`test`](mod@test) | a client in the same process, for an application's own tests |
//!
//! **Invariants.** `protocol` knows nothing of actix or tokio. `engine` knows nothing of Socket.IO. `delivery` knows nothing of what an
//! application touches. No `System`, `Arbiter` or registry service is used, so the crate works under `#[actix_web::main]` and
//! `#[tokio::main]`. A connection, its sockets and its handlers stay on the thread of the handshake. All output of a connection goes through one
//! outbox, so its order is one queue's order.

mod ack;
mod broadcast_operator;
mod client;
mod client_files;
pub mod config;
mod delivery;
mod disconnect_reason;
mod embed;
pub mod engine;
pub mod error;
mod handler;
pub mod id;
mod inbox;
mod namespace;
mod namespaces;
pub mod protocol;
mod server;
mod service;
mod socket;
mod socket_data;
pub mod test;

pub use crate::ack::{Ack, AckStream, Answer, BroadcastAcks};
pub use crate::broadcast_operator::{BroadcastOperator, FetchedSockets, RemoteSocket, RoomNames};
pub use crate::disconnect_reason::DisconnectReason;
pub use crate::embed::embed;
pub use crate::handler::{
    Admission, Attachments, Call, Concurrent, Data, Event, ExtractError, FromCall, FromSocket, Handler,
    Handshake, IntoReply, Refusal, Reply, RoomEvent, State, TryData, concurrent,
};
pub use crate::namespace::{Namespace, RoomHandle};
pub use crate::namespaces::DynamicNamespace;
pub use crate::protocol::{Args, FromArgs, ToArgs};
pub use crate::server::{SocketIo, SocketIoBuilder};
pub use crate::service::{Server, limit_unsent};
pub use crate::socket::{Socket, SocketOperator};
pub use crate::socket_data::SocketData;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! A Socket.IO server as actors, on actix: every client connection is one, every room is one, and yours can be handlers.
//!
//! [`SocketIo`] is the handle to begin with: build it, give its namespaces handlers ([`Namespace`]), and either mount it into
//! an Actix `App` ([`SocketIo::configure`], [`embed`]) or let it serve one ([`SocketIo::server`]).
//!
//! # Layout: the way of a packet
//!
//! | module | what happens there |
//! |---|---|
//! | [`config`], [`error`], [`id`], `counters` | limits and timers; one error type per operation; session and socket ids; what is counted |
//! | [`protocol`] | Socket.IO packets, pure: bytes to arguments that stay raw, and back |
//! | [`trace`](mod@trace) | which operations are told to whoever traces, and the context that goes out with them |
//! | [`engine`] | Engine.IO, by itself: a request becomes a `Connection` actor; polls, native and embedded websockets feed it and drain its `Outbox` |
//! | `delivery` | fan-out in one process: a broadcast is encoded once, goes to the `Room` actor, from there to the `Hub` of each worker thread, and into the outboxes of its sockets |
//! | `uplink` | the way to other nodes: broadcasts, requests and joins go out over the bus, what others say comes in; the fence; relayed sessions |
//! | `site` | what this node does when others ask |
//! | `client`, `inbox` | a connection's messages are decoded and dealt out to its sockets; each socket's events are handled one at a time |
//! | `namespace`, `namespaces`, `every_namespace`, `socket`, `handler`, `ack`, `broadcast_operator`, `remote_socket`, `reached`, `socket_page`, `server_side`, `room_message`, `worker`, `nodes`, `observer`, `stats` | what an application touches |
//! | `server`, `drain`, `service`, `embed`, `client_files`, `unread` | the handle, its end, the HTTP server with the native transport, what an `HttpServer` of one's own needs, client scripts, bodies that nobody reads |
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
mod counters;
mod delivery;
mod disconnect_reason;
mod drain;
mod embed;
pub mod engine;
pub mod error;
mod every_namespace;
mod handler;
mod handshake_record;
pub mod id;
mod inbox;
mod namespace;
mod namespaces;
mod nodes;
mod observer;
pub mod protocol;
mod reached;
mod remote_socket;
mod room_message;
mod server;
mod server_side;
mod service;
mod site;
mod socket;
mod socket_data;
mod socket_page;
mod stats;
pub mod test;
pub mod trace;
mod unread;
mod uplink;
mod worker;

pub use crate::ack::{Ack, AckStream, Answer, BroadcastAcks};
pub use crate::broadcast_operator::{BroadcastOperator, RoomNames};
pub use crate::disconnect_reason::DisconnectReason;
pub use crate::embed::embed;
pub use crate::every_namespace::EveryNamespace;
pub use crate::handler::{
    Admission, Attachments, Call, Concurrent, Data, Event, ExtractError, FromCall, FromSocket, Handler,
    Handshake, IntoReply, Membership, Refusal, Reply, RoomEvent, State, TryData, concurrent,
};
pub use crate::handshake_record::HandshakeRecord;
pub use crate::namespace::{Namespace, RoomHandle};
pub use crate::namespaces::DynamicNamespace;
pub use crate::nodes::{ClusterStats, NodeInfo};
pub use crate::observer::{Observation, Observer};
pub use crate::protocol::{Args, FromArgs, ToArgs};
pub use crate::reached::{FetchedSockets, Joined, Reached, RoomList, RoomSize};
pub use crate::remote_socket::RemoteSocket;
pub use crate::room_message::{ActorsReached, RoomMessage};
pub use crate::server::{SocketIo, SocketIoBuilder};
pub use crate::server_side::{ServerSideAcks, ServerSideEvent};
pub use crate::service::{Server, limit_unsent};
pub use crate::socket::{Socket, SocketOperator};
pub use crate::socket_data::SocketData;
pub use crate::socket_page::SocketPage;
pub use crate::stats::{AckStats, Stats, TransportStats};
pub use crate::unread::close_unread;
pub use crate::worker::WorkerOptions;

/// What nodes and external processes say to each other, and the bus that carries it.
pub use socketio_cluster as cluster;

/// The examples of the README and of the guides are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-socket.io.md")]
struct FromSocketIo;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-python-socketio.md")]
struct FromPythonSocketIo;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-socketioxide.md")]
struct FromSocketioxide;

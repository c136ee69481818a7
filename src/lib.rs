//! A Socket.IO server as a cluster of actors, on actix.

mod ack;
mod broadcast_operator;
mod client;
pub mod config;
mod delivery;
mod disconnect_reason;
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
pub use crate::handler::{
    Admission, Attachments, Call, Concurrent, Data, Event, ExtractError, FromCall, FromSocket, Handler,
    Handshake, IntoReply, Refusal, Reply, RoomEvent, State, TryData, concurrent,
};
pub use crate::namespace::{Namespace, RoomHandle};
pub use crate::namespaces::DynamicNamespace;
pub use crate::protocol::{Args, FromArgs, ToArgs};
pub use crate::server::{SocketIo, SocketIoBuilder};
pub use crate::service::Server;
pub use crate::socket::{Socket, SocketOperator};
pub use crate::socket_data::SocketData;

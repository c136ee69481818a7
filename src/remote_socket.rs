//! A socket that any node may own: what can be asked of it and done to it from anywhere.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use socketio_cluster::message;

use crate::broadcast_operator::{BroadcastOperator, RoomNames};
use crate::engine::TransportKind;
use crate::error::{AckError, EmitError, JoinError};
use crate::handshake_record::HandshakeRecord;
use crate::namespace::NamespaceInner;
use crate::protocol::{FromArgs, ToArgs};
use crate::reached::Joined;
use crate::socket::Socket;

/// A socket of any node, as it was when it was [fetched](BroadcastOperator::fetch_sockets). Cheap to clone.
#[derive(Clone)]
pub struct RemoteSocket(Owner);

#[derive(Clone)]
enum Owner {
    Here(Socket),
    Elsewhere { namespace: Arc<NamespaceInner>, socket: Arc<Elsewhere> },
}

struct Elsewhere {
    id: Arc<str>,
    rooms: Vec<Arc<str>>,
    handshake: Option<HandshakeRecord>,
    data: Option<Box<RawValue>>,
}

impl RemoteSocket {
    pub(crate) fn here(socket: Socket) -> Self {
        Self(Owner::Here(socket))
    }

    /// As another node describes it.
    pub(crate) fn elsewhere(namespace: &Arc<NamespaceInner>, socket: message::Socket) -> Self {
        let socket = Elsewhere {
            id: socket.id,
            rooms: socket.rooms,
            handshake: serde_json::from_slice(&socket.handshake).ok(),
            data: serde_json::from_slice(&socket.data).ok(),
        };
        Self(Owner::Elsewhere { namespace: namespace.clone(), socket: Arc::new(socket) })
    }

    /// How it is described to others, if it is a socket of this node.
    pub(crate) fn described(&self) -> Option<message::Socket> {
        let Owner::Here(socket) = &self.0 else { return None };
        let handshake = serde_json::to_vec(&record(socket)).unwrap_or_default();
        Some(message::Socket {
            id: socket.shared_id().clone(),
            rooms: socket.shared_rooms(),
            handshake: handshake.into(),
            data: socket.data().shared_json().unwrap_or_default().into(),
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match &self.0 {
            Owner::Here(socket) => socket.id(),
            Owner::Elsewhere { socket, .. } => &socket.id,
        }
    }

    /// The rooms it is in, its own id included: of this node's sockets now, of others when they were fetched.
    pub fn rooms(&self) -> Vec<String> {
        match &self.0 {
            Owner::Here(socket) => socket.rooms(),
            Owner::Elsewhere { socket, .. } => socket.rooms.iter().map(ToString::to_string).collect(),
        }
    }

    /// How it came to its node. None when its node told something that cannot be read.
    pub fn handshake(&self) -> Option<HandshakeRecord> {
        match &self.0 {
            Owner::Here(socket) => Some(record(socket)),
            Owner::Elsewhere { socket, .. } => socket.handshake.clone(),
        }
    }

    /// Its transport, if its node told it.
    pub fn transport(&self) -> Option<TransportKind> {
        self.handshake().map(|handshake| handshake.transport())
    }

    /// The part of its data that is shared: see [`SocketData::share`](crate::SocketData::share). Of this node's sockets now, of
    /// others when they were fetched.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        match &self.0 {
            Owner::Here(socket) => socket.data().shared(),
            Owner::Elsewhere { socket, .. } => serde_json::from_str(socket.data.as_ref()?.get()).ok(),
        }
    }

    /// Whether it is a socket of this node.
    pub fn is_here(&self) -> bool {
        matches!(self.0, Owner::Here(_))
    }

    /// Emits to it. Of a socket of another node nothing is known: no error means that it was sent there.
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        match &self.0 {
            Owner::Here(socket) => socket.emit(event, data).await,
            Owner::Elsewhere { .. } => self.operator().emit(event, data).await,
        }
    }

    /// Emits to it and waits for its answer.
    pub async fn emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<R, AckError> {
        use futures_util::StreamExt as _;

        match &self.0 {
            Owner::Here(socket) => socket.emit_with_ack(event, data).await,
            Owner::Elsewhere { .. } => {
                let mut answers = self.operator().emit_with_ack_stream(event, data).await?;
                match answers.next().await {
                    Some((_, answer)) => answer,
                    // Nobody was asked: it is not there any more.
                    None if answers.missing_nodes().is_empty() => Err(AckError::Disconnected),
                    // Its node does not say whether it was asked.
                    None => Err(AckError::Timeout(answers.timeout())),
                }
            }
        }
    }

    /// Makes it join rooms. Of a socket of another node nothing is known but whether its node answered.
    pub async fn join(&self, rooms: impl RoomNames) -> Result<Joined, JoinError> {
        match &self.0 {
            Owner::Here(socket) => socket.join(rooms).await,
            Owner::Elsewhere { .. } => {
                let reached = self.operator().sockets_join(rooms).await;
                if reached.sockets == 0 && reached.missing_nodes.is_empty() {
                    return Err(JoinError::Disconnected);
                }
                Ok(Joined { missing_nodes: reached.missing_nodes })
            }
        }
    }

    /// Makes it leave a room.
    pub async fn leave(&self, room: &str) {
        match &self.0 {
            Owner::Here(socket) => socket.leave(room).await,
            Owner::Elsewhere { .. } => _ = self.operator().sockets_leave(room).await,
        }
    }

    /// Disconnects it: from the namespace, or with `close` its whole connection.
    pub async fn disconnect(&self, close: bool) {
        match &self.0 {
            Owner::Here(socket) => socket.disconnect(close).await,
            Owner::Elsewhere { .. } => _ = self.operator().disconnect_sockets(close).await,
        }
    }

    fn operator(&self) -> BroadcastOperator {
        let namespace = match &self.0 {
            Owner::Here(socket) => socket.namespace_inner(),
            Owner::Elsewhere { namespace, .. } => namespace,
        };
        BroadcastOperator::new(namespace.clone()).to(self.id())
    }
}

fn record(socket: &Socket) -> HandshakeRecord {
    let handshake = socket.handshake();
    HandshakeRecord::of(&handshake, handshake.transport())
}

impl std::fmt::Debug for RemoteSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteSocket")
            .field("id", &self.id())
            .field("is_here", &self.is_here())
            .finish_non_exhaustive()
    }
}

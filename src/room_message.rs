//! Typed messages to the actors of a room, on every node that has members of it.

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Context, Handler};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_cluster::message::{Action, Answer};

use crate::broadcast_operator::BroadcastOperator;
use crate::error::EmitError;
use crate::namespace::{Namespace, NamespaceInner};
use crate::protocol::EncodeError;

/// A message to the actors of a room (those made by [`rooms`](Namespace::rooms)), from any node to all that have members of it.
pub trait RoomMessage: actix::Message<Result = ()> + Serialize + DeserializeOwned + Send + 'static {
    /// Names the type between nodes: all of them need the same.
    const NAME: &'static str;
}

/// How many actors a message was handed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorsReached {
    /// Actors, one per node that has members of the room.
    pub actors: u64,
    /// The nodes that did not answer, by id.
    pub missing_nodes: Vec<String>,
}

/// Hands a message that came as JSON to the actor of a room of this node: false if there is none, or it does not take it.
pub(crate) type RoomMessageForwarder =
    Arc<dyn Fn(Namespace, Arc<str>, bytes::Bytes) -> BoxFuture<'static, bool> + Send + Sync>;

/// The forwarder to actors of one type.
pub(crate) fn forwarder<A, M>() -> RoomMessageForwarder
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: RoomMessage,
{
    Arc::new(|namespace, room, body| {
        async move {
            let Some(address) = namespace.room_actor::<A>(&room).await else { return false };
            let message = match serde_json::from_slice::<M>(&body) {
                Ok(message) => message,
                Err(error) => {
                    tracing::warn!(kind = M::NAME, %error, "a message to the actor of a room is unusable");
                    return false;
                }
            };
            let is_taken = address.try_send(message).is_ok();
            if !is_taken {
                tracing::warn!(
                    kind = M::NAME,
                    "the actor of a room is too slow, or gone, and misses a message"
                );
            }
            is_taken
        }
        .boxed()
    })
}

impl NamespaceInner {
    /// Hands a message to the actor of a room of this node.
    pub(crate) async fn tell_room_actor(
        self: &Arc<Self>,
        room: &Arc<str>,
        kind: &str,
        body: &bytes::Bytes,
    ) -> bool {
        let forwarder = self.registry.load().room_messages.get(kind).cloned();
        match forwarder {
            Some(forward) => forward(Namespace(self.clone()), room.clone(), body.clone()).await,
            None => {
                tracing::warn!(
                    kind,
                    "a message to the actor of a room has a type that is not registered here"
                );
                false
            }
        }
    }
}

impl Namespace {
    /// Sends a message to the actors of a room, on every node that has members of it: each node has one. Its type has to be registered
    /// with [`room_message`](Self::room_message) on all nodes.
    pub async fn tell_room<M: RoomMessage>(
        &self,
        room: &str,
        message: &M,
    ) -> Result<ActorsReached, EmitError> {
        let body = serde_json::to_vec(message).map_err(|error| EncodeError::Data(error.to_string()))?;
        let body = bytes::Bytes::from(body);
        let operator = BroadcastOperator::new(self.0.clone()).to(room);
        let asked = operator.ask(Action::ToRoomActors { kind: M::NAME.into(), body: body.clone() });
        let room = Arc::from(room);
        let mut reached = ActorsReached::default();
        if self.0.rooms.size(&room) > 0 {
            reached.actors += u64::from(self.0.tell_room_actor(&room, M::NAME, &body).await);
        }
        let answers = operator.answers(asked).await;
        reached.missing_nodes = answers.missing;
        for (_, answer) in answers.answers {
            if let Answer::Done(actors) = answer {
                reached.actors = reached.actors.saturating_add(actors);
            }
        }
        Ok(reached)
    }
}

//! What an [`Emitter`] asks for, with the cluster's answer. Made by [`Emitter::confirmed`].

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{EmitError, Emitter};
use crate::bus::Publish;
use crate::external::{Action, External, Member, Receipt, Reply, ReplyError};
use crate::message::Target;
use crate::request::RequestError;

/// Why there is no [`Receipt`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmError {
    /// It was not sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// No node is there.
    #[error("no node is there")]
    NoNodes,
    /// No node answered in time; it may have been done nevertheless.
    #[error("no node answered in time")]
    TimedOut,
    /// The nodes refused it, in their words.
    #[error("refused: {0}")]
    Refused(String),
    /// Something answered that is no node of this version.
    #[error("the answer cannot be read: {0}")]
    Reply(#[from] ReplyError),
    /// The connection has ended.
    #[error("the connection is closed")]
    Closed,
}

/// An [`Emitter`] that waits for the one answer to what it asks for: how many nodes and sockets took it.
///
/// What is asked for through it keeps its order with what the Emitter sends otherwise.
#[derive(Clone, Debug)]
pub struct Confirmed {
    pub(super) emitter: Emitter,
    pub(super) timeout: Duration,
}

impl Confirmed {
    /// Sends an event with these arguments.
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn emit<T: Serialize>(&self, event: &str, arguments: &[T]) -> Result<Receipt, ConfirmError> {
        self.emit_binary(event, arguments, &[]).await
    }

    /// Sends an event with attachments: `{"_placeholder":true,"num":0}` in an argument stands for the first.
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn emit_binary<T: Serialize>(
        &self,
        event: &str,
        arguments: &[T],
        attachments: &[Bytes],
    ) -> Result<Receipt, ConfirmError> {
        // Serialized before anything is waited for: arguments need not be Send.
        let asked = self.emitter.event(event, arguments, attachments);
        self.ask(asked).await
    }

    /// The sockets join these rooms.
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn join(&self, rooms: &[&str]) -> Result<Receipt, ConfirmError> {
        self.ask(Ok(self.emitter.joining(rooms))).await
    }

    /// The sockets leave these rooms.
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn leave(&self, rooms: &[&str]) -> Result<Receipt, ConfirmError> {
        self.ask(Ok(self.emitter.leaving(rooms))).await
    }

    /// The sockets leave the namespace; with `close` their connections end, too. Without any room: all of the namespace.
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn disconnect(&self, close: bool) -> Result<Receipt, ConfirmError> {
        self.ask(Ok(self.emitter.disconnecting(close))).await
    }

    /// Every member leaves the room, whatever was given to [`Emitter::to`].
    ///
    /// # Errors
    /// When it was not sent, or refused, or nobody says that it was done.
    pub async fn close_room(&self, room: &str) -> Result<Receipt, ConfirmError> {
        self.ask(Ok(self.emitter.closing(room))).await
    }

    /// The nodes of the cluster, as one of them knows them, itself first. Whatever was given to [`Emitter::to`] does not matter.
    ///
    /// # Errors
    /// When it was not sent, or refused, or no node answers.
    pub async fn nodes(&self) -> Result<Vec<Member>, ConfirmError> {
        let target = Target { namespace: "/".into(), ..Target::default() };
        match self.reply(Ok(External { target, action: Action::Nodes })).await? {
            Reply::Members(members) => Ok(members),
            _ => Err(ReplyError::Form.into()),
        }
    }

    async fn ask(&self, asked: Result<External, EmitError>) -> Result<Receipt, ConfirmError> {
        match self.reply(asked).await? {
            Reply::Done(receipt) => Ok(receipt),
            _ => Err(ReplyError::Form.into()),
        }
    }

    async fn reply(&self, asked: Result<External, EmitError>) -> Result<Reply, ConfirmError> {
        let body = asked?.write(&self.emitter.limits).map_err(EmitError::Refused)?;
        let subject = self.emitter.subjects.emit().clone();
        let message = Publish::new(subject, body).traced(self.emitter.trace.clone());
        let pending = self.emitter.bus.request(message).map_err(EmitError::Publish)?;
        let answer = match pending.within(self.timeout).await {
            Ok(answer) => answer,
            Err(RequestError::NoResponders) => return Err(ConfirmError::NoNodes),
            Err(RequestError::TimedOut) => return Err(ConfirmError::TimedOut),
            Err(RequestError::Closed) => return Err(ConfirmError::Closed),
        };
        match Reply::read(&answer)? {
            Reply::Refused(why) => Err(ConfirmError::Refused(why)),
            reply => Ok(reply),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bus::{Bus as _, BusEvent, BusEvents, Received};
    use crate::memory::MemoryHub;
    use crate::node::NodeId;
    use crate::subject::Subjects;

    const SOON: Duration = Duration::from_secs(5);

    async fn request(events: &mut BusEvents) -> Received {
        loop {
            match events.recv().await {
                Some(BusEvent::Message(received)) => return received,
                Some(_) => {}
                None => panic!("closed"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_is_a_receipt_or_says_why_not() {
        let (hub, subjects) = (MemoryHub::default(), Subjects::default());
        let (bus, _events) = hub.connect();
        let confirmed = Emitter::new(Arc::new(bus), subjects.clone()).to("a").confirmed(SOON);
        assert!(matches!(confirmed.emit("e", &[1]).await, Err(ConfirmError::NoNodes)));
        assert!(matches!(confirmed.emit("connect", &[1]).await, Err(ConfirmError::Emit(_))));

        let (node, mut events) = hub.connect();
        node.subscribe_queue(subjects.emit().clone(), "nodes");
        let missing = vec![NodeId::random()];
        let receipt = Receipt { nodes: 3, sockets: 12, missing };
        let answers =
            [Reply::Done(receipt.clone()).write(), Reply::Refused("why".into()).write(), "{}".into()];
        let answering = async {
            for answer in answers {
                let reply = request(&mut events).await.reply.expect("an answer is expected");
                let reply = subjects.reply(&reply).expect("an inbox");
                node.publish(Publish::new(reply, answer)).expect("sent");
            }
            // The last one gets none.
            request(&mut events).await
        };
        let asking = async {
            assert_eq!(confirmed.emit("e", &[1]).await.expect("done"), receipt);
            assert!(matches!(confirmed.join(&["b"]).await, Err(ConfirmError::Refused(why)) if why == "why"));
            assert!(matches!(confirmed.leave(&["b"]).await, Err(ConfirmError::Reply(_))));
            assert!(matches!(confirmed.close_room("b").await, Err(ConfirmError::TimedOut)));
        };
        let (last, ()) = tokio::join!(answering, asking);
        assert_eq!(&last.body[..], br#"{"action":"close_room","namespace":"/","room":"b"}"#);
    }
}

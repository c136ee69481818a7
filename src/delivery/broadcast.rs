//! One message to many sockets: whom it is for, its only encoding, and how its end is noticed.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytestring::ByteString;
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};

use super::RoomName;
use crate::engine::Message;
use crate::protocol::Args;

/// Whom something is for: the members of any of `rooms` (everybody, if there is none) but those in `except`.
/// A socket id is the name of a room with that socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) rooms: SmallVec<[RoomName; 1]>,
    pub(crate) except: SmallVec<[RoomName; 1]>,
}

impl Target {
    /// The one room it is for, if it is as simple as that.
    pub(crate) fn single_room(&self) -> Option<&RoomName> {
        match &self.rooms[..] {
            [room] => Some(room),
            _ => None,
        }
    }
}

/// A message on its way to the sockets of a namespace in this process.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// Number of the namespace.
    pub(crate) namespace: u64,
    pub(crate) target: Target,
    /// Encoded once, for all.
    pub(crate) message: Arc<Message>,
    pub(crate) is_volatile: bool,
    /// Where the acknowledgements go, if some are asked for.
    pub(crate) acks: Option<AckSink>,
    /// Counts the sockets it is for, if somebody wants to know.
    pub(crate) reached: Option<Arc<AtomicUsize>>,
    /// What the message says, if anybody listens to what goes out.
    pub(crate) outgoing: Option<Outgoing>,
}

/// An event as the listeners to outgoing events see it.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) name: ByteString,
    pub(crate) args: Args,
}

/// Where the acknowledgements of a broadcast go, under which id.
#[derive(Clone, Debug)]
pub(crate) struct AckSink {
    pub(crate) id: u64,
    pub(crate) sender: mpsc::UnboundedSender<Answered>,
}

/// What became of one socket's acknowledgement.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) socket: Arc<str>,
    /// None while it is only known that the socket was asked; then its answer, or an error when it left.
    pub(crate) answer: Option<Result<Args, Gone>>,
}

/// The socket left before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Held by everybody who still has to do something for a broadcast; the waiting end is told when the last lets go,
/// or dies.
#[derive(Debug)]
pub(crate) struct Done(#[allow(dead_code)] Option<oneshot::Sender<()>>);

impl Done {
    /// Both ends.
    pub(crate) fn new() -> (Arc<Self>, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Self(Some(sender))), receiver)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            // Nobody may be waiting any more.
            let _ = sender.send(());
        }
    }
}

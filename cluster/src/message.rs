//! What nodes say to each other, as values. [`codec`](crate::codec) turns them into bytes and back.
//!
//! Pure: no tokio, no NATS.

use std::sync::Arc;

use bytes::Bytes;

use crate::node::{Epoch, NodeId};

/// The version of everything in this module on the wire. Nodes announce it, and refuse messages of another.
pub const WIRE_VERSION: u8 = 1;

/// A message with its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The node that published it.
    pub from: NodeId,
    /// The epoch of its numbering.
    pub epoch: Epoch,
    /// Its number among all messages of the sender in this epoch, whatever their subject: rises, may skip. The order in which they
    /// were published, and in which receivers handle them.
    pub order: u64,
    /// Its number among the sender's messages on the subject; see [`sequence`](crate::sequence).
    pub sequence: u64,
    /// What it says.
    pub message: Message,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// On the control subject: the node has started, or come back. Live nodes answer with a heartbeat to its inbox.
    Joining(Announcement),
    /// On the control subject: the node is about to stop.
    Leaving,
    /// On the control subject, every heartbeat interval.
    Heartbeat(Heartbeat),
    /// On a room's or the namespace's subject, or to the inbox of the one socket's owner; if it asks for acknowledgements and is
    /// not for one socket, on the nodes' subject.
    Broadcast(Broadcast),
    /// On a room's subject, or as an answer to an inbox.
    Membership(Membership),
    /// On the control subject: publish a [`FenceAnswer`](Self::FenceAnswer) on the sender's fence subject of this number.
    FenceRequest(u64),
    /// On a fence subject.
    FenceAnswer(u64),
    /// On the nodes' subject, or to the inbox of the one socket's owner.
    Request(Request),
    /// To the inbox of the node that asked.
    Response(Response),
    /// To the inbox of a session's owner, or of the node that its client reached.
    Relay(crate::relay::Relay),
}

/// What every node of a cluster must agree on, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What people call the node.
    pub name: Arc<str>,
    /// How it maps rooms to subjects.
    pub settings: Settings,
}

/// What must be the same on every node: with different values, broadcasts would be lost silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many buckets there are.
    pub buckets: u32,
    /// Which function chooses one: [`BUCKET_HASH`](crate::subject::BUCKET_HASH).
    pub bucket_hash: u8,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who and how: a node that missed the joining learns it here.
    pub announcement: Announcement,
    /// How long the node has been running, in milliseconds. Clocks are not compared.
    pub uptime: u64,
    /// How many sockets the node has.
    pub sockets: u64,
    /// How many rooms have members there, without the sockets' own; all namespaces together.
    pub rooms: u64,
    /// Processor time of the node's process over the last interval, in thousandths of a core.
    pub load: u64,
    /// The last sequence number on each subject used since the previous heartbeat.
    pub sequences: Vec<(Arc<str>, u64)>,
}

/// Whom something is for: the members of any of `rooms` (everybody, if there is none) but those in `except`. A socket id is
/// the name of a room with that socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The namespace, with its slash.
    pub namespace: Arc<str>,
    /// Members of any of these, or everybody.
    pub rooms: Vec<Arc<str>>,
    /// Not the members of any of these.
    pub except: Vec<Arc<str>>,
}

/// How the arguments of an event are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON, with attachments.
    Json,
    /// MessagePack, attachments inside.
    MsgPack,
}

/// Arguments of an event or of an acknowledgement, already encoded. Neither looked into nor encoded again on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// How `body` is written.
    pub encoding: Encoding,
    /// The array.
    pub body: Bytes,
    /// What placeholders in `body` stand for.
    pub attachments: Vec<Bytes>,
}

/// How a broadcast is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// May be dropped for sockets that are not ready.
    pub volatile: bool,
    /// Compressed where the transport can.
    pub compress: bool,
}

/// A packet for many sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// For whom.
    pub target: Target,
    /// How.
    pub flags: Flags,
    /// Whether acknowledgements are asked for.
    pub ack: Option<AckRequest>,
    /// The event's name.
    pub event: Arc<str>,
    /// Its arguments.
    pub args: Payload,
}

/// Acknowledgements that a broadcast asks for: they come as responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckRequest {
    /// The number of the responses.
    pub id: u64,
    /// How long the sender waits, in milliseconds.
    pub timeout: u64,
}

/// How many members some rooms of a bucket have on the sending node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The namespace of the rooms.
    pub namespace: Arc<str>,
    /// The rooms, each with its members on the sending node: 0 when it closed there.
    pub rooms: Vec<(Arc<str>, u64)>,
    /// Whether nodes that also hold the room should say so to the sender's inbox.
    pub wants_answer: bool,
}

/// A question to one or more nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number among the sender's requests in this epoch.
    pub id: u64,
    /// Whom it concerns.
    pub target: Target,
    /// What to do or to tell.
    pub action: Action,
}

/// The largest page of sockets.
pub const MAX_PAGE: u64 = 1000;

/// What a [`Request`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Describe the target's sockets.
    FetchSockets,
    /// Describe some of the target's sockets, in the order of their ids.
    FetchPage {
        /// Only those with a higher id. Empty: from the lowest on.
        after: Arc<str>,
        /// How many at most: what is above [`MAX_PAGE`] counts as that, 0 as one.
        limit: u64,
    },
    /// Count the target's sockets.
    CountSockets,
    /// Name the rooms of the namespace.
    Rooms,
    /// Put the target's sockets into these rooms.
    Join(Vec<Arc<str>>),
    /// Take the target's sockets out of these rooms.
    Leave(Vec<Arc<str>>),
    /// Disconnect the target's sockets from the namespace; `true`: close their connections.
    Disconnect(bool),
    /// Hand an event to the servers' own listeners.
    ServerSideEmit {
        /// The event's name.
        event: Arc<str>,
        /// Its arguments.
        args: Payload,
        /// Whether they acknowledge it.
        wants_ack: bool,
    },
    /// Hand a message to the application's own actors of the target's rooms.
    ToRoomActors {
        /// Which type of message it is, as the application names it.
        kind: Arc<str>,
        /// The message, as JSON.
        body: Bytes,
    },
    /// Tell how many sockets the node found for an external message.
    ExternalOutcome {
        /// The message's reply subject.
        reply: Arc<str>,
        /// Whether the sender answers in the place of the node that NATS chose: that one has nothing more to say.
        is_in_place: bool,
    },
}

impl Message {
    /// Whether the cluster cannot do without it: signs of life, membership, fences. What is not sent of the others is missed by those
    /// whom it concerns.
    pub fn is_vital(&self) -> bool {
        match self {
            Self::Joining(_)
            | Self::Leaving
            | Self::Heartbeat(_)
            | Self::Membership(_)
            | Self::FenceRequest(_)
            | Self::FenceAnswer(_) => true,
            Self::Broadcast(_) | Self::Request(_) | Self::Response(_) | Self::Relay(_) => false,
        }
    }
}

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The number of the request, or of the broadcast's acknowledgements.
    pub id: u64,
    /// Whether this is the last of this node.
    pub is_last: bool,
    /// What it says.
    pub answer: Answer,
}

/// What a [`Response`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is done, and concerned that many sockets.
    Done(u64),
    /// They joined: how many sockets, and the nodes that did not confirm to the sender that they know of it.
    Joined {
        /// How many sockets.
        sockets: u64,
        /// The nodes.
        missing: Vec<NodeId>,
    },
    /// It was refused, and why.
    Refused(Arc<str>),
    /// Sockets of the target.
    Sockets(Vec<Socket>),
    /// The sockets of a page have been told.
    EndOfPage {
        /// How many they were.
        sent: u64,
        /// How many of the target's sockets have higher ids than those of the page.
        left: u64,
        /// How many sockets the target has on the node, on any page.
        total: u64,
    },
    /// Rooms, with how many members they have on the node.
    Rooms(Vec<(Arc<str>, u64)>),
    /// What the node's listener answered to a server-side emit.
    ServerSideAck(Payload),
    /// The sockets that were asked to acknowledge a broadcast.
    Asked(Vec<Arc<str>>),
    /// What a socket answered to a broadcast: None when it left.
    SocketAck {
        /// The socket.
        socket: Arc<str>,
        /// Its arguments.
        answer: Option<Payload>,
    },
}

/// A socket as other nodes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its id.
    pub id: Arc<str>,
    /// The rooms it is in.
    pub rooms: Vec<Arc<str>>,
    /// Its handshake, as JSON.
    pub handshake: Bytes,
    /// Its data, as JSON; empty when it has none that can be shared.
    pub data: Bytes,
}

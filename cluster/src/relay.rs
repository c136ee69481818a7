//! Sessions relayed between nodes: what the node that a client reached (the *edge*) and the node that has its session (the
//! *owner*) say to each other, as values. [`codec`](crate::codec) turns them into bytes and back.
//!
//! Every relayed request is a *stream*, begun by the edge with [`Part::Open`]. Both ends number their messages on a stream, so
//! that a loss shows, and send what counts as payload only against credit. Pure: no tokio, no NATS.

use std::sync::Arc;

use bytes::Bytes;

/// What every payload costs besides its bytes.
pub const PART_COST: usize = 64;

/// A message between edge and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Part of a stream.
    Stream {
        /// The stream's number among those the edge began in this epoch.
        id: u64,
        /// Which end says it.
        sender: End,
        /// Its number among the messages of this end on this stream, from 0.
        sequence: u64,
        /// What it says.
        part: Part,
    },
    /// Messages of yours were lost: say something on each of our streams, then answer with [`Checked`](Self::Checked).
    Check(u64),
    /// The answer: a stream on which nothing came since is over.
    Checked(u64),
}

/// An end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The node that the client reached.
    Edge,
    /// The node that has the session.
    Owner,
}

/// What is said on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Edge, first: a request came.
    Open(Open),
    /// Owner, last: the request is refused.
    Refused(Refusal),
    /// Owner: go on, and send payload up to that cost.
    Accepted(u64),
    /// Edge: the whole body of a POST.
    Body(Bytes),
    /// Owner, last but for credit: the answer to a poll or a POST.
    Answer(Answer),
    /// Edge, last: the answer is on its way to the client.
    Taken,
    /// Edge: what came on the websocket.
    Event(Event),
    /// Owner: ready websocket frames for the client.
    Frames(Bytes),
    /// Either: payload of that cost was used up, more may come. 0 is a sign of life.
    Credit(u64),
    /// Owner, last: the websocket ends when what came before is written.
    Ended,
    /// Either, last: the stream is broken, or the client went away from its poll or POST. From the edge, with the session's
    /// id; the session is to be closed even if the owner knows nothing of the stream.
    Abort(Option<Arc<str>>),
}

impl Part {
    /// What it costs of the credit.
    pub fn cost(&self) -> usize {
        match self {
            Self::Body(bytes) | Self::Frames(bytes) => bytes.len() + PART_COST,
            Self::Event(event) => event.size() + PART_COST,
            _ => 0,
        }
    }
}

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The session's id.
    pub sid: Arc<str>,
    /// The revision of the Engine.IO protocol: 3 or 4.
    pub revision: u8,
    /// The payload that the owner may send.
    pub credit: u64,
    /// What is asked for.
    pub request: Request,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Packets, when there are some.
    Poll {
        /// The `accept-encoding` of the request; empty if there is none.
        accept_encoding: Arc<str>,
    },
    /// To take packets.
    Post {
        /// Whether the body is `application/octet-stream`.
        is_binary: bool,
    },
    /// A websocket for its session.
    Websocket,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such session.
    SessionUnknown,
    /// The session speaks another revision of the protocol.
    Revision,
    /// The session is on a websocket.
    Transport,
    /// Sessions are not upgraded.
    UpgradesOff,
}

/// The answer to a poll or a POST, without what the edge adds to every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type; empty: none.
    pub content_type: Arc<str>,
    /// The content encoding; empty: none.
    pub content_encoding: Arc<str>,
    /// Whether the answer depends on `accept-encoding`.
    pub varies: bool,
    /// The body, encoded.
    pub body: Bytes,
}

/// What came on a websocket: whole messages, judged by the edge's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A websocket ping.
    Ping(Bytes),
    /// A websocket pong.
    Pong,
    /// The closing handshake, with its code.
    Close(Option<u16>),
    /// The websocket is gone: the client left, or broke the protocol.
    Gone(Option<Violation>),
}

impl Event {
    fn size(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) | Self::Ping(bytes) => bytes.len(),
            Self::Pong | Self::Close(_) | Self::Gone(_) => 0,
        }
    }
}

/// How a client broke the websocket protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Frames that are none.
    Protocol,
    /// A message above the limit.
    TooBig,
    /// A message in too many fragments.
    TooManyFragments,
    /// Text that is not UTF-8.
    Utf8,
}

//! [`Envelope`] ↔ bytes: a version byte, a compact header, then packets and attachments as they are.
//!
//! Used by whoever publishes or receives node messages; the layout is in PROTOCOL.md. Decoding trusts nothing: a length is
//! compared with what is left before anything is allocated, and what the bytes hold is shared, not copied. Pure.

mod reader;
mod relay;
mod writer;

use bytes::Bytes;

use crate::fragment::Fragment;
use crate::message::{
    AckRequest, Action, Announcement, Answer, Broadcast, Encoding, Envelope, Flags, Heartbeat, Membership,
    Message, Payload, Request, Response, Settings, Socket, Target, WIRE_VERSION,
};
use crate::node::{Epoch, NodeId};
use reader::Reader;
use writer::Writer;

/// The most items that all lists of a message have together. An item can be a single byte on the wire and takes much more in
/// memory, so the size of the message is no bound for it.
pub const MAX_ITEMS: usize = 262_144;

/// A message whose lists have more than [`MAX_ITEMS`] items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lists of the message have {0} items, above the limit of {MAX_ITEMS}")]
pub struct TooManyItems(pub usize);

/// Why bytes are no message of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Another version than [`WIRE_VERSION`]: the sender is newer or older, or it is no node.
    #[error("wire version {0} instead of {WIRE_VERSION}")]
    Version(u8),
    /// A kind of message, request or answer that this version does not know.
    #[error("unknown {what} {value}")]
    Unknown {
        /// What it is the number of.
        what: &'static str,
        /// The number.
        value: u8,
    },
    /// It ends too early, or a length in it is larger than what is left.
    #[error("the message is cut short")]
    Truncated,
    /// Something follows its end.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// Its lists have more than [`MAX_ITEMS`] items.
    #[error("the lists of the message have too many items")]
    TooMany,
    /// A text is not UTF-8.
    #[error("a name is not UTF-8")]
    Utf8,
    /// A number is too large, or written longer than it needs to be.
    #[error("a number is not written as it should be")]
    Number,
    /// The id of a node, the sender's or another's, is none.
    #[error("a node id is not valid")]
    NodeId,
}

/// What came on a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole message.
    Whole(Envelope),
    /// A part of one, for a [`Reassembly`](crate::fragment::Reassembly).
    Fragment(Fragment),
}

mod kind {
    pub(super) const JOINING: u8 = 1;
    pub(super) const LEAVING: u8 = 2;
    pub(super) const HEARTBEAT: u8 = 3;
    pub(super) const BROADCAST: u8 = 4;
    pub(super) const MEMBERSHIP: u8 = 5;
    pub(super) const FENCE_REQUEST: u8 = 6;
    pub(super) const FENCE_ANSWER: u8 = 7;
    pub(super) const REQUEST: u8 = 8;
    pub(super) const RESPONSE: u8 = 9;
    pub(super) const RELAY: u8 = 14;
    pub(super) const FRAGMENT: u8 = 15;
}

/// The bytes of a message.
///
/// # Errors
/// When its lists are too long: nobody would decode it.
pub fn encode(envelope: &Envelope) -> Result<Bytes, TooManyItems> {
    let mut w = Writer::default();
    let kind = kind_of(&envelope.message);
    header(&mut w, kind, envelope.from, envelope.epoch, envelope.order);
    w.number(envelope.sequence);
    match &envelope.message {
        Message::Joining(announcement) => write_announcement(&mut w, announcement),
        Message::Leaving => {}
        Message::Heartbeat(heartbeat) => {
            write_announcement(&mut w, &heartbeat.announcement);
            w.number(heartbeat.uptime);
            w.number(heartbeat.sockets);
            w.number(heartbeat.rooms);
            w.number(heartbeat.load);
            w.list(&heartbeat.sequences, |w, (subject, number)| {
                w.text(subject);
                w.number(*number);
            });
        }
        Message::Broadcast(broadcast) => write_broadcast(&mut w, broadcast),
        Message::Membership(membership) => {
            w.text(&membership.namespace);
            write_rooms(&mut w, &membership.rooms);
            w.byte(u8::from(membership.wants_answer));
        }
        Message::FenceRequest(nonce) | Message::FenceAnswer(nonce) => w.number(*nonce),
        Message::Request(request) => write_request(&mut w, request),
        Message::Response(response) => write_response(&mut w, response),
        Message::Relay(message) => relay::write(&mut w, message),
    }
    if w.items() > MAX_ITEMS { Err(TooManyItems(w.items())) } else { Ok(w.finish()) }
}

/// The bytes of a part of a message.
pub(crate) fn encode_fragment(fragment: &Fragment) -> Bytes {
    let mut w = Writer::default();
    header(&mut w, kind::FRAGMENT, fragment.from, fragment.epoch, fragment.order);
    w.number(fragment.offset);
    w.number(fragment.total);
    w.rest(&fragment.bytes);
    w.finish()
}

/// The message, or the part of one, that `bytes` are.
///
/// # Errors
/// When they are anything else. Nothing is delivered then.
pub fn decode(bytes: &Bytes) -> Result<Decoded, DecodeError> {
    let mut r = Reader::new(bytes);
    let version = r.byte()?;
    if version != WIRE_VERSION {
        return Err(DecodeError::Version(version));
    }
    let kind = r.byte()?;
    let from = read_node(&mut r)?;
    let epoch = Epoch(r.fixed_u64()?);
    let order = r.fixed_u64()?;
    if kind == kind::FRAGMENT {
        let (offset, total) = (r.number()?, r.number()?);
        return Ok(Decoded::Fragment(Fragment { from, epoch, order, offset, total, bytes: r.rest() }));
    }
    let sequence = r.number()?;
    let message = match kind {
        kind::JOINING => Message::Joining(read_announcement(&mut r)?),
        kind::LEAVING => Message::Leaving,
        kind::HEARTBEAT => Message::Heartbeat(Heartbeat {
            announcement: read_announcement(&mut r)?,
            uptime: r.number()?,
            sockets: r.number()?,
            rooms: r.number()?,
            load: r.number()?,
            sequences: r.list(2, |r| Ok((r.text()?, r.number()?)))?,
        }),
        kind::BROADCAST => Message::Broadcast(read_broadcast(&mut r)?),
        kind::MEMBERSHIP => Message::Membership(Membership {
            namespace: r.text()?,
            rooms: read_rooms(&mut r)?,
            wants_answer: r.flag()?,
        }),
        kind::FENCE_REQUEST => Message::FenceRequest(r.number()?),
        kind::FENCE_ANSWER => Message::FenceAnswer(r.number()?),
        kind::REQUEST => Message::Request(read_request(&mut r)?),
        kind::RESPONSE => Message::Response(read_response(&mut r)?),
        kind::RELAY => Message::Relay(relay::read(&mut r)?),
        value => return Err(DecodeError::Unknown { what: "message", value }),
    };
    match r.remaining() {
        0 => Ok(Decoded::Whole(Envelope { from, epoch, order, sequence, message })),
        left => Err(DecodeError::Trailing(left)),
    }
}

fn kind_of(message: &Message) -> u8 {
    match message {
        Message::Joining(_) => kind::JOINING,
        Message::Leaving => kind::LEAVING,
        Message::Heartbeat(_) => kind::HEARTBEAT,
        Message::Broadcast(_) => kind::BROADCAST,
        Message::Membership(_) => kind::MEMBERSHIP,
        Message::FenceRequest(_) => kind::FENCE_REQUEST,
        Message::FenceAnswer(_) => kind::FENCE_ANSWER,
        Message::Request(_) => kind::REQUEST,
        Message::Response(_) => kind::RESPONSE,
        Message::Relay(_) => kind::RELAY,
    }
}

fn header(w: &mut Writer, kind: u8, from: NodeId, epoch: Epoch, order: u64) {
    w.byte(WIRE_VERSION);
    w.byte(kind);
    w.rest(from.as_bytes());
    w.rest(&epoch.0.to_be_bytes());
    w.rest(&order.to_be_bytes());
}

/// Who published the bytes of a message or of a part of one, in which epoch and as which of its messages. None for anything else.
pub fn peek_order(bytes: &[u8]) -> Option<(NodeId, Epoch, u64)> {
    let (head, rest) = bytes.split_first_chunk::<10>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (order, _) = rest.split_first_chunk::<8>()?;
    if head[0] != WIRE_VERSION {
        return None;
    }
    let from = NodeId::parse(&head[2..]).ok()?;
    Some((from, Epoch(u64::from_be_bytes(*epoch)), u64::from_be_bytes(*order)))
}

fn write_announcement(w: &mut Writer, announcement: &Announcement) {
    w.number(u64::from(announcement.settings.buckets));
    w.byte(announcement.settings.bucket_hash);
    w.text(&announcement.name);
}

fn read_announcement(r: &mut Reader<'_>) -> Result<Announcement, DecodeError> {
    let buckets = u32::try_from(r.number()?).map_err(|_| DecodeError::Number)?;
    let settings = Settings { buckets, bucket_hash: r.byte()? };
    Ok(Announcement { settings, name: r.text()? })
}

fn write_rooms(w: &mut Writer, rooms: &[(std::sync::Arc<str>, u64)]) {
    w.list(rooms, |w, (room, members)| {
        w.text(room);
        w.number(*members);
    });
}

fn read_rooms(r: &mut Reader<'_>) -> Result<Vec<(std::sync::Arc<str>, u64)>, DecodeError> {
    r.list(2, |r| Ok((r.text()?, r.number()?)))
}

fn write_target(w: &mut Writer, target: &Target) {
    w.text(&target.namespace);
    w.list(&target.rooms, |w, room| w.text(room));
    w.list(&target.except, |w, room| w.text(room));
}

fn read_target(r: &mut Reader<'_>) -> Result<Target, DecodeError> {
    Ok(Target { namespace: r.text()?, rooms: r.list(1, Reader::text)?, except: r.list(1, Reader::text)? })
}

fn write_payload(w: &mut Writer, payload: &Payload) {
    w.byte(match payload.encoding {
        Encoding::Json => 0,
        Encoding::MsgPack => 1,
    });
    w.bytes(&payload.body);
    w.list(&payload.attachments, |w, attachment| w.bytes(attachment));
}

fn read_payload(r: &mut Reader<'_>) -> Result<Payload, DecodeError> {
    let encoding = match r.byte()? {
        0 => Encoding::Json,
        1 => Encoding::MsgPack,
        value => return Err(DecodeError::Unknown { what: "encoding", value }),
    };
    Ok(Payload { encoding, body: r.bytes()?, attachments: r.list(1, Reader::bytes)? })
}

const VOLATILE: u8 = 1;
const COMPRESS: u8 = 2;
const WANTS_ACK: u8 = 4;

fn write_broadcast(w: &mut Writer, broadcast: &Broadcast) {
    let bit = |is_set, flag| if is_set { flag } else { 0 };
    write_target(w, &broadcast.target);
    w.byte(
        bit(broadcast.flags.volatile, VOLATILE)
            | bit(broadcast.flags.compress, COMPRESS)
            | bit(broadcast.ack.is_some(), WANTS_ACK),
    );
    if let Some(ack) = broadcast.ack {
        w.number(ack.id);
        w.number(ack.timeout);
    }
    w.text(&broadcast.event);
    write_payload(w, &broadcast.args);
}

fn read_broadcast(r: &mut Reader<'_>) -> Result<Broadcast, DecodeError> {
    let target = read_target(r)?;
    let flags = r.byte()?;
    if flags & !(VOLATILE | COMPRESS | WANTS_ACK) != 0 {
        return Err(DecodeError::Unknown { what: "flag in", value: flags });
    }
    let ack = if flags & WANTS_ACK != 0 {
        Some(AckRequest { id: r.number()?, timeout: r.number()? })
    } else {
        None
    };
    let flags = Flags { volatile: flags & VOLATILE != 0, compress: flags & COMPRESS != 0 };
    Ok(Broadcast { target, flags, ack, event: r.text()?, args: read_payload(r)? })
}

fn write_request(w: &mut Writer, request: &Request) {
    w.number(request.id);
    write_target(w, &request.target);
    match &request.action {
        Action::FetchSockets => w.byte(1),
        Action::CountSockets => w.byte(2),
        Action::Rooms => w.byte(3),
        Action::Join(rooms) => {
            w.byte(4);
            w.list(rooms, |w, room| w.text(room));
        }
        Action::Leave(rooms) => {
            w.byte(5);
            w.list(rooms, |w, room| w.text(room));
        }
        Action::Disconnect(close) => {
            w.byte(6);
            w.byte(u8::from(*close));
        }
        Action::ServerSideEmit { event, args, wants_ack } => {
            w.byte(7);
            w.byte(u8::from(*wants_ack));
            w.text(event);
            write_payload(w, args);
        }
        Action::ToRoomActors { kind, body } => {
            w.byte(8);
            w.text(kind);
            w.bytes(body);
        }
        Action::ExternalOutcome { reply, is_in_place } => {
            w.byte(9);
            w.byte(u8::from(*is_in_place));
            w.text(reply);
        }
        Action::FetchPage { after, limit } => {
            w.byte(10);
            w.text(after);
            w.number(*limit);
        }
    }
}

fn read_request(r: &mut Reader<'_>) -> Result<Request, DecodeError> {
    let id = r.number()?;
    let target = read_target(r)?;
    let action = match r.byte()? {
        1 => Action::FetchSockets,
        2 => Action::CountSockets,
        3 => Action::Rooms,
        4 => Action::Join(r.list(1, Reader::text)?),
        5 => Action::Leave(r.list(1, Reader::text)?),
        6 => Action::Disconnect(r.flag()?),
        7 => {
            let wants_ack = r.flag()?;
            Action::ServerSideEmit { event: r.text()?, args: read_payload(r)?, wants_ack }
        }
        8 => Action::ToRoomActors { kind: r.text()?, body: r.bytes()? },
        9 => {
            let is_in_place = r.flag()?;
            Action::ExternalOutcome { reply: r.text()?, is_in_place }
        }
        10 => Action::FetchPage { after: r.text()?, limit: r.number()? },
        value => return Err(DecodeError::Unknown { what: "request", value }),
    };
    Ok(Request { id, target, action })
}

fn write_response(w: &mut Writer, response: &Response) {
    w.number(response.id);
    w.byte(u8::from(response.is_last));
    match &response.answer {
        Answer::Done(sockets) => {
            w.byte(1);
            w.number(*sockets);
        }
        Answer::Refused(reason) => {
            w.byte(2);
            w.text(reason);
        }
        Answer::Sockets(sockets) => {
            w.byte(3);
            w.list(sockets, |w, socket| {
                w.text(&socket.id);
                w.list(&socket.rooms, |w, room| w.text(room));
                w.bytes(&socket.handshake);
                w.bytes(&socket.data);
            });
        }
        Answer::Rooms(rooms) => {
            w.byte(4);
            write_rooms(w, rooms);
        }
        Answer::ServerSideAck(payload) => {
            w.byte(5);
            write_payload(w, payload);
        }
        Answer::SocketAck { socket, answer } => {
            w.byte(6);
            w.text(socket);
            w.byte(u8::from(answer.is_some()));
            if let Some(payload) = answer {
                write_payload(w, payload);
            }
        }
        Answer::Asked(sockets) => {
            w.byte(7);
            w.list(sockets, |w, socket| w.text(socket));
        }
        Answer::Joined { sockets, missing } => {
            w.byte(8);
            w.number(*sockets);
            w.list(missing, |w, node| w.rest(node.as_bytes()));
        }
        Answer::EndOfPage { sent, left, total } => {
            w.byte(9);
            w.number(*sent);
            w.number(*left);
            w.number(*total);
        }
    }
}

fn read_node(r: &mut Reader<'_>) -> Result<NodeId, DecodeError> {
    NodeId::parse(&r.take(8)?).map_err(|_| DecodeError::NodeId)
}

fn read_response(r: &mut Reader<'_>) -> Result<Response, DecodeError> {
    let id = r.number()?;
    let is_last = r.flag()?;
    let answer = match r.byte()? {
        1 => Answer::Done(r.number()?),
        2 => Answer::Refused(r.text()?),
        3 => Answer::Sockets(r.list(4, |r| {
            let (id, rooms) = (r.text()?, r.list(1, Reader::text)?);
            Ok(Socket { id, rooms, handshake: r.bytes()?, data: r.bytes()? })
        })?),
        4 => Answer::Rooms(read_rooms(r)?),
        5 => Answer::ServerSideAck(read_payload(r)?),
        6 => {
            let socket = r.text()?;
            let answer = if r.flag()? { Some(read_payload(r)?) } else { None };
            Answer::SocketAck { socket, answer }
        }
        7 => Answer::Asked(r.list(1, Reader::text)?),
        8 => {
            let sockets = r.number()?;
            Answer::Joined { sockets, missing: r.list(8, read_node)? }
        }
        9 => Answer::EndOfPage { sent: r.number()?, left: r.number()?, total: r.number()? },
        value => return Err(DecodeError::Unknown { what: "answer", value }),
    };
    Ok(Response { id, is_last, answer })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

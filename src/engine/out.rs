//! What goes through an outbox: messages, control packets and ready frames, and how each travels.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{OpCode, write_frame};
use super::message::Message;
use super::moment::Moment;
use super::packet::Revision;

/// What a frame or a heartbeat takes in a queue besides its bytes, about: clients decide how many of them there are.
const QUEUED: usize = 96;

/// Something to send. Small: what is rare is in a box.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    /// A message.
    Message(Arc<Message>),
    /// The OPEN packet: JSON.
    Open(Box<Bytes>),
    /// Nothing: releases a poll.
    Noop,
    /// A heartbeat question.
    Ping,
    /// A heartbeat answer.
    Pong(Box<Bytes>),
    /// The end: a CLOSE packet for a poll, a close frame with this code for a websocket.
    Close(u16),
    /// A ready websocket frame (the answer to a websocket ping).
    Frame(Box<Bytes>),
    /// The HTTP answer that a websocket begins with.
    Head(Box<Bytes>),
}

impl Out {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Message(message) => message.size(),
            Self::Open(bytes) | Self::Head(bytes) => bytes.len() + 4,
            Self::Pong(bytes) | Self::Frame(bytes) => bytes.len() + QUEUED,
            Self::Noop | Self::Ping | Self::Close(_) => 4,
        }
    }

    /// How many packets it is for a poll.
    pub(super) fn packets(&self) -> usize {
        match self {
            Self::Message(message) => message.packets(),
            Self::Head(_) => 0,
            _ => 1,
        }
    }

    /// As websocket frames.
    pub(super) fn websocket(&self, revision: Revision) -> Cow<'_, [u8]> {
        match self {
            Self::Message(message) => message.websocket(revision).into(),
            Self::Open(json) => text_frame(b"0", json).into(),
            Self::Noop => b"\x81\x016".into(),
            Self::Ping => b"\x81\x012".into(),
            Self::Pong(data) => text_frame(b"3", data).into(),
            Self::Close(code) => {
                let mut frame = Vec::with_capacity(4);
                write_frame(&mut frame, OpCode::Close, &code.to_be_bytes());
                frame.into()
            }
            Self::Frame(frame) | Self::Head(frame) => (&frame[..]).into(),
        }
    }

    /// Appends its websocket frames to `buffer`.
    pub(super) fn append_websocket(&self, revision: Revision, buffer: &mut Vec<u8>) {
        match self {
            Self::Message(message) => buffer.extend_from_slice(message.websocket(revision)),
            other => buffer.extend_from_slice(&other.websocket(revision)),
        }
    }

    /// Length of its websocket frames.
    pub(super) fn websocket_len(&self, revision: Revision) -> usize {
        match self {
            Self::Message(message) => message.websocket(revision).len(),
            other => other.websocket(revision).len(),
        }
    }

    /// As the text of a polling record; none for a message, which has its own variants, and for what only a
    /// websocket can carry.
    pub(super) fn polling(&self) -> Option<Vec<u8>> {
        match self {
            Self::Open(json) => Some([b"0", &json[..]].concat()),
            Self::Noop => Some(b"6".to_vec()),
            Self::Ping => Some(b"2".to_vec()),
            Self::Pong(data) => Some([b"3", &data[..]].concat()),
            Self::Close(_) => Some(b"1".to_vec()),
            Self::Message(_) | Self::Frame(_) | Self::Head(_) => None,
        }
    }
}

fn text_frame(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(data.len() + 11);
    write_frame(&mut frame, OpCode::Text, &[kind, data].concat());
    frame
}

/// Something queued.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) out: Out,
    pub(super) since: Moment,
    pub(super) is_volatile: bool,
    /// It goes past the queue, and counts for nothing.
    pub(super) is_direct: bool,
}

impl Item {
    pub(super) fn direct(out: Out) -> Self {
        Self { out, since: Moment::now(), is_volatile: false, is_direct: true }
    }

    /// The bytes it counts for.
    pub(super) fn size(&self) -> usize {
        if self.is_direct { 0 } else { self.out.size() }
    }
}

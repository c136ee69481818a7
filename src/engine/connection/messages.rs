//! What others send to a connection: posts, websockets that want to take over, and what the embedded ones received.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::super::clock::Alarm;
use super::super::frame::{FrameError, WsEvent};
use super::super::link::{EmbeddedLink, Link};
use super::super::native::{NativeSocket, Reader, Taken};
use super::super::packet::{Packet, PacketError};
use super::super::payload::{decode_binary_payload, decode_text_payload};
use super::super::turn::Flush as _;
use super::{Connection, Phase};
use crate::disconnect_reason::DisconnectReason;

/// How long a full outbox may stay full before the client is called too slow.
const SLOW_GRACE: Duration = Duration::from_millis(100);

/// How a post was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum PostAnswer {
    Taken,
    /// The packets were malformed or not allowed, or the session is over: it is closed.
    Refused,
}

/// The body of a POST.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Post {
    pub(in crate::engine) body: Bytes,
    /// Revision 3 with `application/octet-stream`.
    pub(in crate::engine) is_binary: bool,
    pub(in crate::engine) answer: oneshot::Sender<PostAnswer>,
}

impl Handler<Post> for Connection {
    type Result = ();

    fn handle(&mut self, post: Post, ctx: &mut Self::Context) {
        if self.phase != Phase::Open || self.shared.is_expired() {
            let _ = post.answer.send(PostAnswer::Refused);
            if self.shared.is_expired() {
                self.close(DisconnectReason::PingTimeout, true, ctx);
            }
            return;
        }
        let max = self.shared.engine.config.max_packets_per_post;
        let revision = self.shared.outbox.revision;
        let (shared, mut packets) = (self.shared.clone(), 0);
        let mut on = |packet: Packet<'_>| {
            packets += 1;
            self.on_packet(packet, ctx);
            if self.phase == Phase::Open { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let result = if post.is_binary {
            decode_binary_payload(&post.body, max, on)
        } else {
            match std::str::from_utf8(&post.body) {
                Ok(text) => decode_text_payload(text, revision, max, &mut on),
                Err(_) => Err(PacketError::Utf8),
            }
        };
        shared.traffic().received(packets, post.body.len());
        if let Err(error) = result {
            self.parse_error(&error, ctx);
            let _ = post.answer.send(PostAnswer::Refused);
        } else if self.is_paused() && self.phase == Phase::Open {
            self.polling.get_or_insert_default().post = Some(post.answer);
        } else {
            let _ = post.answer.send(PostAnswer::Taken);
        }
    }
}

/// A poll went away unanswered, or a second request of its kind came: the session is over.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Close {
    pub(in crate::engine) reason: DisconnectReason,
    pub(in crate::engine) discard: bool,
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Self::Context) {
        self.close(close.reason, close.discard, ctx);
    }
}

/// An alarm of this connection is due.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Tick(pub(in crate::engine) Alarm);

impl Handler<Tick> for Connection {
    type Result = ();

    fn handle(&mut self, Tick(alarm): Tick, ctx: &mut Self::Context) {
        self.on_alarm(alarm, ctx);
    }
}

/// The poll that fetched the last packets of a closed session is done, or a poll found it expired.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Settle;

impl Handler<Settle> for Connection {
    type Result = ();

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) {
        match self.phase {
            Phase::Closing if self.shared.outbox.is_finished() => self.gone(ctx),
            Phase::Open if self.shared.is_expired() => self.close(DisconnectReason::PingTimeout, true, ctx),
            _ => {}
        }
    }
}

/// Waiting events have been handled.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Resume;

impl Handler<Resume> for Connection {
    type Result = ();

    fn handle(&mut self, _: Resume, ctx: &mut Self::Context) {
        if self.phase == Phase::Open {
            self.judge_backlog(ctx);
            self.read_held(ctx);
        }
    }
}

/// The outbox is over its bound.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct CheckOutbox;

impl Handler<CheckOutbox> for Connection {
    type Result = ();

    fn handle(&mut self, _: CheckOutbox, ctx: &mut Self::Context) {
        ctx.run_later(SLOW_GRACE, |connection, _| {
            connection.shared.checked();
            if connection.shared.outbox.is_over() {
                connection.shared.close_slow();
            }
        });
    }
}

/// A websocket that wants to take over, from whichever thread accepted it.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) enum Probe {
    /// Taken over natively.
    Native(Taken),
    /// The embedded transport's.
    Embedded(Arc<EmbeddedLink>),
}

impl Handler<Probe> for Connection {
    type Result = ();

    fn handle(&mut self, probe: Probe, ctx: &mut Self::Context) {
        match probe {
            Probe::Native(taken) => {
                let Some(taken) = taken.adopt() else {
                    self.shared.is_upgrading.store(false, Ordering::Release);
                    return;
                };
                let socket = NativeSocket::new(taken.stream, taken.head, self.shared.clone());
                self.begin_upgrade(Link::Native(socket.clone()), ctx);
                if self.knows(&socket) {
                    socket.clone().flush();
                    ctx.spawn(Reader::new(socket, taken.read));
                }
            }
            Probe::Embedded(link) => self.begin_upgrade(Link::Embedded(link), ctx),
        }
    }
}

/// Something an embedded websocket received.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct EmbeddedEvent {
    pub(in crate::engine) link: Arc<EmbeddedLink>,
    pub(in crate::engine) event: OwnedEvent,
}

/// A [`WsEvent`] on its way between threads.
pub(in crate::engine) enum OwnedEvent {
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    Close(Option<u16>),
    /// The websocket is gone, perhaps because of this error.
    Gone(Option<FrameError>),
}

impl Handler<EmbeddedEvent> for Connection {
    type Result = ();

    fn handle(&mut self, message: EmbeddedEvent, ctx: &mut Self::Context) {
        let EmbeddedEvent { link, event } = message;
        if self.is_paused() && self.main.as_ref().is_some_and(|main| main.is_embedded(&link)) {
            if !matches!(event, OwnedEvent::Close(_) | OwnedEvent::Gone(_)) {
                // It was on its way when reading stopped.
                link.hold(event);
                return;
            }
            while let Some(event) = link.next_held() {
                self.on_embedded_event(&link, &event, ctx);
            }
        }
        self.on_embedded_event(&link, &event, ctx);
    }
}

impl Connection {
    /// What was kept while an embedded websocket was not read, until it is not read again.
    pub(super) fn read_held(&mut self, ctx: &mut Context<Self>) {
        let Some(Link::Embedded(link)) = &self.main else { return };
        let link = link.clone();
        while self.phase == Phase::Open
            && !self.is_paused()
            && let Some(event) = link.next_held()
        {
            self.on_embedded_event(&link, &event, ctx);
        }
    }

    fn on_embedded_event(&mut self, link: &Arc<EmbeddedLink>, event: &OwnedEvent, ctx: &mut Context<Self>) {
        link.handled(event);
        if let OwnedEvent::Text(bytes) | OwnedEvent::Binary(bytes) = event {
            self.shared.engine.counters.here().websocket.received(1, bytes.len());
        }
        let is_main = self.main.as_ref().is_some_and(|main| main.is_embedded(link));
        let is_probe = self.upgrade().is_some_and(|upgrade| upgrade.link.is_embedded(link));
        if self.phase != Phase::Open || !(is_main || is_probe) {
            return;
        }
        let event = match event {
            OwnedEvent::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => WsEvent::Text(text),
                Err(_) => return self.link_gone(is_main, Some(FrameError::Utf8), ctx),
            },
            OwnedEvent::Binary(bytes) => WsEvent::Binary(bytes),
            OwnedEvent::Ping(bytes) => WsEvent::Ping(bytes),
            OwnedEvent::Pong => WsEvent::Pong,
            OwnedEvent::Close(code) => WsEvent::Close(*code),
            OwnedEvent::Gone(error) => return self.link_gone(is_main, *error, ctx),
        };
        if is_main {
            self.on_main_event(event, ctx);
        } else {
            self.on_probe_event(event, ctx);
        }
    }
}

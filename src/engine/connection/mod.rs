//! The actor of one client connection: heartbeat, transport switch and upgrade, limits.
//!
//! A plain `Context` actor: whatever the transport does, its timers run. Polls and posts of other threads reach
//! it through [`Shared`]; a websocket is a [`Link`], the one in use or the one that probes.

mod heartbeat;
mod messages;
mod upgrade;

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::oneshot;

pub(super) use self::messages::{
    CheckOutbox, Close, EmbeddedEvent, OwnedEvent, Post, PostAnswer, Probe, Resume, Settle, Tick,
};
use self::upgrade::Upgrade;
use super::clock::Alarm;
use super::frame::{FrameError, WsEvent, write_frame};
use super::handle::{ConnectionHandle, ConnectionHandler, Incoming, Shared, incoming};
use super::link::{EmbeddedLink, Link};
use super::moment::Moment;
use super::native::{NativeSocket, Reader, Taken};
use super::out::Out;
use super::packet::{Packet, PacketError, Revision, decode_binary, decode_text};
use crate::disconnect_reason::DisconnectReason;

/// How long a closed polling session waits for the poll that fetches its last packets.
const CLOSING_GRACE: Duration = Duration::from_secs(30);
/// The same when the server stops: a client that is there polls again at once.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// How long a session that its client closed waits for a poll that was under way.
const LAST_POLL: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    handler: Box<dyn ConnectionHandler>,
    /// The websocket in use; none while polling.
    main: Option<Link>,
    /// None where it was never needed.
    polling: Option<Box<Polling>>,
    /// The client's last sign of life.
    alive_at: Moment,
    /// Revision 4: a ping has been sent since.
    is_pinged: bool,
    /// When it has to look at the time.
    alarm: Option<Alarm>,
    phase: Phase,
}

/// What only a session that polls has need of.
#[derive(Default)]
struct Polling {
    upgrade: Option<Upgrade>,
    /// The answer to a post that waits until its packets find room.
    post: Option<oneshot::Sender<PostAnswer>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Closed for everybody above; the last packets wait for a poll.
    Closing,
    Closed,
}

impl Connection {
    /// Starts a session on this thread. `first` is the websocket it begins on, if it does not begin on polling.
    pub(super) fn start(
        shared: &Arc<Shared>,
        open: impl FnOnce(ConnectionHandle) -> Box<dyn ConnectionHandler>,
        first: Option<FirstLink>,
    ) -> ConnectionHandle {
        let handle = ConnectionHandle(shared.clone());
        let now = Moment::now();
        let config = &shared.engine.config;
        shared.traffic().handshakes.add(1);
        shared.push(Out::Open(Box::new(open_packet(shared))), false, now);
        shared.set_expiry(Some(now + config.ping_interval + config.ping_timeout));
        let address = Self::create(|ctx| {
            let _ = shared.addr.set(ctx.address());
            let mut connection = Self {
                handler: open(ConnectionHandle(shared.clone())),
                alive_at: now,
                is_pinged: false,
                alarm: None,
                main: None,
                polling: None,
                phase: Phase::Open,
                shared: shared.clone(),
            };
            match first {
                Some(FirstLink::Native(taken)) => connection.attach_native(taken, ctx),
                Some(FirstLink::Embedded(link)) => {
                    let link = Link::Embedded(link);
                    link.attach(&connection.shared.outbox);
                    connection.main = Some(link);
                }
                None => {}
            }
            connection.arm();
            connection
        });
        drop(address);
        handle
    }

    fn attach_native(&mut self, taken: Taken, ctx: &mut Context<Self>) {
        let socket = NativeSocket::new(taken.stream, taken.head, self.shared.clone());
        socket.attach();
        self.main = Some(Link::Native(socket.clone()));
        ctx.spawn(Reader::new(socket, taken.read));
    }

    fn upgrade(&self) -> Option<&Upgrade> {
        self.polling.as_ref()?.upgrade.as_ref()
    }

    fn take_upgrade(&mut self) -> Option<Upgrade> {
        self.polling.as_mut()?.upgrade.take()
    }

    fn take_post(&mut self) -> Option<oneshot::Sender<PostAnswer>> {
        self.polling.as_mut()?.post.take()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.shared.is_paused.load(Ordering::Relaxed)
    }

    /// Whether `link` may still send something.
    pub(super) fn knows(&self, socket: &Rc<NativeSocket>) -> bool {
        self.phase == Phase::Open
            && (self.main.as_ref().is_some_and(|main| main.is_native(socket))
                || self.upgrade().is_some_and(|upgrade| upgrade.link.is_native(socket)))
    }

    // ---- what comes in ---------------------------------------------------------------------------------

    /// Something from a native websocket.
    pub(super) fn on_native_event(
        &mut self,
        socket: &Rc<NativeSocket>,
        event: WsEvent<'_>,
        ctx: &mut Context<Self>,
    ) -> ControlFlow<()> {
        if self.main.as_ref().is_some_and(|main| main.is_native(socket)) {
            self.on_main_event(event, ctx);
        } else if self.upgrade().is_some_and(|upgrade| upgrade.link.is_native(socket)) {
            self.on_probe_event(event, ctx);
        }
        if self.knows(socket) && !self.is_paused() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn on_main_event(&mut self, event: WsEvent<'_>, ctx: &mut Context<Self>) {
        let revision = self.shared.outbox.revision;
        let packet = match event {
            WsEvent::Text(text) => decode_text(text, revision),
            WsEvent::Binary(bytes) => decode_binary(bytes, revision),
            WsEvent::Ping(data) => {
                let mut frame = Vec::with_capacity(data.len() + 2);
                write_frame(&mut frame, super::frame::OpCode::Pong, data);
                self.shared.push(Out::Frame(Box::new(frame.into())), false, Moment::now());
                return;
            }
            WsEvent::Pong => return,
            WsEvent::Close(code) => {
                // The closing handshake: the same code goes back, unless it is one that must not be sent.
                let code = code.filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
                self.end(DisconnectReason::TransportClose, true, Some(code.unwrap_or(1000)), ctx);
                return;
            }
        };
        match packet {
            Ok(packet) => self.on_packet(packet, ctx),
            Err(error) => self.parse_error(&error, ctx),
        }
    }

    fn on_packet(&mut self, packet: Packet<'_>, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        match packet {
            Packet::Ping(data) if self.shared.outbox.revision == Revision::V3 => {
                self.alive(Moment::now());
                let data = Box::new(Bytes::copy_from_slice(data.as_bytes()));
                self.shared.push(Out::Pong(data), false, Moment::now());
            }
            Packet::Pong(_) if self.shared.outbox.revision == Revision::V4 => self.alive(Moment::now()),
            Packet::Ping(_) | Packet::Pong(_) => {
                tracing::debug!(sid = self.shared.short_sid(), "heartbeat in the wrong direction");
                self.close(DisconnectReason::TransportError, false, ctx);
            }
            Packet::Close => self.close(DisconnectReason::TransportClose, self.main.is_some(), ctx),
            // Only a probing websocket may ask for it, and that one is read elsewhere; a late one is harmless.
            Packet::Upgrade | Packet::Noop => {}
            message @ (Packet::Text(_) | Packet::Binary(_)) => {
                if let Some(message) = incoming(message) {
                    self.on_message(message, ctx);
                }
            }
        }
    }

    fn on_message(&mut self, message: Incoming<'_>, ctx: &mut Context<Self>) {
        if let Err(reason) = self.handler.on_message(message) {
            self.close(reason, false, ctx);
            return;
        }
        self.judge_backlog(ctx);
        if let Some(deadline) = self.handler.deadline()
            && self.alarm.is_none_or(|alarm| Moment::from(deadline) < alarm.0)
        {
            self.arm();
        }
    }

    /// Stops or resumes reading as the waiting events demand.
    fn judge_backlog(&mut self, ctx: &mut Context<Self>) {
        let backlog = self.handler.backlog();
        let bound = self.shared.engine.config.inbox_bytes;
        // Without a handler that waits nothing is read past the bound, and what is over it has limits of its own.
        if backlog.awaits_ack && backlog.bytes > bound.saturating_mul(2) {
            tracing::warn!(
                sid = self.shared.short_sid(),
                bytes = backlog.bytes,
                "closing a client whose events pile up"
            );
            self.close(DisconnectReason::TransportError, true, ctx);
            return;
        }
        let pause = if self.is_paused() {
            backlog.bytes > bound / 2 && !backlog.awaits_ack
        } else {
            backlog.bytes > bound && !backlog.awaits_ack
        };
        if pause == self.is_paused() {
            return;
        }
        self.shared.is_paused.store(pause, Ordering::Relaxed);
        if let Some(Link::Embedded(link)) = &self.main {
            link.set_paused(pause);
        }
        if pause {
            self.shared.set_expiry(None);
        } else {
            self.alive(Moment::now());
            if let Some(post) = self.take_post() {
                let _ = post.send(PostAnswer::Taken);
            }
        }
    }

    fn parse_error(&mut self, error: &PacketError, ctx: &mut Context<Self>) {
        tracing::debug!(sid = self.shared.short_sid(), %error, "invalid packet");
        self.close(DisconnectReason::ParseError, true, ctx);
    }

    /// A websocket is gone: the client closed it, or broke its protocol.
    pub(super) fn link_gone(&mut self, is_main: bool, error: Option<FrameError>, ctx: &mut Context<Self>) {
        if !is_main {
            self.abandon_upgrade(ctx);
            return;
        }
        match error {
            Some(error) => {
                tracing::debug!(sid = self.shared.short_sid(), %error, "websocket error");
                self.end(DisconnectReason::TransportError, true, Some(error.close_code()), ctx);
            }
            None => self.end(DisconnectReason::TransportClose, true, None, ctx),
        }
    }

    /// A native websocket is gone.
    pub(super) fn native_gone(
        &mut self,
        socket: &Rc<NativeSocket>,
        error: Option<FrameError>,
        ctx: &mut Context<Self>,
    ) {
        if self.knows(socket) {
            let is_main = self.main.as_ref().is_some_and(|main| main.is_native(socket));
            self.link_gone(is_main, error, ctx);
        }
    }

    // ---- the end ---------------------------------------------------------------------------------------

    /// Ends the session and its transport. What is queued is sent first, unless `discard`.
    fn close(&mut self, reason: DisconnectReason, discard: bool, ctx: &mut Context<Self>) {
        let code = if reason == DisconnectReason::ServerShuttingDown { 1001 } else { 1000 };
        self.end(reason, discard, Some(code), ctx);
    }

    /// Ends the session. `code` closes the transport from our side; none when it is gone already.
    fn end(&mut self, reason: DisconnectReason, discard: bool, code: Option<u16>, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Closing;
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.engine.counters.here().closed(reason);
        tracing::debug!(sid = self.shared.short_sid(), %reason, "connection closed");
        self.abandon_upgrade(ctx);
        self.handler.on_close(reason);
        if let Some(post) = self.take_post() {
            let _ = post.send(PostAnswer::Refused);
        }
        let is_polling = self.main.is_none();
        let last = code.map(|code| match reason {
            // The client said so itself: its poll is only released.
            DisconnectReason::TransportClose if is_polling => Out::Noop,
            _ => Out::Close(code),
        });
        let nothing_to_fetch = self.shared.outbox.close(discard || code.is_none(), last);
        match self.main.take() {
            Some(Link::Native(socket)) => socket.finish(code.is_some()),
            Some(Link::Embedded(link)) => {
                link.set_reason(reason);
                link.finish(code.is_some());
            }
            None => {}
        }
        let is_polite = !discard && code.is_some();
        if nothing_to_fetch || !is_polite {
            self.gone(ctx);
        } else {
            // The next poll takes the rest and the CLOSE packet. A client that closed may have one on its way.
            let grace = match reason {
                DisconnectReason::TransportClose => LAST_POLL,
                DisconnectReason::ServerShuttingDown => SHUTDOWN_GRACE,
                _ => CLOSING_GRACE,
            };
            ctx.run_later(grace, |connection, ctx| connection.gone(ctx));
        }
    }

    fn gone(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::Closed;
        self.disarm();
        self.shared.engine.connections.remove(&self.shared.sid);
        ctx.stop();
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.disarm();
        if self.phase == Phase::Open {
            // The worker thread went away under us.
            self.phase = Phase::Closed;
            self.shared.is_closed.store(true, Ordering::Release);
            self.shared.engine.counters.here().closed(DisconnectReason::ServerShuttingDown);
            self.handler.on_close(DisconnectReason::ServerShuttingDown);
            self.shared.outbox.close(true, None);
            // Nobody else would: a registered socket is held by its thread, an embedded one by its response.
            for link in self.main.take().into_iter().chain(self.take_upgrade().map(|upgrade| upgrade.link)) {
                match link {
                    Link::Native(socket) => socket.finish(false),
                    Link::Embedded(link) => link.finish(false),
                }
            }
        }
        self.shared.engine.connections.remove(&self.shared.sid);
    }
}

/// The OPEN packet's JSON.
fn open_packet(shared: &Shared) -> Bytes {
    let config = &shared.engine.config;
    let is_polling = !shared.is_websocket.load(Ordering::Relaxed);
    let upgrades =
        if is_polling && config.allow_upgrades && config.websocket { r#"["websocket"]"# } else { "[]" };
    format!(
        r#"{{"sid":"{}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        shared.sid,
        config.ping_interval.as_millis(),
        config.ping_timeout.as_millis(),
        config.max_http_buffer_size,
    )
    .into()
}

/// The websocket a session begins on.
pub(super) enum FirstLink {
    /// Taken over.
    Native(Taken),
    Embedded(Arc<EmbeddedLink>),
}

//! The actor of one client connection: heartbeat, transport switch and upgrade, limits.
//!
//! A plain `Context` actor: whatever the transport does, its timers run. Polls and posts of other threads reach
//! it through [`Shared`]; a websocket is a [`Link`], the one in use or the one that probes.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::frame::{FrameError, WsEvent, write_frame};
use super::handle::{ConnectionHandle, ConnectionHandler, Incoming, Shared, incoming};
use super::link::{EmbeddedLink, Link};
use super::native::{NativeSocket, NativeStream, Reader};
use super::outbox::Out;
use super::packet::{Packet, PacketError, Revision, decode_binary, decode_text};
use super::payload::{decode_binary_payload, decode_text_payload};
use crate::disconnect_reason::DisconnectReason;

/// How long a full outbox may stay full before the client is called too slow.
const SLOW_GRACE: Duration = Duration::from_millis(100);
/// How long a closed polling session waits for the poll that fetches its last packets.
const CLOSING_GRACE: Duration = Duration::from_secs(30);

/// The same when the server stops: a client that is there polls again at once.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// How long a session that its client closed waits for a poll that was under way.
const LAST_POLL: Duration = Duration::from_secs(1);
/// Websocket pings that a websocket may send before it has taken over. Their answers go past the outbox and its bound.
const MAX_PROBE_PINGS: u32 = 64;

/// See the module's documentation.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    handler: Box<dyn ConnectionHandler>,
    /// The websocket in use; none while polling.
    main: Option<Link>,
    upgrade: Option<Upgrade>,
    /// The answer to a post that waits until its packets find room.
    post: Option<oneshot::Sender<PostAnswer>>,
    /// Revision 4: when the next ping is due. Revision 3: unused.
    next_ping: Instant,
    /// When the client is given up, unless it gives a sign of life.
    expires_at: Instant,
    /// When the timer fires next.
    timer_at: Option<Instant>,
    phase: Phase,
}

/// A websocket that wants to take over.
struct Upgrade {
    link: Link,
    is_probed: bool,
    pings: u32,
    timeout: SpawnHandle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Closed for everybody above; the last packets wait for a poll.
    Closing,
    Closed,
}

/// How a post was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostAnswer {
    Taken,
    /// The packets were malformed or not allowed, or the session is over: it is closed.
    Refused,
}

impl Connection {
    /// Starts a session on this thread. `first` is the websocket it begins on, if it does not begin on polling.
    pub(super) fn start(
        shared: &Arc<Shared>,
        open: impl FnOnce(ConnectionHandle) -> Box<dyn ConnectionHandler>,
        first: Option<FirstLink>,
    ) -> ConnectionHandle {
        let handle = ConnectionHandle(shared.clone());
        let now = Instant::now();
        let config = &shared.engine.config;
        shared.push(Out::Open(open_packet(shared)), false, now);
        let expires_at = now + config.ping_interval + config.ping_timeout;
        shared.set_expiry(Some(expires_at));
        let address = Self::create(|ctx| {
            let _ = shared.addr.set(ctx.address());
            let mut connection = Self {
                handler: open(ConnectionHandle(shared.clone())),
                next_ping: now + config.ping_interval,
                expires_at,
                timer_at: None,
                main: None,
                upgrade: None,
                post: None,
                phase: Phase::Open,
                shared: shared.clone(),
            };
            match first {
                Some(FirstLink::Native(stream, read)) => connection.attach_native(stream, read, ctx),
                Some(FirstLink::Embedded(link)) => {
                    let link = Link::Embedded(link);
                    link.attach(&connection.shared.outbox);
                    connection.main = Some(link);
                }
                None => {}
            }
            connection.arm(ctx);
            connection
        });
        drop(address);
        handle
    }

    fn attach_native(&mut self, stream: NativeStream, read: Bytes, ctx: &mut Context<Self>) {
        let socket = NativeSocket::new(stream, self.shared.clone());
        socket.attach();
        self.main = Some(Link::Native(socket.clone()));
        ctx.spawn(Reader::new(socket, read));
    }

    pub(super) fn is_paused(&self) -> bool {
        self.shared.is_paused.load(Ordering::Relaxed)
    }

    /// Whether `link` may still send something.
    pub(super) fn knows(&self, socket: &Rc<NativeSocket>) -> bool {
        self.phase == Phase::Open
            && (self.main.as_ref().is_some_and(|main| main.is_native(socket))
                || self.upgrade.as_ref().is_some_and(|upgrade| upgrade.link.is_native(socket)))
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
        } else if self.upgrade.as_ref().is_some_and(|upgrade| upgrade.link.is_native(socket)) {
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
                self.shared.push(Out::Frame(frame.into()), false, Instant::now());
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
                self.alive(Instant::now());
                let data = Bytes::copy_from_slice(data.as_bytes());
                self.shared.push(Out::Pong(data), false, Instant::now());
            }
            Packet::Pong(_) if self.shared.outbox.revision == Revision::V4 => self.alive(Instant::now()),
            Packet::Ping(_) | Packet::Pong(_) => {
                tracing::debug!(sid = %self.shared.sid, "heartbeat in the wrong direction");
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
            && self.timer_at.is_none_or(|timer| deadline < timer)
        {
            self.arm(ctx);
        }
    }

    /// Stops or resumes reading as the waiting events demand.
    fn judge_backlog(&mut self, ctx: &mut Context<Self>) {
        let backlog = self.handler.backlog();
        let bound = self.shared.engine.config.inbox_bytes;
        // Nothing else is read past the bound; what one event or one POST is over it by is bounded by their own limits.
        if backlog.awaits_ack && backlog.bytes > bound.saturating_mul(2) {
            tracing::warn!(sid = %self.shared.sid, bytes = backlog.bytes, "closing a client whose events pile up");
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
            self.alive(Instant::now());
            if let Some(post) = self.post.take() {
                let _ = post.send(PostAnswer::Taken);
            }
        }
    }

    fn parse_error(&mut self, error: &PacketError, ctx: &mut Context<Self>) {
        tracing::debug!(sid = %self.shared.sid, %error, "invalid packet");
        self.close(DisconnectReason::ParseError, true, ctx);
    }

    // ---- upgrade ---------------------------------------------------------------------------------------

    fn begin_upgrade(&mut self, link: Link, ctx: &mut Context<Self>) {
        if self.main.is_some() || self.upgrade.is_some() || self.phase != Phase::Open {
            link.close(1008);
            return;
        }
        let timeout = ctx.run_later(self.shared.engine.config.upgrade_timeout, |connection, ctx| {
            tracing::debug!(sid = %connection.shared.sid, "upgrade timeout");
            connection.abandon_upgrade(ctx);
        });
        self.upgrade = Some(Upgrade { link, is_probed: false, pings: 0, timeout });
    }

    /// The websocket goes, polling goes on and may be upgraded again.
    fn abandon_upgrade(&mut self, ctx: &mut Context<Self>) {
        if let Some(upgrade) = self.upgrade.take() {
            ctx.cancel_future(upgrade.timeout);
            upgrade.link.close(1000);
            self.shared.outbox.set_probing(false);
            self.shared.is_upgrading.store(false, Ordering::Release);
        }
    }

    fn on_probe_event(&mut self, event: WsEvent<'_>, ctx: &mut Context<Self>) {
        let Some(upgrade) = &mut self.upgrade else { return };
        match event {
            WsEvent::Text("2probe") if !upgrade.is_probed => {
                upgrade.is_probed = true;
                upgrade.link.send_direct(Bytes::from_static(b"\x81\x063probe"));
                // Every poll is answered from now on, the waiting one at once, so that the client can stop polling.
                self.shared.outbox.set_probing(true);
            }
            WsEvent::Text("5") if upgrade.is_probed => self.finish_upgrade(ctx),
            WsEvent::Ping(data) if upgrade.pings < MAX_PROBE_PINGS => {
                upgrade.pings += 1;
                let mut frame = Vec::with_capacity(data.len() + 2);
                write_frame(&mut frame, super::frame::OpCode::Pong, data);
                upgrade.link.send_direct(frame.into());
            }
            WsEvent::Pong => {}
            _ => {
                tracing::debug!(sid = %self.shared.sid, "abandoned or wrong probe");
                self.abandon_upgrade(ctx);
            }
        }
    }

    fn finish_upgrade(&mut self, ctx: &mut Context<Self>) {
        let Some(upgrade) = self.upgrade.take() else { return };
        ctx.cancel_future(upgrade.timeout);
        self.shared.is_websocket.store(true, Ordering::Release);
        upgrade.link.attach(&self.shared.outbox);
        if let Link::Embedded(link) = &upgrade.link {
            link.set_paused(self.is_paused());
        }
        self.main = Some(upgrade.link);
        tracing::debug!(sid = %self.shared.sid, "upgraded to websocket");
    }

    /// A websocket is gone: the client closed it, or broke its protocol.
    pub(super) fn link_gone(&mut self, is_main: bool, error: Option<FrameError>, ctx: &mut Context<Self>) {
        if !is_main {
            self.abandon_upgrade(ctx);
            return;
        }
        match error {
            Some(error) => {
                tracing::debug!(sid = %self.shared.sid, %error, "websocket error");
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

    // ---- time ------------------------------------------------------------------------------------------

    /// The client gave a sign of life.
    fn alive(&mut self, now: Instant) {
        let config = &self.shared.engine.config;
        self.next_ping = now + config.ping_interval;
        self.expires_at = self.next_ping + config.ping_timeout;
        if !self.is_paused() {
            self.shared.set_expiry(Some(self.expires_at));
        }
    }

    /// Arms the timer for whatever comes first.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let mut at = self.expires_at;
        if self.shared.outbox.revision == Revision::V4 {
            // After the ping is out, the next moment to look is the one at which a pong would make it due again.
            at = at.min(self.next_ping);
        }
        self.arm_at(at, ctx);
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        let now = Instant::now();
        if self.handler.deadline().is_some_and(|deadline| deadline <= now)
            && let Err(reason) = self.handler.on_deadline()
        {
            self.close(reason, false, ctx);
            return;
        }
        if self.is_paused() {
            // Not read, so not heard: its clock stands still. The client's own does not: it waits for pings.
            if self.shared.outbox.revision == Revision::V4 && now >= self.next_ping {
                self.shared.push(Out::Ping, false, now);
            }
            self.alive(now);
        } else if now >= self.expires_at {
            self.close(DisconnectReason::PingTimeout, true, ctx);
            return;
        }
        if self.shared.outbox.age(now) > self.shared.engine.config.outbox_age {
            self.shared.close_slow();
        }
        if self.shared.outbox.revision == Revision::V4 && now >= self.next_ping {
            self.shared.push(Out::Ping, false, now);
            // Look again when the answer is overdue. A pong moves both.
            self.next_ping = self.expires_at + self.shared.engine.config.ping_interval;
            let soon = now + self.shared.engine.config.ping_interval;
            if soon < self.expires_at {
                // A pong may come and the next ping be due before this one would have been overdue.
                self.arm_at(soon, ctx);
                return;
            }
        }
        self.arm(ctx);
    }

    /// Arms the timer for `at`, or for the deadline of the layer above if that comes first.
    fn arm_at(&mut self, at: Instant, ctx: &mut Context<Self>) {
        let at = self.handler.deadline().map_or(at, |deadline| at.min(deadline));
        self.timer_at = Some(at);
        ctx.run_later(at.saturating_duration_since(Instant::now()), move |connection, ctx| {
            // A timer that was armed for a later moment than a newer one has nothing to do.
            if connection.timer_at == Some(at) {
                connection.on_timer(ctx);
            }
        });
    }

    /// The native socket cannot write: looks after the age of what waits.
    pub(super) fn watch_age(&mut self, ctx: &mut Context<Self>) {
        let limit = self.shared.engine.config.outbox_age;
        ctx.run_later(limit + Duration::from_millis(1), move |connection, ctx| {
            let Some(Link::Native(socket)) = &connection.main else { return };
            let Some(since) = socket.blocked_on() else {
                socket.stop_watching();
                return;
            };
            if since.elapsed() > limit {
                connection.shared.close_slow();
            } else {
                connection.watch_age(ctx);
            }
        });
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
        tracing::debug!(sid = %self.shared.sid, %reason, "connection closed");
        self.abandon_upgrade(ctx);
        self.handler.on_close(reason);
        if let Some(post) = self.post.take() {
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
        self.shared.engine.connections.remove(&self.shared.sid);
        ctx.stop();
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        if self.phase == Phase::Open {
            // The worker thread went away under us.
            self.phase = Phase::Closed;
            self.shared.is_closed.store(true, Ordering::Release);
            self.handler.on_close(DisconnectReason::ServerShuttingDown);
            self.shared.outbox.close(true, None);
            // Nobody else would: a registered socket is held by its thread, an embedded one by its response.
            for link in self.main.take().into_iter().chain(self.upgrade.take().map(|upgrade| upgrade.link)) {
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
    /// Taken over, with the bytes that were read already.
    Native(NativeStream, Bytes),
    Embedded(Arc<EmbeddedLink>),
}

/// The body of a POST.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Post {
    pub(super) body: Bytes,
    /// Revision 3 with `application/octet-stream`.
    pub(super) is_binary: bool,
    pub(super) answer: oneshot::Sender<PostAnswer>,
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
        let mut on = |packet: Packet<'_>| {
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
        if let Err(error) = result {
            self.parse_error(&error, ctx);
            let _ = post.answer.send(PostAnswer::Refused);
        } else if self.is_paused() && self.phase == Phase::Open {
            self.post = Some(post.answer);
        } else {
            let _ = post.answer.send(PostAnswer::Taken);
        }
    }
}

/// A poll went away unanswered, or a second request of its kind came: the session is over.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Close {
    pub(super) reason: DisconnectReason,
    pub(super) discard: bool,
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Self::Context) {
        self.close(close.reason, close.discard, ctx);
    }
}

/// The poll that fetched the last packets of a closed session is done, or a poll found it expired.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Settle;

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
pub(super) struct Resume;

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
pub(super) struct CheckOutbox;

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
pub(super) enum Probe {
    /// Taken over natively.
    Native(NativeStream, Bytes),
    /// The embedded transport's.
    Embedded(Arc<EmbeddedLink>),
}

impl Handler<Probe> for Connection {
    type Result = ();

    fn handle(&mut self, probe: Probe, ctx: &mut Self::Context) {
        match probe {
            Probe::Native(stream, read) => {
                let Some(stream) = stream.adopt() else {
                    self.shared.is_upgrading.store(false, Ordering::Release);
                    return;
                };
                let socket = NativeSocket::new(stream, self.shared.clone());
                self.begin_upgrade(Link::Native(socket.clone()), ctx);
                if self.knows(&socket) {
                    ctx.spawn(Reader::new(socket, read));
                }
            }
            Probe::Embedded(link) => self.begin_upgrade(Link::Embedded(link), ctx),
        }
    }
}

/// Something an embedded websocket received.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EmbeddedEvent {
    pub(super) link: Arc<EmbeddedLink>,
    pub(super) event: OwnedEvent,
}

/// A [`WsEvent`] on its way between threads.
pub(super) enum OwnedEvent {
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
                self.on_embedded_event(&link, event, ctx);
            }
        }
        self.on_embedded_event(&link, event, ctx);
    }
}

impl Connection {
    /// What was kept while an embedded websocket was not read, until it is not read again.
    fn read_held(&mut self, ctx: &mut Context<Self>) {
        let Some(Link::Embedded(link)) = &self.main else { return };
        let link = link.clone();
        while self.phase == Phase::Open
            && !self.is_paused()
            && let Some(event) = link.next_held()
        {
            self.on_embedded_event(&link, event, ctx);
        }
    }

    fn on_embedded_event(&mut self, link: &Arc<EmbeddedLink>, event: OwnedEvent, ctx: &mut Context<Self>) {
        link.handled(&event);
        let is_main = self.main.as_ref().is_some_and(|main| main.is_embedded(link));
        let is_probe = self.upgrade.as_ref().is_some_and(|upgrade| upgrade.link.is_embedded(link));
        if self.phase != Phase::Open || !(is_main || is_probe) {
            return;
        }
        let event = match &event {
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

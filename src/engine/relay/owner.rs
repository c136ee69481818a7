//! The owner: requests for its sessions that came to other nodes. Each is served on its session's thread, through the same
//! doors as a request that came to this node.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use actix::prelude::*;
use actix_web::http::StatusCode;
use socketio_cluster::relay::{Answer as WireAnswer, Event, Open, Part, Refusal, Request, Violation};
use tokio::time::{Interval, Sleep};

use super::OWNER_WINDOW;
use super::stream::{Broken, Handle};
use crate::disconnect_reason::DisconnectReason;
use crate::engine::EngineInner;
use crate::engine::answer::Answer;
use crate::engine::connection::{Close, Connection, OwnedEvent, Probe, Settle};
use crate::engine::frame::{FrameError, OpCode, write_frame};
use crate::engine::handle::Shared;
use crate::engine::handshake::UpgradeClaim;
use crate::engine::link::{EmbeddedLink, WebsocketEnd as _};
use crate::engine::packet::Revision;
use crate::engine::polling::{self, RunningPost};

/// How long the last frames of a websocket wait for a client that does not read.
const LINGER: Duration = Duration::from_secs(5);

/// A relayed request on its way to its session's thread. If the session is gone meanwhile, dropping it says so.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::engine) struct Relayed {
    shared: Arc<Shared>,
    stream: Handle,
    work: Work,
}

enum Work {
    Poll {
        accepted: Arc<str>,
    },
    Post {
        is_binary: bool,
    },
    Upgrade(UpgradeClaim),
    /// A websocket that is opened, as the reference server does, to be closed at once.
    TurnAway,
}

/// A request came. On the thread of the cluster's connection.
pub(super) fn begin(engine: &EngineInner, stream: Handle, open: &Open) {
    match admit(engine, open) {
        Ok((shared, work)) => shared.clone().tell(Relayed { shared, stream, work }),
        Err(refusal) => _ = stream.send(Part::Refused(refusal)),
    }
}

/// The same questions in the same order as for a request that came to this node.
fn admit(engine: &EngineInner, open: &Open) -> Result<(Arc<Shared>, Work), Refusal> {
    let shared = engine.connections.get(&open.sid).ok_or(Refusal::SessionUnknown)?;
    if shared.is_expired() {
        shared.tell(Settle);
        return Err(Refusal::SessionUnknown);
    }
    let revision = match shared.outbox.revision {
        Revision::V3 => 3,
        Revision::V4 => 4,
    };
    if revision != open.revision {
        return Err(Refusal::Revision);
    }
    let is_websocket = shared.is_websocket.load(Ordering::Acquire);
    let work = match &open.request {
        Request::Poll { .. } | Request::Post { .. } if is_websocket => return Err(Refusal::Transport),
        Request::Poll { accept_encoding } => Work::Poll { accepted: accept_encoding.clone() },
        Request::Post { is_binary } => Work::Post { is_binary: *is_binary },
        Request::Websocket if !engine.config.allow_upgrades => return Err(Refusal::UpgradesOff),
        Request::Websocket if shared.is_closed.load(Ordering::Acquire) => {
            return Err(Refusal::SessionUnknown);
        }
        Request::Websocket => match UpgradeClaim::take(&shared) {
            Some(claim) => Work::Upgrade(claim),
            None => Work::TurnAway,
        },
    };
    Ok((shared, work))
}

/// An edge gave up a request that never arrived here.
pub(super) fn abort(engine: &EngineInner, sid: &str) {
    if let Some(shared) = engine.connections.get(sid) {
        close(&shared);
    }
}

fn close(shared: &Shared) {
    shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
}

impl Handler<Relayed> for Connection {
    type Result = ();

    fn handle(&mut self, relayed: Relayed, _: &mut Self::Context) {
        // Not in the actor's own context: the answer may be the last thing before the actor ends.
        actix_rt::spawn(serve(relayed));
    }
}

async fn serve(Relayed { shared, stream, work }: Relayed) {
    match work {
        Work::Poll { accepted } => poll(&shared, &stream, &accepted).await,
        Work::Post { is_binary } => post(&shared, &stream, is_binary).await,
        Work::Upgrade(claim) => {
            stream.send(Part::Accepted(OWNER_WINDOW as u64));
            let link = EmbeddedLink::new(claim.using());
            shared.tell(Probe::Embedded(link.clone()));
            if !shared.is_alive() {
                // The session ended meanwhile: nobody else would end the websocket.
                link.finish(false);
            }
            let mut pump = Pump::new(&shared, &stream, link);
            poll_fn(|context| pump.poll(context)).await;
        }
        Work::TurnAway => {
            tracing::debug!(
                sid = shared.short_sid(),
                "a second websocket for a session that is upgrading or upgraded"
            );
            stream.send(Part::Accepted(OWNER_WINDOW as u64));
            let mut frame = Vec::with_capacity(4);
            write_frame(&mut frame, OpCode::Close, &1008_u16.to_be_bytes());
            stream.send(Part::Frames(frame.into()));
            stream.send(Part::Ended);
        }
    }
}

/// Waits for packets.
async fn poll(shared: &Arc<Shared>, stream: &Handle, accepted: &str) {
    let answer = {
        let polling = polling::poll(shared, accepted);
        // When nothing else is to be said to the edge: dropping the poll closes the session, as an aborted one does.
        let Ok(answer) = unless_broken(shared, stream, polling).await else { return };
        answer
    };
    if let Err(broken) = finish(shared, stream, answer).await {
        tracing::debug!(sid = shared.short_sid(), ?broken, "the answer to a relayed poll is lost");
        close(shared);
    }
}

/// Takes packets.
async fn post(shared: &Arc<Shared>, stream: &Handle, is_binary: bool) {
    let answer = match RunningPost::begin(shared, is_binary) {
        Err(answer) => answer,
        Ok(post) => {
            stream.send(Part::Accepted(OWNER_WINDOW as u64));
            // Whatever else comes is an abort, or nonsense: dropping the post closes the session.
            let Ok(Ok(Part::Body(body))) = alive(shared, stream, stream.receive()).await else { return };
            if body.len() > shared.engine.config.max_http_buffer_size {
                Answer::empty(StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                match unless_broken(shared, stream, post.take(body)).await {
                    Ok(answer) => answer,
                    // The client left: that it does at home, too.
                    Err(None | Some(Broken::NodeGone)) => return,
                    Err(Some(_)) => return close(shared),
                }
            }
        }
    };
    match finish(shared, stream, answer).await {
        Ok(()) | Err(Broken::NodeGone) => {}
        Err(_) => close(shared),
    }
}

/// Works until it is done, or the edge says something: then it is no use any more. `None` is the edge's last word.
async fn unless_broken<T>(
    shared: &Shared,
    stream: &Handle,
    work: impl Future<Output = T>,
) -> Result<T, Option<Broken>> {
    let mut work = pin!(work);
    let either = async {
        tokio::select! {
            biased;
            done = &mut work => Ok(done),
            said = stream.receive() => Err(said.err()),
        }
    };
    alive(shared, stream, either).await.unwrap_or_else(|broken| Err(Some(broken)))
}

/// Waits, and shows the edge that the session is alive meanwhile.
async fn alive<T>(shared: &Shared, stream: &Handle, work: impl Future<Output = T>) -> Result<T, Broken> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(shared.engine.config.ping_interval) => {
                if !stream.send(Part::Credit(0)) {
                    return Err(Broken::Lost);
                }
            }
        }
    }
}

/// Sends the answer, and waits until the edge has it.
async fn finish(shared: &Shared, stream: &Handle, answer: Answer) -> Result<(), Broken> {
    let config = &shared.engine.config;
    if !stream.send(Part::Answer(answer.into())) {
        return Err(Broken::Lost);
    }
    match stream.receive_within(config.ping_interval + config.ping_timeout).await {
        Ok(Part::Taken) => Ok(()),
        Ok(_) => Err(Broken::Lost),
        Err(broken) => Err(broken),
    }
}

/// Moves frames between an edge and the session: to the session it is an embedded websocket.
struct Pump<'a> {
    shared: &'a Arc<Shared>,
    stream: &'a Handle,
    link: Arc<EmbeddedLink>,
    /// When the edge gets a sign of life.
    signs: Interval,
    /// The client is gone.
    is_gone: bool,
    /// The end waits for a client that does not read.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<'a> Pump<'a> {
    fn new(shared: &'a Arc<Shared>, stream: &'a Handle, link: Arc<EmbeddedLink>) -> Self {
        let interval = shared.engine.config.ping_interval;
        let signs = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        Self { shared, stream, link, signs, is_gone: false, linger: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Also while the session is not read: the client may leave.
        self.stream.remember(context);
        loop {
            let write = self.poll_write(context);
            if let Poll::Ready(true) = write {
                return Poll::Ready(());
            }
            let read = self.poll_read(context);
            if let Poll::Ready(true) = read {
                return Poll::Ready(());
            }
            if self.signs.poll_tick(context).is_ready() {
                self.stream.send(Part::Credit(0));
            } else if write.is_pending() && read.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// To the edge, as far as it takes more: the rest stays in the outbox, which judges the client. True at the end.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.stream.poll_credit(context).is_pending() {
            if !self.link.poll_finishing(context).is_ready() {
                return Poll::Pending;
            }
            if self.is_gone {
                return Poll::Ready(true);
            }
            let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            return linger.as_mut().poll(context).map(|()| true);
        }
        match self.link.poll_write(context) {
            Poll::Ready(Some(frames)) => {
                self.stream.send(Part::Frames(frames));
                Poll::Ready(false)
            }
            Poll::Ready(None) => {
                self.stream.send(Part::Ended);
                Poll::Ready(true)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// From the edge, as fast as the session reads; the end is not kept waiting. True when the stream is broken.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.is_gone {
            return Poll::Pending;
        }
        if !self.stream.is_over() && self.link.poll_read_ready(context).is_pending() {
            return Poll::Pending;
        }
        let broken = match self.stream.poll_receive(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Part::Event(event))) => {
                self.is_gone = matches!(event, Event::Gone(_));
                self.link.receive(owned(event));
                return Poll::Ready(false);
            }
            Poll::Ready(Ok(_)) => Broken::Lost,
            Poll::Ready(Err(broken)) => broken,
        };
        tracing::debug!(sid = self.shared.short_sid(), ?broken, "a relayed websocket breaks");
        if broken != Broken::NodeGone {
            // What it said or was told is lost: as at home, where this cannot happen to a connection that goes on.
            close(self.shared);
        }
        self.link.receive(OwnedEvent::Gone(None));
        Poll::Ready(true)
    }
}

fn owned(event: Event) -> OwnedEvent {
    match event {
        Event::Text(bytes) => OwnedEvent::Text(bytes),
        Event::Binary(bytes) => OwnedEvent::Binary(bytes),
        Event::Ping(bytes) => OwnedEvent::Ping(bytes),
        Event::Pong => OwnedEvent::Pong,
        Event::Close(code) => OwnedEvent::Close(code),
        Event::Gone(violation) => OwnedEvent::Gone(violation.map(|violation| match violation {
            Violation::Protocol => FrameError::Protocol,
            Violation::TooBig => FrameError::TooBig,
            Violation::TooManyFragments => FrameError::TooManyFragments,
            Violation::Utf8 => FrameError::Utf8,
        })),
    }
}

impl From<Answer> for WireAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            content_type: answer.content_type.into(),
            content_encoding: answer.content_encoding.into(),
            varies: answer.varies,
            body: answer.body,
        }
    }
}

//! The edge: requests of clients whose session another node has.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{Answer as WireAnswer, Part, Refusal, Request};

use super::edge_native;
use super::edge_socket::EdgeSocket;
use super::stream::{Broken, Handle};
use crate::engine::EngineInner;
use crate::engine::answer::Answer;
use crate::engine::handle::TransportKind;
use crate::engine::handshake::{CanTakeOver, ConnectionError, native_response};
use crate::engine::packet::Revision;
use crate::engine::{polling, websocket};
use crate::id::NODE_TOKEN_LENGTH;

/// A session id longer than this is nobody's.
const MAX_SID: usize = 256;
/// What is forwarded of `accept-encoding`; a longer one counts as none.
const MAX_ACCEPT_ENCODING: usize = 1024;

/// The live other node that has a session, if its id says so.
pub(in crate::engine) fn owner_of(engine: &EngineInner, sid: &str) -> Option<NodeId> {
    let relays = engine.relays.get()?;
    if sid.len() > MAX_SID || !sid.is_ascii() {
        return None;
    }
    let token = sid.get(sid.len().checked_sub(NODE_TOKEN_LENGTH)?..)?;
    if token == engine.ids.node().as_str() { None } else { relays.bus.live_node(token) }
}

/// Has a request answered by the session's owner.
pub(in crate::engine) async fn serve(
    engine: &Arc<EngineInner>,
    request: &HttpRequest,
    payload: web::Payload,
    (owner, sid): (NodeId, &str),
    transport: TransportKind,
    revision: Revision,
) -> Result<HttpResponse, ConnectionError> {
    let asks_for = match (transport, request.method()) {
        (TransportKind::Websocket, _) => Request::Websocket,
        (TransportKind::Polling, &Method::GET) => {
            let accepted = polling::accepted_encodings(request);
            let accepted = if accepted.len() > MAX_ACCEPT_ENCODING { "" } else { accepted };
            Request::Poll { accept_encoding: accepted.into() }
        }
        (TransportKind::Polling, &Method::POST) => Request::Post { is_binary: polling::is_binary(request) },
        _ => return Err(ConnectionError::BadHandshakeMethod),
    };
    let revision = match revision {
        Revision::V3 => 3,
        Revision::V4 => 4,
    };
    let relays = engine.relays.get().ok_or(ConnectionError::SessionIdUnknown)?;
    let stream = relays
        .open(owner, sid.into(), revision, asks_for.clone())
        .ok_or(ConnectionError::SessionIdUnknown)?;
    let limit = engine.config.ping_interval + engine.config.ping_timeout;
    match asks_for {
        Request::Poll { .. } => answered(stream, limit).await,
        Request::Post { .. } => post(engine, request, payload, stream, limit).await,
        Request::Websocket => upgrade(engine, request, payload, stream, limit).await,
    }
}

/// Waits for the answer.
async fn answered(stream: Handle, limit: Duration) -> Result<HttpResponse, ConnectionError> {
    let part = stream.receive_within(limit).await;
    settle(&stream, part)
}

/// What the owner's last word means for the client.
fn settle(stream: &Handle, part: Result<Part, Broken>) -> Result<HttpResponse, ConnectionError> {
    match part {
        Ok(Part::Answer(answer)) => {
            stream.send(Part::Taken);
            Ok(Answer::from(answer).into_response())
        }
        Ok(Part::Refused(refusal)) => Err(refusal.into()),
        Ok(_) => {
            stream.stream().fail(Broken::Lost);
            Err(ConnectionError::SessionIdUnknown)
        }
        // It is gone, or about to be closed for the loss.
        Err(broken) => {
            tracing::debug!(?broken, "a relayed request ends without an answer");
            Err(ConnectionError::SessionIdUnknown)
        }
    }
}

/// Brings packets: the body is read while the owner says whether it may come.
async fn post(
    engine: &EngineInner,
    request: &HttpRequest,
    payload: web::Payload,
    stream: Handle,
    limit: Duration,
) -> Result<HttpResponse, ConnectionError> {
    let mut reading = pin!(polling::read_body(request, payload, &engine.config));
    let (mut body, mut is_accepted) = (None, false);
    let body = loop {
        tokio::select! {
            read = &mut reading, if body.is_none() => body = Some(read),
            part = stream.receive_within(limit), if !is_accepted => match part {
                Ok(Part::Accepted(_)) => is_accepted = true,
                other => return settle(&stream, other),
            },
        }
        if is_accepted && let Some(body) = body.take() {
            break body;
        }
    };
    match body {
        Ok(body) => {
            stream.send(Part::Body(body));
            let mut waiting = Waiting { stream: &stream, is_answered: false };
            let part = stream.receive_within(limit).await;
            waiting.is_answered = true;
            drop(waiting);
            settle(&stream, part)
        }
        // Dropping the stream closes the session.
        Err(refused) => Ok(refused),
    }
}

/// A client that leaves after its packets were sent on does not end the session, as it would not at home.
struct Waiting<'a> {
    stream: &'a Handle,
    is_answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.stream.send(Part::Taken);
        }
    }
}

/// A websocket for a session that polls.
async fn upgrade(
    engine: &EngineInner,
    request: &HttpRequest,
    payload: web::Payload,
    stream: Handle,
    limit: Duration,
) -> Result<HttpResponse, ConnectionError> {
    match stream.receive_within(limit).await {
        Ok(Part::Accepted(_)) => {}
        other => return settle(&stream, other),
    }
    if engine.is_closing.load(Ordering::SeqCst) {
        // It was not among those that were closed when this node began to stop.
        stream.stream().fail(Broken::Closing);
    }
    let socket = EdgeSocket::new(stream, &engine.config);
    if request.extensions().contains::<CanTakeOver>() {
        return native_response(request, move |taken| edge_native::start(taken, socket));
    }
    websocket::start(request, payload, || socket)
        .map_err(|_| ConnectionError::BadRequest("websocket handshake"))
}

impl From<WireAnswer> for Answer {
    fn from(answer: WireAnswer) -> Self {
        Self {
            status: answer.status,
            content_type: answer.content_type.to_string().into(),
            content_encoding: answer.content_encoding.to_string().into(),
            varies: answer.varies,
            body: answer.body,
        }
    }
}

impl From<Refusal> for ConnectionError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SessionUnknown => Self::SessionIdUnknown,
            Refusal::Revision => Self::BadRequest("protocol version mismatch"),
            Refusal::Transport => Self::BadRequest("transport mismatch"),
            Refusal::UpgradesOff => Self::BadRequest("upgrades are off"),
        }
    }
}

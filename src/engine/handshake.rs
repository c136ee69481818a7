//! The HTTP side of a session's beginning: which requests are allowed to do what.
//!
//! Source: the Engine.IO protocol, section "Handshake", and the error codes of the reference server.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_http::ws::{hash_key, verify_handshake};
use actix_web::cookie::Cookie;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

use super::connection::{Close, Connection, FirstLink, Probe, Settle};
use super::handle::{Shared, TransportKind};
use super::link::{EmbeddedLink, Link};
use super::native::{NativeSocket, Taken};
use super::packet::Revision;
use super::request::HandshakeRequest;
use super::{EngineInner, polling, query, relay, websocket};
use crate::counters::Refused;
use crate::disconnect_reason::DisconnectReason;

/// Why a request was refused: the codes of the reference server, and what it answers them with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Code 0: the `transport` is unknown or not enabled.
    TransportUnknown,
    /// Code 1: there is no such session.
    SessionIdUnknown,
    /// Code 2: a session is opened by GET only.
    BadHandshakeMethod,
    /// Code 3, with what is wrong.
    BadRequest(&'static str),
    /// Code 4: the `allow_request` hook refused, with its message.
    Forbidden(String),
    /// Code 4, status 429: an `allow_request` hook found that it is one too many, with its message.
    TooManyRequests(String),
    /// Code 5: `EIO` is missing, or a revision that is not served.
    UnsupportedProtocolVersion,
    /// Over [`max_connections`](crate::config::EngineConfig::max_connections), or shutting down: status 503.
    Unavailable,
}

impl ConnectionError {
    /// The numeric code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionIdUnknown => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest(_) => 3,
            Self::Forbidden(_) | Self::TooManyRequests(_) | Self::Unavailable => 4,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    /// The message in the answer.
    pub fn message(&self) -> &str {
        match self {
            Self::TransportUnknown => "Transport unknown",
            Self::SessionIdUnknown => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest(_) => "Bad request",
            Self::Forbidden(message) | Self::TooManyRequests(message) => message,
            Self::UnsupportedProtocolVersion => "Unsupported protocol version",
            Self::Unavailable => "Service unavailable",
        }
    }

    fn counted(&self) -> Refused {
        match self {
            Self::TransportUnknown => Refused::Transport,
            Self::SessionIdUnknown => Refused::Session,
            Self::BadHandshakeMethod => Refused::Method,
            Self::BadRequest(_) => Refused::Request,
            Self::Forbidden(_) => Refused::Forbidden,
            Self::TooManyRequests(_) => Refused::TooMany,
            Self::UnsupportedProtocolVersion => Refused::Protocol,
            Self::Unavailable => Refused::Unavailable,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status())
            .json(serde_json::json!({ "code": self.code(), "message": self.message() }))
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(detail) => write!(f, "bad request: {detail}"),
            other => f.write_str(other.message()),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// The text is the message of a [`ConnectionError::Forbidden`].
impl From<String> for ConnectionError {
    fn from(message: String) -> Self {
        Self::Forbidden(message)
    }
}

impl From<&str> for ConnectionError {
    fn from(message: &str) -> Self {
        Self::Forbidden(message.to_owned())
    }
}

/// Left in the extensions of a request whose socket can be taken over.
pub(crate) struct CanTakeOver;

/// Left in the extensions of a response: the socket is to be taken over.
pub(crate) struct TakeOver(pub(super) Box<dyn FnOnce(Taken)>);

/// Answers any request to the endpoint.
pub(super) async fn serve(
    engine: Arc<EngineInner>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mut response = match admit(&engine, &request, payload).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(%error, code = error.code(), "request refused");
            engine.counters.here().refusals[error.counted() as usize].add(1);
            if let Some(hook) = &engine.hooks.connection_error {
                hook(&request, &error);
            }
            error.response()
        }
    };
    if engine.is_draining.load(Ordering::SeqCst) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The client's next request is for another node.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(hook) = &engine.hooks.headers {
        hook(response.headers_mut(), &request);
    }
    response
}

/// What the query of a request says; of each parameter the first.
#[derive(Default)]
struct Asked<'a> {
    sid: Option<Cow<'a, str>>,
    revision: Option<Cow<'a, str>>,
    transport: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> {
    fn of(query: &'a str) -> Self {
        let mut asked = Self::default();
        for (key, value) in query::pairs(query) {
            let field = match &*key {
                "sid" => &mut asked.sid,
                "EIO" => &mut asked.revision,
                "transport" => &mut asked.transport,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        asked
    }
}

async fn admit(
    engine: &Arc<EngineInner>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ConnectionError> {
    let Asked { sid, revision, transport } = Asked::of(request.query_string());
    // Before all else: load balancers that look at the endpoint see it, too.
    if sid.is_none() && engine.is_draining.load(Ordering::SeqCst) {
        return Err(ConnectionError::Unavailable);
    }
    // Without a known revision nothing else can be understood.
    let revision = match revision.as_deref() {
        Some("4") => Revision::V4,
        Some("3") if engine.config.allow_eio3 => Revision::V3,
        _ => return Err(ConnectionError::UnsupportedProtocolVersion),
    };
    let transport = match transport.as_deref() {
        Some("polling") if engine.config.polling => TransportKind::Polling,
        Some("websocket") if engine.config.websocket => TransportKind::Websocket,
        _ => return Err(ConnectionError::TransportUnknown),
    };
    let is_upgrade = request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if is_upgrade != (transport == TransportKind::Websocket) {
        return Err(ConnectionError::BadRequest("transport and upgrade header do not fit"));
    }
    match sid {
        None => {
            let watching = engine.hooks.opening.as_ref().map(|begin| begin(transport));
            let opened = open(engine, request, payload, transport, revision).await;
            if let Some(end) = watching {
                end(opened.as_ref().err());
            }
            opened
        }
        Some(sid) => {
            let Some(shared) = engine.connections.get(&sid) else {
                let owner = relay::owner_of(engine, &sid).ok_or(ConnectionError::SessionIdUnknown)?;
                return relay::serve(engine, request, payload, (owner, &sid), transport, revision).await;
            };
            if shared.is_expired() {
                shared.tell(Settle);
                return Err(ConnectionError::SessionIdUnknown);
            }
            if shared.outbox.revision != revision {
                return Err(ConnectionError::BadRequest("protocol version mismatch"));
            }
            match transport {
                TransportKind::Websocket => upgrade(request, payload, shared),
                TransportKind::Polling if shared.is_websocket.load(Ordering::Acquire) => {
                    Err(ConnectionError::BadRequest("transport mismatch"))
                }
                TransportKind::Polling if request.method() == Method::GET => {
                    let accepted = polling::accepted_encodings(request);
                    Ok(polling::poll(&shared, accepted).await.into_response())
                }
                TransportKind::Polling if request.method() == Method::POST => {
                    Ok(polling::post(&shared, request, payload).await)
                }
                TransportKind::Polling => Err(ConnectionError::BadHandshakeMethod),
            }
        }
    }
}

/// A new session.
async fn open(
    engine: &Arc<EngineInner>,
    request: &HttpRequest,
    payload: web::Payload,
    transport: TransportKind,
    revision: Revision,
) -> Result<HttpResponse, ConnectionError> {
    if request.method() != Method::GET {
        return Err(ConnectionError::BadHandshakeMethod);
    }
    let shared = begin(engine, request, transport, revision).await?;
    let mut response = match transport {
        TransportKind::Polling => {
            let open = engine.open.clone();
            Connection::start(&shared, move |handle| open(handle), None);
            engine.connections.insert(shared.clone());
            refuse_if_closing(&shared);
            polling::first(&shared, request)
        }
        TransportKind::Websocket if request.extensions().contains::<CanTakeOver>() => {
            let shared = shared.clone();
            native_response(request, move |taken| {
                let engine = shared.engine.clone();
                if engine.is_full() {
                    // Others were quicker.
                    return Link::Native(NativeSocket::new(taken.stream, taken.head, shared)).close(1013);
                }
                let open = engine.open.clone();
                Connection::start(&shared, move |handle| open(handle), Some(FirstLink::Native(taken)));
                engine.connections.insert(shared.clone());
                refuse_if_closing(&shared);
            })?
        }
        TransportKind::Websocket => websocket::start(request, payload, || {
            let link = EmbeddedLink::new(shared.clone());
            let open = engine.open.clone();
            Connection::start(&shared, move |handle| open(handle), Some(FirstLink::Embedded(link.clone())));
            engine.connections.insert(shared.clone());
            refuse_if_closing(&shared);
            link
        })
        .map_err(|_| ConnectionError::BadRequest("websocket handshake"))?,
    };
    decorate(engine, request, &shared, &mut response);
    Ok(response)
}

/// Closes a session that was admitted just before the endpoint began to close and is not among those it saw.
fn refuse_if_closing(shared: &Shared) {
    if shared.engine.is_closing.load(Ordering::SeqCst) {
        shared.tell(Close { reason: DisconnectReason::ServerShuttingDown, discard: false });
    }
}

/// Asks whoever has a say in it whether a session may be opened, and makes what its connection will share.
pub(super) async fn begin(
    engine: &Arc<EngineInner>,
    request: &HttpRequest,
    transport: TransportKind,
    revision: Revision,
) -> Result<Arc<Shared>, ConnectionError> {
    for allow in &engine.hooks.allow_request {
        allow(request.clone()).await?;
    }
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if headers.sum::<usize>() > engine.config.max_header_bytes {
        return Err(ConnectionError::BadRequest("headers too large"));
    }
    if engine.is_full() || engine.is_draining.load(Ordering::SeqCst) {
        return Err(ConnectionError::Unavailable);
    }
    if let Some(hook) = &engine.hooks.handshake {
        hook(request);
    }
    let mut sid = engine.ids.session_id();
    if engine.ids.may_repeat() && engine.connections.contains(&sid) {
        tracing::error!("the custom id generator repeated itself; using a random id");
        sid = engine.ids.random_id();
    }
    let kept = HandshakeRequest::new(request, &engine.copiers);
    let shared = Arc::new(Shared::new(sid, revision, transport, engine, kept));
    tracing::debug!(sid = shared.short_sid(), transport = transport.as_str(), "handshake");
    Ok(shared)
}

/// Cookie and headers of a session's first answer.
fn decorate(engine: &EngineInner, request: &HttpRequest, shared: &Shared, response: &mut HttpResponse) {
    if let Some(config) = &engine.config.cookie {
        let mut cookie = Cookie::build(config.name.as_str(), &*shared.sid)
            .http_only(config.http_only)
            .secure(config.secure)
            .finish();
        if let Some(path) = &config.path {
            cookie.set_path(path.as_str());
        }
        if let Some(same_site) = config.same_site {
            cookie.set_same_site(same_site);
        }
        if let Some(max_age) = config.max_age {
            let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
            cookie.set_max_age(actix_web::cookie::time::Duration::seconds(seconds));
        }
        if let Err(error) = response.add_cookie(&cookie) {
            tracing::error!(%error, "the configured cookie cannot be sent");
        }
    }
    if let Some(hook) = &engine.hooks.initial_headers {
        hook(response.headers_mut(), request);
    }
}

/// A websocket for a session that polls.
fn upgrade(
    request: &HttpRequest,
    payload: web::Payload,
    shared: Arc<Shared>,
) -> Result<HttpResponse, ConnectionError> {
    if !shared.engine.config.allow_upgrades {
        return Err(ConnectionError::BadRequest("upgrades are off"));
    }
    if shared.is_closed.load(Ordering::Acquire) {
        return Err(ConnectionError::SessionIdUnknown);
    }
    // Until the connection has the websocket, whatever goes wrong makes it upgradable again.
    let Some(claim) = UpgradeClaim::take(&shared) else {
        tracing::debug!(
            sid = shared.short_sid(),
            "a second websocket for a session that is upgrading or upgraded"
        );
        return turn_away(request, payload, shared);
    };
    if request.extensions().contains::<CanTakeOver>() {
        return native_response(request, move |taken| {
            let shared = claim.using();
            let detached =
                if shared.thread == super::turn::current_thread() { Ok(taken) } else { taken.detach() };
            match detached {
                Ok(taken) => shared.tell(Probe::Native(taken)),
                Err(error) => {
                    tracing::warn!(%error, "a socket could not be handed to its thread");
                    shared.is_upgrading.store(false, Ordering::Release);
                }
            }
        });
    }
    websocket::start(request, payload, move || {
        let link = EmbeddedLink::new(claim.using());
        link.shared().tell(Probe::Embedded(link.clone()));
        if !link.shared().is_alive() {
            // The session ended meanwhile: nobody else would end the websocket.
            link.finish(false);
        }
        link
    })
    .map_err(|_| ConnectionError::BadRequest("websocket handshake"))
}

/// A websocket that is opened, as the reference server does, to be closed at once.
fn turn_away(
    request: &HttpRequest,
    payload: web::Payload,
    shared: Arc<Shared>,
) -> Result<HttpResponse, ConnectionError> {
    if request.extensions().contains::<CanTakeOver>() {
        return native_response(request, move |taken| {
            Link::Native(NativeSocket::new(taken.stream, taken.head, shared)).close(1008)
        });
    }
    websocket::start(request, payload, || {
        let link = EmbeddedLink::new(shared);
        Link::Embedded(link.clone()).close(1008);
        link
    })
    .map_err(|_| ConnectionError::BadRequest("websocket handshake"))
}

/// The right to upgrade a session; given back when it is dropped unused.
pub(super) struct UpgradeClaim {
    shared: Arc<Shared>,
    is_used: bool,
}

impl UpgradeClaim {
    /// None if the session is upgrading or upgraded.
    pub(super) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let is_free = !shared.is_upgrading.swap(true, Ordering::AcqRel);
        is_free.then(|| Self { shared: shared.clone(), is_used: false })
    }

    pub(super) fn using(mut self) -> Arc<Shared> {
        self.is_used = true;
        self.shared.clone()
    }
}

impl Drop for UpgradeClaim {
    fn drop(&mut self) {
        if !self.is_used {
            self.shared.is_upgrading.store(false, Ordering::Release);
        }
    }
}

/// The answer to a websocket handshake whose socket will be taken over.
pub(super) fn native_response(
    request: &HttpRequest,
    take: impl FnOnce(Taken) + 'static,
) -> Result<HttpResponse, ConnectionError> {
    let head = request.head();
    verify_handshake(head).map_err(|_| ConnectionError::BadRequest("websocket handshake"))?;
    let key = head.headers().get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], HeaderValue::as_bytes);
    let accept = hash_key(key);
    let mut response = HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .insert_header((header::SEC_WEBSOCKET_ACCEPT, &accept[..]))
        .finish();
    response.extensions_mut().insert(TakeOver(Box::new(take)));
    Ok(response)
}

/// Headers as the hooks see them.
pub type HeadersHook = Arc<dyn Fn(&mut HeaderMap, &HttpRequest) + Send + Sync>;

//! HTTP long-polling: one GET that waits for packets, one POST that brings some.
//!
//! Source: the Engine.IO protocol, section "HTTP long-polling".

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::connection::{Close, Post, PostAnswer, Settle};
use super::handle::Shared;
use super::out::{Item, Out};
use super::outbox::Polled;
use super::packet::Revision;
use super::payload::{SEPARATOR, write_v3_binary, write_v3_text};
use crate::config::EngineConfig;
use crate::disconnect_reason::DisconnectReason;

const TEXT: &str = "text/plain; charset=UTF-8";
const OCTETS: &str = "application/octet-stream";

/// About how many bytes one poll answers with; a single larger message is sent all the same.
const MAX_POLL_BYTES: usize = 1_000_000;

/// The answer to the handshake: the OPEN packet.
pub(super) fn first(shared: &Arc<Shared>, request: &HttpRequest) -> HttpResponse {
    let accepted = accepted_encodings(request);
    let id = shared.outbox.begin_poll();
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    match id.map(|id| shared.outbox.poll(id, 1, usize::MAX, &context)) {
        Ok(std::task::Poll::Ready(Polled::Items(items))) => answer(shared, accepted, &items).into_response(),
        // The session was closed as soon as it was opened.
        _ => HttpResponse::BadRequest().finish(),
    }
}

/// The `accept-encoding` of a request.
pub(super) fn accepted_encodings(request: &HttpRequest) -> &str {
    let accepted = request.headers().get(header::ACCEPT_ENCODING);
    accepted.and_then(|accepted| accepted.to_str().ok()).unwrap_or_default()
}

/// Waits for packets. `accepted` is the `accept-encoding` of the request.
pub(super) async fn poll(shared: &Arc<Shared>, accepted: &str) -> Answer {
    let Ok(id) = shared.outbox.begin_poll() else {
        tracing::debug!(sid = shared.short_sid(), "two polls at once");
        shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        return Answer::bad_request();
    };
    let mut waiting = WaitingPoll { shared, id, is_answered: false };
    let max_packets = shared.engine.config.max_packets_per_poll;
    let polled = poll_fn(|context| shared.outbox.poll(id, max_packets, MAX_POLL_BYTES, context)).await;
    waiting.is_answered = true;
    match polled {
        Polled::Items(items) => {
            if shared.outbox.is_finished() {
                shared.tell(Settle);
            }
            answer(shared, accepted, &items)
        }
        Polled::Noop => text(shared.outbox.revision, b"6"),
        Polled::Gone => text(shared.outbox.revision, b"1"),
    }
}

/// A poll that has not been answered: dropping it means that the client went away.
struct WaitingPoll<'a> {
    shared: &'a Arc<Shared>,
    id: u64,
    is_answered: bool,
}

impl Drop for WaitingPoll<'_> {
    fn drop(&mut self) {
        if !self.is_answered && self.shared.outbox.end_poll(self.id) {
            tracing::debug!(sid = self.shared.short_sid(), "poll aborted");
            self.shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        }
    }
}

fn text(revision: Revision, record: &'static [u8]) -> Answer {
    let body = match revision {
        Revision::V4 => Bytes::from_static(record),
        Revision::V3 => [b"1:", record].concat().into(),
    };
    Answer::ok(TEXT, body)
}

/// Packets as the answer to a poll.
fn answer(shared: &Arc<Shared>, accepted: &str, items: &[Item]) -> Answer {
    let revision = shared.outbox.revision;
    let has_binary =
        items.iter().any(|item| matches!(&item.out, Out::Message(message) if message.has_binary()));
    let is_binary = has_binary && shared.supports_binary;
    let body = match (revision, items) {
        (_, _) if is_binary => binary_v3(items),
        (Revision::V4, [Item { out: Out::Message(message), .. }]) => message.polling_body(revision),
        (Revision::V4, _) => text_v4(items),
        (Revision::V3, _) => text_v3(items),
    };
    shared.traffic().sent(items.iter().map(|item| item.out.packets()).sum(), body.len());
    let answer = Answer::ok(if is_binary { OCTETS } else { TEXT }, body);
    let is_compressible = items.iter().any(|item| match &item.out {
        Out::Message(message) => message.is_compressible(),
        _ => false,
    });
    match shared.engine.config.http_compression {
        Some(threshold) if is_compressible => answer.compressed(threshold, accepted),
        _ => answer,
    }
}

fn text_v4(items: &[Item]) -> Bytes {
    let mut body = Vec::with_capacity(items.iter().map(|item| item.size() + 1).sum());
    for item in items {
        let at = body.len();
        if at > 0 {
            body.push(SEPARATOR);
        }
        match &item.out {
            Out::Message(message) => body.extend_from_slice(message.polling_text(Revision::V4)),
            other => match other.polling() {
                Some(record) => body.extend_from_slice(&record),
                None => body.truncate(at),
            },
        }
    }
    body.into()
}

fn text_v3(items: &[Item]) -> Bytes {
    let mut body = Vec::new();
    for item in items {
        match &item.out {
            Out::Message(message) => body.extend_from_slice(message.polling_text(Revision::V3)),
            other => {
                if let Some(record) = other.polling() {
                    write_v3_text(&mut body, &String::from_utf8_lossy(&record));
                }
            }
        }
    }
    body.into()
}

fn binary_v3(items: &[Item]) -> Bytes {
    let mut body = Vec::new();
    for item in items {
        match &item.out {
            Out::Message(message) => body.extend_from_slice(message.polling_v3_binary()),
            other => {
                if let Some(record) = other.polling() {
                    write_v3_binary(&mut body, false, None, &record);
                }
            }
        }
    }
    body.into()
}

/// Takes packets.
pub(super) async fn post(shared: &Arc<Shared>, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    let post = match RunningPost::begin(shared, is_binary(request)) {
        Ok(post) => post,
        Err(answer) => return answer.into_response(),
    };
    match read_body(request, payload, &shared.engine.config).await {
        Ok(body) => post.take(body).await.into_response(),
        Err(refused) => refused,
    }
}

/// Whether the body of a POST is said to be binary.
pub(super) fn is_binary(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.map_or(&b""[..], HeaderValue::as_bytes) == OCTETS.as_bytes()
}

/// The body of a POST, or the answer to one that is too big, too slow or aborted.
pub(super) async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    config: &EngineConfig,
) -> Result<Bytes, HttpResponse> {
    let limit = config.max_http_buffer_size;
    let is_announced_too_big = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .is_some_and(|length| length > limit as u64);
    if is_announced_too_big {
        return Err(HttpResponse::PayloadTooLarge().force_close().finish());
    }
    match tokio::time::timeout(config.body_timeout, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(HttpResponse::BadRequest().force_close().finish()),
        Ok(Err(_)) => Err(HttpResponse::PayloadTooLarge().force_close().finish()),
        Err(_) => Err(HttpResponse::RequestTimeout().force_close().finish()),
    }
}

/// A post whose body has not been read: dropping it means that it was too big, too slow, malformed or aborted.
pub(super) struct RunningPost<'a> {
    shared: &'a Arc<Shared>,
    is_binary: bool,
    is_read: bool,
}

impl<'a> RunningPost<'a> {
    /// Begins one, unless another is under way or this one is not allowed: both end the session.
    pub(super) fn begin(shared: &'a Arc<Shared>, is_binary: bool) -> Result<Self, Answer> {
        if shared.is_posting.swap(true, Ordering::AcqRel) {
            tracing::debug!(sid = shared.short_sid(), "two posts at once");
            shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
            return Err(Answer::bad_request());
        }
        let post = Self { shared, is_binary, is_read: false };
        if is_binary && shared.outbox.revision == Revision::V4 {
            // Dropping it closes the session.
            return Err(Answer::bad_request());
        }
        Ok(post)
    }

    /// Hands the body to the connection.
    pub(super) async fn take(mut self, body: Bytes) -> Answer {
        self.is_read = true;
        let (answer, answered) = oneshot::channel();
        self.shared.tell(Post { body, is_binary: self.is_binary, answer });
        match answered.await {
            Ok(PostAnswer::Taken) => Answer::ok("text/html", Bytes::from_static(b"ok")),
            Ok(PostAnswer::Refused) | Err(_) => Answer::bad_request(),
        }
    }
}

impl Drop for RunningPost<'_> {
    fn drop(&mut self) {
        self.shared.is_posting.store(false, Ordering::Release);
        if !self.is_read {
            tracing::debug!(sid = self.shared.short_sid(), "post refused or aborted");
            self.shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        }
    }
}

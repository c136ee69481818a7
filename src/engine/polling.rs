//! HTTP long-polling: one GET that waits for packets, one POST that brings some.
//!
//! Source: the Engine.IO protocol, section "HTTP long-polling".

use std::future::poll_fn;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::sync::oneshot;

use super::connection::{Close, Post, PostAnswer, Settle};
use super::handle::Shared;
use super::out::{Item, Out};
use super::outbox::Polled;
use super::packet::Revision;
use super::payload::{SEPARATOR, write_v3_binary, write_v3_text};
use crate::disconnect_reason::DisconnectReason;

/// About how many bytes one poll answers with; a single larger message is sent all the same.
const MAX_POLL_BYTES: usize = 1_000_000;

/// The answer to the handshake: the OPEN packet.
pub(super) fn first(shared: &Arc<Shared>, request: &HttpRequest) -> HttpResponse {
    let id = shared.outbox.begin_poll();
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    match id.map(|id| shared.outbox.poll(id, 1, usize::MAX, &context)) {
        Ok(std::task::Poll::Ready(Polled::Items(items))) => respond(shared, request, &items),
        // The session was closed as soon as it was opened.
        _ => HttpResponse::BadRequest().finish(),
    }
}

/// Waits for packets.
pub(super) async fn poll(shared: &Arc<Shared>, request: &HttpRequest) -> HttpResponse {
    let Ok(id) = shared.outbox.begin_poll() else {
        tracing::debug!(sid = shared.short_sid(), "two polls at once");
        shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        return HttpResponse::BadRequest().finish();
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
            respond(shared, request, &items)
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

fn text(revision: Revision, record: &'static [u8]) -> HttpResponse {
    let body = match revision {
        Revision::V4 => Bytes::from_static(record),
        Revision::V3 => [b"1:", record].concat().into(),
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(body)
}

/// Packets as the answer to a poll.
fn respond(shared: &Arc<Shared>, request: &HttpRequest, items: &[Item]) -> HttpResponse {
    let revision = shared.outbox.revision;
    let has_binary =
        items.iter().any(|item| matches!(&item.out, Out::Message(message) if message.has_binary()));
    let is_binary = revision == Revision::V3 && has_binary && shared.supports_binary;
    let body = match (revision, items) {
        (_, _) if is_binary => binary_v3(items),
        (Revision::V4, [Item { out: Out::Message(message), .. }]) => message.polling_text(revision),
        (Revision::V4, _) => text_v4(items),
        (Revision::V3, _) => text_v3(items),
    };
    let content_type = if is_binary { "application/octet-stream" } else { "text/plain; charset=UTF-8" };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static(content_type)))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    let is_compressible = items.iter().any(|item| match &item.out {
        Out::Message(message) => message.is_compressible(),
        _ => false,
    });
    let threshold = shared.engine.config.http_compression.unwrap_or(usize::MAX);
    if is_compressible && body.len() >= threshold {
        response.insert_header((header::VARY, HeaderValue::from_static("accept-encoding")));
        if let Some((encoding, compressed)) = compress(request, &body) {
            return response.insert_header((header::CONTENT_ENCODING, encoding)).body(compressed);
        }
    }
    response.body(body)
}

fn text_v4(items: &[Item]) -> Bytes {
    let mut body = Vec::with_capacity(items.iter().map(|item| item.size + 1).sum());
    for item in items {
        let at = body.len();
        if at > 0 {
            body.push(SEPARATOR);
        }
        match &item.out {
            Out::Message(message) => body.extend_from_slice(&message.polling_text(Revision::V4)),
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
            Out::Message(message) => body.extend_from_slice(&message.polling_text(Revision::V3)),
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
            Out::Message(message) => body.extend_from_slice(&message.polling_v3_binary()),
            other => {
                if let Some(record) = other.polling() {
                    write_v3_binary(&mut body, false, None, &record);
                }
            }
        }
    }
    body.into()
}

/// Compressed as the client accepts it: gzip before deflate, as the reference does.
fn compress(request: &HttpRequest, body: &[u8]) -> Option<(HeaderValue, Vec<u8>)> {
    let accepted = request.headers().get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |coding: &str| {
        accepted.split(',').any(|entry| {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let is_refused = parameters.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            name.trim().eq_ignore_ascii_case(coding) && !is_refused
        })
    };
    // Writing to a Vec cannot fail; if it did, the body would go out as it is.
    if accepts("gzip") {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
        encoder.write_all(body).ok()?;
        Some((HeaderValue::from_static("gzip"), encoder.finish().ok()?))
    } else if accepts("deflate") {
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
        encoder.write_all(body).ok()?;
        Some((HeaderValue::from_static("deflate"), encoder.finish().ok()?))
    } else {
        None
    }
}

/// Takes packets.
pub(super) async fn post(shared: &Arc<Shared>, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    if shared.is_posting.swap(true, Ordering::AcqRel) {
        tracing::debug!(sid = shared.short_sid(), "two posts at once");
        shared.tell(Close { reason: DisconnectReason::TransportError, discard: true });
        return HttpResponse::BadRequest().finish();
    }
    let mut running = RunningPost { shared, is_read: false };
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_binary = content_type == b"application/octet-stream";
    if is_binary && shared.outbox.revision == Revision::V4 {
        // Dropping the guard closes the session: the request is invalid.
        return HttpResponse::BadRequest().finish();
    }
    let limit = shared.engine.config.max_http_buffer_size;
    let is_announced_too_big = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .is_some_and(|length| length > limit as u64);
    if is_announced_too_big {
        return HttpResponse::PayloadTooLarge().force_close().finish();
    }
    let body = tokio::time::timeout(shared.engine.config.body_timeout, payload.to_bytes_limited(limit)).await;
    let body = match body {
        Ok(Ok(Ok(body))) => body,
        Ok(Ok(Err(_))) => return HttpResponse::BadRequest().force_close().finish(),
        Ok(Err(_)) => return HttpResponse::PayloadTooLarge().force_close().finish(),
        Err(_) => return HttpResponse::RequestTimeout().force_close().finish(),
    };
    running.is_read = true;
    let (answer, answered) = oneshot::channel();
    shared.tell(Post { body, is_binary, answer });
    match answered.await {
        Ok(PostAnswer::Taken) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/html")))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body("ok"),
        Ok(PostAnswer::Refused) | Err(_) => HttpResponse::BadRequest().finish(),
    }
}

/// A post that has not been read: dropping it means that it was too big, too slow, malformed or aborted.
struct RunningPost<'a> {
    shared: &'a Arc<Shared>,
    is_read: bool,
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

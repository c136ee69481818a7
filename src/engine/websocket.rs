//! The embedded websocket transport, for any Actix `App`: a thin actix-web-actors actor that only reads.
//!
//! The response body drains the outbox before it polls that actor; timers and limits live in the connection's
//! own actor, since a client that stops reading freezes this one. The deprecated crate is confined to this file.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use actix_http::ws::{CloseCode, Codec, Item, ProtocolError};
use actix_web::body::{BodySize, MessageBody};
use actix_web::error::PayloadError;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, Message, WebsocketContext};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::connection::OwnedEvent;
use super::frame::{FrameError, FrameGuard, FrameLimits, Refused};
use super::link::WebsocketEnd;

/// Answers the handshake of a websocket that is moved by `link`. An error is a malformed handshake.
pub(super) fn start<L: WebsocketEnd>(
    request: &HttpRequest,
    payload: web::Payload,
    link: impl FnOnce() -> L,
) -> Result<HttpResponse, actix_web::Error> {
    let mut response = ws::handshake(request)?;
    let link = link();
    let limits = link.limits();
    let refused = Rc::new(Cell::new(None));
    let guarded = GuardedPayload {
        payload,
        guard: FrameGuard::default(),
        limits,
        link: link.clone(),
        refused: refused.clone(),
    };
    let reader = Reader { link: link.clone(), assembly: None, refused };
    // The guard has refused whatever is too big before the codec sees the end of it.
    let codec = Codec::new().max_size(limits.max_message.saturating_add(1));
    let frames = WebsocketContext::with_codec(reader, guarded, codec);
    Ok(response.body(Body { link, frames: Some(Box::pin(frames)), is_answered: false }))
}

/// The payload of a websocket request, each frame checked by its header before it is buffered.
struct GuardedPayload<L> {
    payload: web::Payload,
    guard: FrameGuard,
    limits: FrameLimits,
    link: L,
    /// Why no more is read. The reader tells the connection when it has handled what came before.
    refused: Rc<Cell<Option<FrameError>>>,
}

impl<L: WebsocketEnd> Stream for GuardedPayload<L> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.refused.get().is_some() {
            return Poll::Ready(None);
        }
        if this.link.poll_read_ready(context).is_pending() {
            return Poll::Pending;
        }
        let poll = Pin::new(&mut this.payload).poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &poll
            && let Err(Refused { error, before }) = this.guard.check(bytes, &this.limits)
        {
            this.refused.set(Some(error));
            return Poll::Ready(Some(Ok(bytes.slice(..before))));
        }
        poll
    }
}

/// Reads frames and sends them to the connection.
struct Reader<L> {
    link: L,
    /// Fragments so far, and whether they are text. The guard bounds them.
    assembly: Option<(bool, BytesMut)>,
    refused: Rc<Cell<Option<FrameError>>>,
}

impl<L: WebsocketEnd> Actor for Reader<L> {
    type Context = WebsocketContext<Self>;
}

impl<L: WebsocketEnd> StreamHandler<Result<Message, ProtocolError>> for Reader<L> {
    fn handle(&mut self, message: Result<Message, ProtocolError>, _: &mut Self::Context) {
        let event = match message {
            Ok(Message::Text(text)) => OwnedEvent::Text(text.into_bytes()),
            Ok(Message::Binary(bytes)) => OwnedEvent::Binary(bytes),
            Ok(Message::Ping(bytes)) => OwnedEvent::Ping(bytes),
            Ok(Message::Pong(_)) => OwnedEvent::Pong,
            Ok(Message::Close(reason)) => OwnedEvent::Close(reason.map(|reason| close_code(reason.code))),
            Ok(Message::Continuation(item)) => match self.assemble(item) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => OwnedEvent::Gone(Some(error)),
            },
            Ok(Message::Nop) => return,
            Err(error) => OwnedEvent::Gone(self.refused.get().or(frame_error(&error))),
        };
        self.link.receive(event);
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.link.receive(OwnedEvent::Gone(self.refused.get()));
        ctx.stop();
    }
}

impl<L> Reader<L> {
    fn assemble(&mut self, item: Item) -> Result<Option<OwnedEvent>, FrameError> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) if self.assembly.is_none() => {
                self.assembly = Some((true, BytesMut::from(&bytes[..])));
                return Ok(None);
            }
            Item::FirstBinary(bytes) if self.assembly.is_none() => {
                self.assembly = Some((false, BytesMut::from(&bytes[..])));
                return Ok(None);
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
            Item::FirstText(_) | Item::FirstBinary(_) => return Err(FrameError::Protocol),
        };
        let (is_text, mut whole) = self.assembly.take().ok_or(FrameError::Protocol)?;
        whole.extend_from_slice(&bytes);
        if !is_last {
            self.assembly = Some((is_text, whole));
            return Ok(None);
        }
        let whole = whole.freeze();
        Ok(Some(if is_text { OwnedEvent::Text(whole) } else { OwnedEvent::Binary(whole) }))
    }
}

fn close_code(code: CloseCode) -> u16 {
    code.into()
}

/// A transport that broke is gone; a client that broke the protocol is told so.
fn frame_error(error: &ProtocolError) -> Option<FrameError> {
    match error {
        // Text that is not UTF-8 comes as such an error too, told apart by nothing but its words.
        ProtocolError::Io(error) if error.to_string().contains("utf-8") => Some(FrameError::Utf8),
        ProtocolError::Io(_) => None,
        ProtocolError::Overflow => Some(FrameError::TooBig),
        _ => Some(FrameError::Protocol),
    }
}

/// The response body: the outbox's frames.
struct Body<L: WebsocketEnd, S> {
    link: L,
    /// The actor; none once it has ended, while the last bytes go out.
    frames: Option<Pin<Box<S>>>,
    /// The answer to the handshake has been written: only then do frames follow.
    is_answered: bool,
}

impl<L, S> MessageBody for Body<L, S>
where
    L: WebsocketEnd,
    S: Stream<Item = Result<Bytes, actix_web::Error>> + 'static,
{
    type Error = actix_web::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        // The actor first: a full outbox must not keep what comes in waiting. It sends nothing itself.
        if let Some(frames) = &mut this.frames
            && let Poll::Ready(polled) = frames.as_mut().poll_next(context)
        {
            match polled {
                Some(Ok(bytes)) if bytes.is_empty() => context.waker().wake_by_ref(),
                Some(polled) => return Poll::Ready(Some(polled)),
                None => this.frames = None,
            }
        }
        if !this.is_answered {
            // There are clients that miss a frame which arrives in one piece with the answer.
            this.is_answered = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.link.poll_write(context).map(|bytes| bytes.map(Ok))
    }
}

impl<L: WebsocketEnd, S> Drop for Body<L, S> {
    fn drop(&mut self) {
        self.link.receive(OwnedEvent::Gone(None));
    }
}

//! A connection without a network: its client lives on the same thread. Used by [`crate::test`].
//!
//! To the connection it is an embedded websocket: what the client sends passes through the actor's mailbox, what it
//! gets are the outbox's websocket frames. So everything above and beside the socket itself is the real thing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::mpsc;

use super::connection::{Connection, FirstLink, OwnedEvent};
use super::frame::FrameError;
use super::handshake::begin;
use super::link::{EmbeddedLink, WebsocketEnd as _};
use super::packet::Revision;
use super::{ConnectionError, Engine, TransportKind};
use crate::disconnect_reason::DisconnectReason;

/// What the client gets.
#[derive(Debug)]
pub(crate) enum LocalEvent {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// The connection is over; for this reason, as the server sees it. Comes last.
    Closed(DisconnectReason),
}

enum Command {
    Send(OwnedEvent),
    /// Reads no more, or reads on.
    Read(bool),
}

/// The client's end. Dropping it closes the transport.
pub(crate) struct LocalClient {
    commands: mpsc::UnboundedSender<Command>,
    sid: Arc<str>,
}

impl Engine {
    /// Opens a session for a client on this thread; `on_event` is called with whatever it gets.
    pub(crate) async fn connect_local(
        &self,
        request: &HttpRequest,
        on_event: impl FnMut(LocalEvent) + 'static,
    ) -> Result<LocalClient, ConnectionError> {
        let engine = &self.0;
        let shared = match begin(engine, request, TransportKind::Websocket, Revision::V4).await {
            Ok(shared) => shared,
            Err(error) => {
                if let Some(hook) = &engine.hooks.connection_error {
                    hook(request, &error);
                }
                return Err(error);
            }
        };
        engine.connections.insert(shared.clone());
        let link = EmbeddedLink::new(shared.clone());
        let sid = shared.sid.clone();
        let (open, first) = (engine.open.clone(), FirstLink::Embedded(link.clone()));
        Connection::start(&shared, move |handle| open(handle), Some(first));
        let (commands, receiver) = mpsc::unbounded_channel();
        let mut pump = Pump { link, commands: receiver, on_event, reads: true, waiting: VecDeque::new() };
        actix_rt::spawn(async move { poll_fn(|context| pump.poll(context)).await });
        Ok(LocalClient { commands, sid })
    }
}

impl LocalClient {
    /// The session id.
    pub(crate) fn sid(&self) -> &str {
        &self.sid
    }

    /// Sends a message.
    pub(crate) fn send_text(&self, text: &[u8]) {
        self.send(OwnedEvent::Text([b"4", text].concat().into()));
    }

    /// Sends a binary message.
    pub(crate) fn send_binary(&self, bytes: Bytes) {
        self.send(OwnedEvent::Binary(bytes));
    }

    fn send(&self, event: OwnedEvent) {
        self.command(Command::Send(event));
    }

    /// Stops reading, or goes on.
    pub(crate) fn set_reading(&self, reads: bool) {
        self.command(Command::Read(reads));
    }

    /// Ends the transport with its closing handshake.
    pub(crate) fn close(&self) {
        self.send(OwnedEvent::Close(Some(1000)));
    }

    fn command(&self, command: Command) {
        // An error is a connection that is over: as with a real one, what is sent to it is lost.
        let _ = self.commands.send(command);
    }
}

/// Moves messages between the client and its connection.
struct Pump<F> {
    link: Arc<EmbeddedLink>,
    commands: mpsc::UnboundedReceiver<Command>,
    on_event: F,
    reads: bool,
    /// Sent while the connection is not read.
    waiting: VecDeque<OwnedEvent>,
}

impl<F: FnMut(LocalEvent)> Pump<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.reads {
                match self.link.poll_write(context) {
                    Poll::Ready(Some(frames)) => {
                        self.receive(frames);
                        continue;
                    }
                    Poll::Ready(None) => {
                        let reason = self.link.reason().unwrap_or(DisconnectReason::TransportClose);
                        (self.on_event)(LocalEvent::Closed(reason));
                        return Poll::Ready(());
                    }
                    Poll::Pending => {}
                }
            }
            while !self.waiting.is_empty() && self.link.poll_read_ready(context).is_ready() {
                if let Some(event) = self.waiting.pop_front() {
                    self.tell(event);
                }
            }
            match self.commands.poll_recv(context) {
                Poll::Ready(Some(Command::Send(event))) => self.waiting.push_back(event),
                Poll::Ready(Some(Command::Read(reads))) => self.reads = reads,
                Poll::Ready(None) => {
                    // The client was dropped.
                    self.tell(OwnedEvent::Gone(None));
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// What a websocket would let pass.
    fn tell(&self, event: OwnedEvent) {
        let max = self.link.shared().engine.config.max_http_buffer_size;
        let event = match &event {
            OwnedEvent::Text(bytes) | OwnedEvent::Binary(bytes) if bytes.len() > max => {
                OwnedEvent::Gone(Some(FrameError::TooBig))
            }
            _ => event,
        };
        self.link.receive(event);
    }

    fn receive(&mut self, mut frames: Bytes) {
        while let Some((is_text, body)) = next_frame(&mut frames) {
            if !is_text {
                (self.on_event)(LocalEvent::Binary(body));
                continue;
            }
            match body.first() {
                // A ping is answered at once, as clients do.
                Some(b'2') => self.tell(OwnedEvent::Text(Bytes::from_static(b"3"))),
                Some(b'4') => {
                    if let Ok(text) = ByteString::try_from(body.slice(1..)) {
                        (self.on_event)(LocalEvent::Text(text));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Takes the next text or binary frame off what the server wrote: unmasked, never fragmented.
fn next_frame(frames: &mut Bytes) -> Option<(bool, Bytes)> {
    loop {
        let (opcode, short) = (*frames.first()? & 0x0f, usize::from(*frames.get(1)? & 0x7f));
        let number =
            |bytes: &[u8]| bytes.iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
        let (at, length) = match short {
            126 => (4, number(frames.get(2..4)?)),
            127 => (10, number(frames.get(2..10)?)),
            short => (2, short),
        };
        let frame = frames.split_to(frames.len().min(at + length));
        match opcode {
            1 => return Some((true, frame.slice(at..))),
            2 => return Some((false, frame.slice(at..))),
            _ => {}
        }
    }
}

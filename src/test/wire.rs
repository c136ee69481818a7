//! One connection of a test client: packets in and out, dealt out to its sockets by namespace.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use crate::disconnect_reason::DisconnectReason;
use crate::engine::{ConnectionError, LocalClient, LocalEvent};
use crate::protocol::{self, Args, DecodeLimits, Decoder, EncodeError, Packet, PacketBody, Parser, Revision};
use crate::server::SocketIo;

/// Something for one socket.
#[derive(Debug)]
pub(super) enum Arrived {
    Connected(String),
    Refused(Args),
    Event { name: ByteString, args: Args, ack: Option<u64> },
}

/// What arrives for one socket, in order.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) queue: RefCell<VecDeque<Arrived>>,
    pub(super) ended: Cell<Option<DisconnectReason>>,
    pub(super) changed: Notify,
}

impl Inbox {
    fn push(&self, arrived: Arrived) {
        self.queue.borrow_mut().push_back(arrived);
        self.changed.notify_waiters();
    }

    pub(super) fn end(&self, reason: DisconnectReason) {
        if self.ended.get().is_none() {
            self.ended.set(Some(reason));
            self.changed.notify_waiters();
        }
    }
}

/// Where packets go.
#[derive(Default)]
struct Routes {
    inboxes: RefCell<HashMap<String, Rc<Inbox>>>,
    acks: RefCell<HashMap<(String, u64), oneshot::Sender<Args>>>,
    closed: Cell<Option<DisconnectReason>>,
}

/// See the module's documentation.
pub(super) struct Wire {
    parser: Parser,
    client: LocalClient,
    routes: Rc<Routes>,
    ack_ids: Cell<u64>,
}

impl Wire {
    pub(super) async fn open(io: &SocketIo, request: &HttpRequest) -> Result<Rc<Self>, ConnectionError> {
        let parser = io.parser();
        let limits = DecodeLimits { max_attachments: u32::MAX, ..DecodeLimits::default() };
        let mut decoder = Decoder::new(parser, Revision::V5, limits);
        let routes = Rc::<Routes>::default();
        let of_events = routes.clone();
        let on_event = move |event| {
            let packet = match event {
                LocalEvent::Text(text) => decoder.text_checked(&text),
                LocalEvent::Binary(bytes) => decoder.binary(bytes),
                LocalEvent::Closed(reason) => return of_events.close(reason),
            };
            match packet {
                Ok(Some(packet)) => of_events.take(packet),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the server sent what is not a packet"),
            }
        };
        let client = io.engine().connect_local(request, on_event).await?;
        Ok(Rc::new(Self { parser, client, routes, ack_ids: Cell::new(0) }))
    }

    /// Where the packets of a namespace arrive from now on.
    pub(super) fn inbox(&self, namespace: &str) -> Rc<Inbox> {
        let inbox = Rc::<Inbox>::default();
        if let Some(reason) = self.routes.closed.get() {
            inbox.end(reason);
        }
        self.routes.inboxes.borrow_mut().insert(namespace.to_owned(), inbox.clone());
        inbox
    }

    pub(super) fn client(&self) -> &LocalClient {
        &self.client
    }

    fn send(&self, packet: Vec<u8>, attachments: &[Bytes]) {
        match self.parser {
            Parser::Json => self.client.send_text(&packet),
            Parser::MsgPack => self.client.send_binary(packet.into()),
        }
        attachments.iter().for_each(|attachment| self.client.send_binary(attachment.clone()));
    }

    pub(super) fn send_connect(&self, namespace: &str, auth: Option<&RawValue>) -> Result<(), EncodeError> {
        let mut packet = Vec::new();
        protocol::encode_connect(self.parser, namespace, auth, &mut packet)?;
        self.send(packet, &[]);
        Ok(())
    }

    pub(super) fn send_disconnect(&self, namespace: &str) -> Result<(), EncodeError> {
        let mut packet = Vec::new();
        protocol::encode_disconnect(self.parser, namespace, &mut packet)?;
        self.send(packet, &[]);
        Ok(())
    }

    pub(super) fn send_event(
        &self,
        namespace: &str,
        event: &str,
        args: &Args,
        ack: Option<u64>,
    ) -> Result<(), EncodeError> {
        let mut packet = Vec::new();
        let attachments = protocol::encode_event(self.parser, namespace, event, args, ack, &mut packet)?;
        self.send(packet, &attachments);
        Ok(())
    }

    pub(super) fn send_ack(&self, namespace: &str, id: u64, args: &Args) -> Result<(), EncodeError> {
        let mut packet = Vec::new();
        let attachments = protocol::encode_ack(self.parser, namespace, id, args, &mut packet)?;
        self.send(packet, &attachments);
        Ok(())
    }

    /// The id of an event to be acknowledged, and where its answer comes.
    pub(super) fn ask(&self, namespace: &str) -> (u64, oneshot::Receiver<Args>) {
        let id = self.ack_ids.replace(self.ack_ids.get() + 1);
        let (sender, receiver) = oneshot::channel();
        self.routes.acks.borrow_mut().insert((namespace.to_owned(), id), sender);
        (id, receiver)
    }

    pub(super) fn forget(&self, namespace: &str, id: u64) {
        self.routes.acks.borrow_mut().remove(&(namespace.to_owned(), id));
    }

    /// The socket of a namespace ends, from this side.
    pub(super) fn end(&self, namespace: &str, reason: DisconnectReason) {
        self.routes.end(namespace, reason);
    }

    pub(super) fn parser(&self) -> Parser {
        self.parser
    }
}

impl Routes {
    fn take(&self, packet: Packet) {
        let namespace = &*packet.namespace;
        let arrived = match packet.body {
            PacketBody::Connect { auth } => {
                #[derive(serde::Deserialize)]
                struct Connected {
                    sid: String,
                }
                Arrived::Connected(
                    auth.deserialize::<Connected>().map_or_else(|_| String::new(), |it| it.sid),
                )
            }
            PacketBody::ConnectError { data } => Arrived::Refused(data),
            PacketBody::Disconnect => {
                return self.end(namespace, DisconnectReason::ServerNamespaceDisconnect);
            }
            PacketBody::Event { name, args, ack } => Arrived::Event { name, args, ack },
            PacketBody::Ack { id, args } => {
                if let Some(sender) = self.acks.borrow_mut().remove(&(namespace.to_owned(), id)) {
                    // Whoever asked may have stopped waiting.
                    let _ = sender.send(args);
                }
                return;
            }
        };
        if let Some(inbox) = self.inboxes.borrow().get(namespace) {
            inbox.push(arrived);
        }
    }

    fn end(&self, namespace: &str, reason: DisconnectReason) {
        self.acks.borrow_mut().retain(|(of, _), _| of != namespace);
        if let Some(inbox) = self.inboxes.borrow_mut().remove(namespace) {
            inbox.end(reason);
        }
    }

    fn close(&self, reason: DisconnectReason) {
        self.closed.set(Some(reason));
        self.acks.borrow_mut().clear();
        for (_, inbox) in self.inboxes.borrow_mut().drain() {
            inbox.end(reason);
        }
    }
}

//! One client: decodes what its connection receives and deals it out to its sockets, one per namespace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytestring::ByteString;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::ack::Ack;
use crate::disconnect_reason::DisconnectReason;
use crate::engine::{Backlog, ConnectionHandle, ConnectionHandler, Incoming, Message, Revision};
use crate::handler::{Call, Refusal, guarded};
use crate::inbox::{Load, LocalSocket, run_now};
use crate::namespace::NamespaceInner;
use crate::namespaces::{ConnectionMeter, Namespaces};
use crate::protocol::{self, Args, DecodeLimits, Decoder, EncodeError, Packet, PacketBody};
use crate::socket::Socket;
use crate::trace::{Operation, Trace};

/// What there is of a namespace on this connection.
enum Place {
    /// Middlewares are being asked.
    Connecting,
    Connected(Rc<LocalSocket>),
    /// The server disconnected it: what the client sent before it knew is ignored.
    Left,
}

/// See the module's documentation. On the connection's thread.
pub(crate) struct ClientInner {
    connection: ConnectionHandle,
    namespaces: Arc<Namespaces>,
    decoder: RefCell<Decoder>,
    /// Most clients have one.
    places: RefCell<SmallVec<[(ByteString, Place); 1]>>,
    load: Rc<Load>,
    /// When a namespace must have been joined.
    connect_by: Cell<Option<Instant>>,
    /// When a packet must have all of its attachments.
    complete_by: Cell<Option<Instant>>,
    is_open: Cell<bool>,
    /// None if nobody meters this connection.
    metering: RefCell<Option<Box<Metering>>>,
}

/// What one connection sends is measured here.
struct Metering {
    meter: ConnectionMeter,
    /// Why the packet that is being read is refused, whatever it is.
    refused: Option<Refusal>,
}

/// The layer above a connection.
pub(crate) struct Client(Rc<ClientInner>);

impl Client {
    pub(crate) fn open(connection: ConnectionHandle, namespaces: Arc<Namespaces>) -> Self {
        let config = &namespaces.core().config;
        let limits = DecodeLimits {
            max_attachments: config.max_attachments,
            max_bytes: config.max_packet_bytes,
            ..DecodeLimits::default()
        };
        let revision = protocol_revision(&connection);
        let meter = namespaces.core().meter.as_ref();
        let metering = meter.and_then(|make| guarded("a meter", || make(&connection)));
        let metering = metering.map(|meter| Box::new(Metering { meter, refused: None }));
        let client = Rc::new(ClientInner {
            decoder: RefCell::new(Decoder::new(config.parser, revision, limits)),
            places: RefCell::default(),
            load: Rc::default(),
            connect_by: Cell::new(Some(Instant::now() + config.connect_timeout)),
            complete_by: Cell::new(None),
            is_open: Cell::new(true),
            metering: RefCell::new(metering),
            connection,
            namespaces,
        });
        if revision == protocol::Revision::V4 {
            // Clients of 2.x are connected to `/` without asking.
            let _ = client.connect("/", Args::default());
        }
        Self(client)
    }
}

fn protocol_revision(connection: &ConnectionHandle) -> protocol::Revision {
    match connection.revision() {
        Revision::V3 => protocol::Revision::V4,
        Revision::V4 => protocol::Revision::V5,
    }
}

impl ConnectionHandler for Client {
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason> {
        let client = &self.0;
        if let Some(metering) = &mut *client.metering.borrow_mut() {
            let size = match &message {
                Incoming::Text(text) => text.len(),
                Incoming::Binary(binary) => binary.len(),
            };
            if let Some(Err(refusal)) = guarded("a meter", || (metering.meter)(size)) {
                metering.refused = Some(refusal);
            }
        }
        let decoded = match message {
            Incoming::Text(text) => client.decoder.borrow_mut().text_checked(&ByteString::from(text)),
            Incoming::Binary(binary) => client.decoder.borrow_mut().binary(binary.into_bytes()),
        };
        let timeout = client.namespaces.core().config.packet_timeout;
        match decoded {
            Ok(Some(packet)) => {
                client.complete_by.set(None);
                let refused =
                    client.metering.borrow_mut().as_mut().and_then(|metering| metering.refused.take());
                match refused {
                    Some(refusal) => client.on_refused(packet, &refusal),
                    None => client.on_packet(packet),
                }
            }
            Ok(None) => {
                if client.complete_by.get().is_none() {
                    client.complete_by.set(Some(Instant::now() + timeout));
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(connection = ?client.connection, %error, "invalid packet");
                Err(DisconnectReason::ForcedClose)
            }
        }
    }

    fn on_close(&mut self, reason: DisconnectReason) {
        self.0.is_open.set(false);
        for (_, place) in self.0.places.take() {
            if let Place::Connected(local) = place {
                local.end(reason);
            }
        }
    }

    fn backlog(&self) -> Backlog {
        let load = &self.0.load;
        let awaits_ack = self.0.connection.awaited_acks().load(Ordering::Relaxed) > 0;
        // One large event whose handler asks its client back is nothing that piles up.
        let running = if awaits_ack { load.running.get() } else { 0 };
        Backlog { bytes: load.bytes.get().saturating_sub(running), awaits_ack }
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.0.connect_by.get(), self.0.complete_by.get()) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        }
    }

    fn on_deadline(&mut self) -> Result<(), DisconnectReason> {
        let now = Instant::now();
        if self.0.complete_by.get().is_some_and(|at| at <= now) {
            tracing::warn!(connection = ?self.0.connection, "the attachments of a packet did not come in time");
            return Err(DisconnectReason::ForcedClose);
        }
        if self.0.connect_by.get().is_some_and(|at| at <= now) {
            self.0.connect_by.set(None);
            tracing::debug!(connection = ?self.0.connection, "no namespace was joined in time");
            return Err(DisconnectReason::ForcedServerClose);
        }
        Ok(())
    }
}

impl ClientInner {
    fn on_packet(self: &Rc<Self>, packet: Packet) -> Result<(), DisconnectReason> {
        let Packet { namespace, query, body } = packet;
        match body {
            PacketBody::Connect { auth } => {
                let auth = match query {
                    Some(query) => auth_of_query(&query),
                    None => auth,
                };
                self.connect(&namespace, auth)
            }
            PacketBody::Disconnect => match self.take(&namespace)? {
                Some(local) => {
                    local.end(DisconnectReason::ClientNamespaceDisconnect);
                    Ok(())
                }
                None => Ok(()),
            },
            PacketBody::Event { name, args, ack } => {
                if let Some(local) = self.find(&namespace)? {
                    self.namespaces.core().counters.here().events.add(1);
                    local.event(name, args, ack);
                }
                Ok(())
            }
            PacketBody::Ack { id, args } => {
                if let Some(local) = self.find(&namespace)? {
                    local.socket().acknowledged(id, args);
                }
                Ok(())
            }
            _ => Err(self.violation("a packet that only servers send")),
        }
    }

    /// A packet that the meter refused. What the server waits for is taken all the same.
    fn on_refused(self: &Rc<Self>, packet: Packet, refusal: &Refusal) -> Result<(), DisconnectReason> {
        match packet.body {
            PacketBody::Connect { .. } => self.refuse(&packet.namespace, refusal),
            PacketBody::Event { name, ack, .. } => {
                let Some(local) = self.find(&packet.namespace)? else { return Ok(()) };
                let socket = local.socket();
                tracing::debug!(
                    sid = socket.id(),
                    event = &*name,
                    message = &*refusal.message,
                    "event refused"
                );
                if let Err(error) = Ack::new(socket, ack).give(&refusal.as_answer()) {
                    tracing::debug!(sid = socket.id(), %error, "a refusal could not be told");
                }
            }
            _ => return self.on_packet(packet),
        }
        Ok(())
    }

    fn violation(&self, what: &'static str) -> DisconnectReason {
        tracing::warn!(connection = ?self.connection, what, "protocol violation");
        DisconnectReason::ForcedClose
    }

    /// The socket of a namespace; none if the server has just disconnected it.
    fn find(&self, namespace: &str) -> Result<Option<Rc<LocalSocket>>, DisconnectReason> {
        let places = self.places.borrow();
        match places.iter().find(|(name, _)| name == namespace) {
            Some((_, Place::Connected(local))) => Ok(Some(local.clone())),
            Some((_, Place::Left)) => Ok(None),
            Some((_, Place::Connecting)) | None => Err(self.violation("not connected to the namespace")),
        }
    }

    fn take(&self, namespace: &str) -> Result<Option<Rc<LocalSocket>>, DisconnectReason> {
        let local = self.find(namespace)?;
        self.places.borrow_mut().retain(|(name, _)| name != namespace);
        Ok(local)
    }

    fn connect(self: &Rc<Self>, name: &str, auth: Args) -> Result<(), DisconnectReason> {
        let mut places = self.places.borrow_mut();
        places.retain(|(known, place)| !(matches!(place, Place::Left) && **known == *name));
        if places.iter().any(|(known, _)| **known == *name) {
            return Err(self.violation("a second CONNECT"));
        }
        if auth.size() > self.namespaces.core().config.max_auth_bytes {
            drop(places);
            self.refuse(name, &Refusal::new("Auth payload too large"));
            return Ok(());
        }
        if places.len() >= self.namespaces.core().config.max_namespaces {
            drop(places);
            self.refuse(name, &Refusal::new("Too many namespaces"));
            return Ok(());
        }
        let name = match name {
            "/" => ByteString::from_static("/"),
            // A copy: a slice would keep the client's whole message alive.
            name => ByteString::from(name),
        };
        places.push((name.clone(), Place::Connecting));
        drop(places);
        let this = self.clone();
        // Missing auth reads as an empty object.
        let auth = if auth.is_empty() { empty_object() } else { auth };
        if let Some(rest) = run_now(Box::pin(this.admit(name, auth))) {
            actix_rt::spawn(rest);
        }
        Ok(())
    }

    /// Finds the namespace, asks its middlewares and connects the socket.
    async fn admit(self: Rc<Self>, name: ByteString, auth: Args) {
        let tracing = &self.namespaces.core().tracing;
        let mut begun = tracing.begin(&Operation::Connect { namespace: &name }, &Trace::default());
        let namespace = self.namespaces.resolve(&name, &auth).await;
        let Some(namespace) = namespace else {
            begun.failed(&"Invalid namespace");
            self.forget_connecting(&name);
            self.refuse(&name, &Refusal::new("Invalid namespace"));
            return;
        };
        let socket = Socket::new(namespace.clone(), self.connection.clone(), auth.clone());
        let middlewares = namespace.registry.load().middlewares.clone();
        for middleware in middlewares {
            let call = Call {
                socket: socket.clone(),
                event: ByteString::from_static("connect"),
                args: auth.clone(),
                ack: Ack::new(&socket, None),
                reason: None,
                trace: begun.trace.clone(),
            };
            if let Err(refusal) = middleware(call).await {
                let message = &*refusal.message;
                begun.failed(&message);
                tracing::debug!(
                    sid = socket.id(),
                    namespace = namespace.name(),
                    message,
                    "connection refused"
                );
                self.forget_connecting(&name);
                namespace.release();
                self.refuse(&name, &refusal);
                return;
            }
        }
        let hold = socket.prepare_to_enter().await;
        if !self.is_open.get() {
            namespace.release();
            return;
        }
        if namespace.is_removed() {
            self.forget_connecting(&name);
            namespace.release();
            self.refuse(&name, &Refusal::new("Invalid namespace"));
            return;
        }
        self.admitted(&name, &namespace, socket);
        drop(hold);
    }

    fn admitted(self: &Rc<Self>, name: &ByteString, namespace: &Arc<NamespaceInner>, socket: Socket) {
        let local = LocalSocket::new(socket, self, self.load.clone());
        if let Some((_, place)) = self.places.borrow_mut().iter_mut().find(|(known, _)| known == name) {
            *place = Place::Connected(local.clone());
        }
        self.connect_by.set(None);
        self.namespaces.core().counters.here().connects.add(1);
        let is_v5 = protocol_revision(&self.connection) == protocol::Revision::V5;
        let payload = format!(r#"{{"sid":"{}"}}"#, local.socket().id());
        let payload = if is_v5 { RawValue::from_string(payload).ok() } else { None };
        self.send(namespace, |out| {
            protocol::encode_connect(namespace.parser(), name, payload.as_deref(), out)
        });
        let hub = namespace.hubs().here_or_new();
        local.socket().enter(&hub, local.clone());
        tracing::debug!(sid = local.socket().id(), namespace = namespace.name(), "socket connected");
        local.connected();
        if namespace.is_removed() {
            // By another thread, which did not find this socket yet.
            self.disconnect(&local);
        }
    }

    fn forget_connecting(&self, name: &str) {
        self.places
            .borrow_mut()
            .retain(|(known, place)| known != name || !matches!(place, Place::Connecting));
    }

    fn refuse(&self, name: &str, refusal: &Refusal) {
        let core = self.namespaces.core();
        core.counters.here().refused_connects.add(1);
        let (parser, revision) = (core.config.parser, protocol_revision(&self.connection));
        let message = core.message(0, |out| {
            protocol::encode_connect_error(
                parser,
                revision,
                name,
                &refusal.message,
                refusal.data.as_deref(),
                out,
            )
        });
        self.push(message);
    }

    fn send(&self, namespace: &NamespaceInner, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>) {
        self.push(namespace.core().message(0, encode));
    }

    fn push(&self, message: Result<Message, EncodeError>) {
        match message {
            Ok(message) => {
                self.connection.send(Arc::new(message), false);
            }
            Err(error) => {
                tracing::error!(connection = ?self.connection, %error, "a packet could not be encoded")
            }
        }
    }

    /// The server disconnects one socket.
    pub(crate) fn disconnect(&self, local: &Rc<LocalSocket>) {
        let mut places = self.places.borrow_mut();
        let place = places.iter_mut().find(|(_, place)| match place {
            Place::Connected(known) => Rc::ptr_eq(known, local),
            _ => false,
        });
        let Some((name, place)) = place else { return };
        let name = name.clone();
        *place = Place::Left;
        drop(places);
        let namespace = local.socket().namespace_inner().clone();
        self.send(&namespace, |out| protocol::encode_disconnect(namespace.parser(), &name, out));
        local.end(DisconnectReason::ServerNamespaceDisconnect);
    }

    /// The server disconnects every socket and closes the connection.
    pub(crate) fn disconnect_all(&self) {
        let locals: Vec<_> = self
            .places
            .borrow()
            .iter()
            .filter_map(|(_, place)| match place {
                Place::Connected(local) => Some(local.clone()),
                _ => None,
            })
            .collect();
        for local in locals {
            self.disconnect(&local);
        }
        self.connection.close(DisconnectReason::ForcedServerClose);
    }
}

fn empty_object() -> Args {
    Args::from_json(ByteString::from_static("[{}]"), Vec::new()).unwrap_or_default()
}

/// Clients of 2.x give their auth in the query of the namespace.
fn auth_of_query(query: &str) -> Args {
    let mut object = serde_json::Map::new();
    for (key, value) in crate::engine::query::pairs(query) {
        object.insert(key.into_owned(), value.into_owned().into());
    }
    let text = serde_json::Value::Array(vec![object.into()]).to_string();
    Args::from_json(text, Vec::new()).unwrap_or_default()
}

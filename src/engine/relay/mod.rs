//! Sessions of other nodes: a request for one is relayed to its owner, and requests that others relay are served.
//!
//! The node that a client reached is the *edge*, the one with the session its *owner*; every relayed request is a
//! [`Stream`](stream::Stream) between the two. Knows nothing of NATS: whoever joins the endpoint to a cluster gives it a
//! [`RelayBus`] and hands what comes to a [`RelayInbox`].

mod edge;
mod edge_native;
mod edge_socket;
mod owner;
mod stream;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{End, Event, Open, Part, Relay, Request};

pub(super) use self::edge::{owner_of, serve};
use self::stream::{Broken, Handle, Stream};
use super::{Engine, EngineInner};

/// Payload that may be on its way to an edge, or waiting there for its client.
const EDGE_WINDOW: usize = 128 * 1024;
/// The same for an owner.
const OWNER_WINDOW: usize = super::link::MAX_IN_FLIGHT;

/// What carries messages to other nodes. Called from any thread; nothing in it may wait.
pub trait RelayBus: Send + Sync + 'static {
    /// The live other node whose token ends a session id.
    fn live_node(&self, token: &str) -> Option<NodeId>;

    /// Sends a message to a node; false if it is certain that it will not arrive. In order per node.
    fn send(&self, node: NodeId, message: Relay) -> bool;
}

/// The streams of an endpoint.
pub(super) struct Relays {
    bus: Arc<dyn RelayBus>,
    last_number: AtomicU64,
    /// Begun here, by number.
    ours: Mutex<HashMap<u64, Arc<Stream>>>,
    /// Begun by other nodes.
    theirs: Mutex<HashMap<(NodeId, u64), Arc<Stream>>>,
}

/// Where an endpoint takes what other nodes send it. Does not keep the endpoint alive; cheap, and never waits.
#[derive(Clone)]
pub struct RelayInbox {
    engine: Weak<EngineInner>,
    relays: Weak<Relays>,
}

impl Engine {
    /// From now on requests for sessions of other nodes are relayed over `bus`. Only the first call counts.
    ///
    /// A [`SocketIo`](crate::SocketIo) with a bus does this by itself.
    pub fn relay_over(&self, bus: Arc<dyn RelayBus>) -> RelayInbox {
        let relays = self.0.relays.get_or_init(|| {
            let last_number = AtomicU64::new(0);
            Arc::new(Relays { bus, last_number, ours: Mutex::default(), theirs: Mutex::default() })
        });
        RelayInbox { engine: Arc::downgrade(&self.0), relays: Arc::downgrade(relays) }
    }
}

impl RelayInbox {
    /// A message came. Those of one node have to come in the order in which it sent them.
    pub fn receive(&self, from: NodeId, message: Relay) {
        let (Some(engine), Some(relays)) = (self.engine.upgrade(), self.relays.upgrade()) else { return };
        match message {
            Relay::Stream { id, sender: End::Edge, sequence, part } => {
                relays.from_edge(&engine, from, id, sequence, part);
            }
            Relay::Stream { id, sender: End::Owner, sequence, part } => {
                let stream = lock(&relays.ours).get(&id).filter(|stream| stream.node == from).cloned();
                if let Some(stream) = stream {
                    stream.deliver(sequence, part);
                }
            }
            Relay::Check(number) => {
                for stream in relays.with(from) {
                    stream.send(&*relays.bus, Part::Credit(0));
                }
                relays.bus.send(from, Relay::Checked(number));
            }
            Relay::Checked(number) => {
                for stream in relays.with(from) {
                    stream.checked(number);
                }
            }
        }
    }

    /// A node is dead, has left, or knows nothing of what it said before.
    pub fn node_gone(&self, node: NodeId) {
        let Some(relays) = self.relays.upgrade() else { return };
        for stream in relays.with(node) {
            stream.fail(Broken::NodeGone);
        }
    }

    /// Messages of a node were lost. The streams that missed one end as soon as it has answered.
    pub fn lost(&self, from: NodeId) {
        let Some(relays) = self.relays.upgrade() else { return };
        let number = relays.number();
        for stream in relays.with(from) {
            stream.suspect(number);
        }
        relays.bus.send(from, Relay::Check(number));
    }
}

impl std::fmt::Debug for RelayInbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayInbox").finish_non_exhaustive()
    }
}

impl Relays {
    fn number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// All streams with a node.
    fn with(&self, node: NodeId) -> Vec<Arc<Stream>> {
        let mut streams: Vec<_> =
            lock(&self.ours).values().filter(|stream| stream.node == node).cloned().collect();
        streams.extend(lock(&self.theirs).values().filter(|stream| stream.node == node).cloned());
        streams
    }

    /// Begins a stream. None if the owner cannot be reached.
    fn open(self: &Arc<Self>, node: NodeId, sid: Arc<str>, revision: u8, request: Request) -> Option<Handle> {
        let stream = Arc::new(Stream::edge(node, self.number(), EDGE_WINDOW));
        lock(&self.ours).insert(stream.id, stream.clone());
        let handle = Handle::edge(self.clone(), stream, sid.clone(), &request);
        let open = Open { sid, revision, credit: EDGE_WINDOW as u64, request };
        handle.send(Part::Open(open)).then_some(handle)
    }

    /// Something from the edge of a stream.
    fn from_edge(
        self: &Arc<Self>,
        engine: &Arc<EngineInner>,
        from: NodeId,
        id: u64,
        sequence: u64,
        part: Part,
    ) {
        let known = lock(&self.theirs).get(&(from, id)).cloned();
        match (known, part) {
            (Some(stream), part) => stream.deliver(sequence, part),
            (None, Part::Open(open)) if sequence == 0 => {
                let stream = Arc::new(Stream::owner(from, id, open.credit));
                lock(&self.theirs).insert((from, id), stream.clone());
                owner::begin(engine, Handle::owner(self.clone(), stream), &open);
            }
            (None, Part::Abort(Some(sid))) => owner::abort(engine, &sid),
            (None, Part::Abort(None) | Part::Taken | Part::Event(Event::Gone(_))) => {}
            (None, _) => {
                // Its beginning was lost, or it is over here.
                let part = Part::Abort(None);
                self.bus.send(from, Relay::Stream { id, sender: End::Owner, sequence: 0, part });
            }
        }
    }

    /// Forgets a stream.
    fn remove(&self, stream: &Stream) {
        match stream.end {
            End::Edge => _ = lock(&self.ours).remove(&stream.id),
            End::Owner => _ = lock(&self.theirs).remove(&(stream.node, stream.id)),
        }
    }

    /// Whether other nodes still serve sessions of this one, or websockets are relayed from here.
    pub(super) fn is_busy(&self) -> bool {
        !lock(&self.theirs).is_empty() || lock(&self.ours).values().any(|stream| stream.is_websocket())
    }

    /// The websockets that are relayed from here.
    pub(super) fn websockets(&self) -> Vec<RelayedWebsocket> {
        let ours = lock(&self.ours);
        ours.values().filter(|stream| stream.is_websocket()).cloned().map(RelayedWebsocket).collect()
    }
}

/// A websocket that is relayed from here to its session's node.
pub(super) struct RelayedWebsocket(Arc<Stream>);

impl RelayedWebsocket {
    /// Ends it: this node is about to stop.
    pub(super) fn close(&self) {
        self.0.fail(Broken::Closing);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half done when a holder panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Endpoints that relay each other's sessions, in one process: whatever they say passes through the wire's bytes.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use actix_socketio::cluster::codec::{Decoded, decode, encode};
use actix_socketio::cluster::message::{Envelope, Message};
use actix_socketio::cluster::node::{Epoch, NodeId};
use actix_socketio::cluster::relay::Relay;
use actix_socketio::engine::{Engine, RelayBus};
use bytes::Bytes;

type Inboxes = HashMap<NodeId, Sender<Bytes>>;

struct Bus {
    own: NodeId,
    inboxes: Arc<OnceLock<Inboxes>>,
}

impl RelayBus for Bus {
    fn live_node(&self, token: &str) -> Option<NodeId> {
        let node = NodeId::parse(token.as_bytes()).ok()?;
        self.inboxes.get()?.contains_key(&node).then_some(node)
    }

    fn send(&self, node: NodeId, message: Relay) -> bool {
        let message = Message::Relay(message);
        let envelope = Envelope { from: self.own, epoch: Epoch(1), order: 1, sequence: 1, message };
        let Ok(bytes) = encode(&envelope) else { return false };
        self.inboxes.get().and_then(|inboxes| inboxes.get(&node)?.send(bytes).ok()).is_some()
    }
}

/// Lets these endpoints relay to each other.
pub(crate) fn connect(engines: &[&Engine]) {
    let inboxes = Arc::new(OnceLock::new());
    let mut senders = HashMap::new();
    for engine in engines {
        let own = NodeId::parse(engine.node().as_str().as_bytes()).expect("a token is an id");
        let inbox = engine.relay_over(Arc::new(Bus { own, inboxes: inboxes.clone() }));
        let (sender, receiver): (_, Receiver<Bytes>) = channel();
        senders.insert(own, sender);
        std::thread::spawn(move || {
            for bytes in receiver {
                match decode(&bytes) {
                    Ok(Decoded::Whole(Envelope { from, message: Message::Relay(relay), .. })) => {
                        inbox.receive(from, relay);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    assert!(inboxes.set(senders).is_ok(), "set once");
}

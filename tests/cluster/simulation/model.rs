//! What there is, and what should have come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::test::TestClient;
use actix_socketio::{Data, Socket, SocketIo};
use serde::{Serialize, Serializer};

use super::weather::{RoughBus, Weather};
use crate::{LONG, ms, until};

const NODES: u64 = 5;
const CLIENTS: usize = 3;

/// A node.
pub(super) struct Node {
    number: u64,
    io: SocketIo,
    pub(super) bus: RoughBus,
}

/// A client, and what the model knows of it.
pub(super) struct Peer {
    node: u64,
    client: TestClient,
    socket: Socket,
    rooms: BTreeSet<String>,
    /// Events that it has emitted.
    worked: u64,
}

/// A broadcast since the last time that everything had settled.
struct Broadcast {
    node: u64,
    number: u64,
    /// What it is for, as far as that chooses its way: one room, or anything else.
    way: Option<String>,
    /// The ids of the sockets that it is for.
    expected: BTreeSet<String>,
}

pub(super) struct Model {
    hub: MemoryHub,
    weather: Arc<Weather>,
    pub(super) nodes: Vec<Node>,
    pub(super) peers: Vec<Peer>,
    broadcasts: Vec<Broadcast>,
    next: u64,
    encoded: Arc<AtomicU64>,
    emitted: u64,
}

/// Counts how often it is encoded.
struct Counted<T>(T, Arc<AtomicU64>);

impl<T: Serialize> Serialize for Counted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.serialize(serializer)
    }
}

/// Where a socket is in its life, as its handlers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Life {
    is_admitted: bool,
    has_begun: bool,
    is_busy: bool,
    done: u64,
}

fn change(socket: &Socket, change: impl FnOnce(&mut Life)) {
    socket.data().with(change);
}

fn node(hub: &MemoryHub, weather: &Arc<Weather>, number: u64) -> Node {
    let (bus, events) = RoughBus::new(hub, weather, number);
    let io = SocketIo::builder()
        .bus((bus.clone(), events))
        .cluster(|cluster| {
            cluster.name = format!("n{number}");
            cluster.heartbeat_interval = ms(200);
            cluster.request_timeout = ms(1000);
        })
        .build();
    io.of("/")
        .middleware(async |socket: Socket| {
            tokio::task::yield_now().await;
            change(&socket, |life| life.is_admitted = true);
        })
        .on_connect(async |socket: Socket| {
            change(&socket, |life| {
                assert!(life.is_admitted && life.done == 0, "{life:?}");
                life.is_busy = true;
            });
            tokio::time::sleep(ms(1)).await;
            change(&socket, |life| (life.is_busy, life.has_begun) = (false, true));
        })
        .on("work", async |socket: Socket, Data(number): Data<u64>| {
            change(&socket, |life| {
                assert!(life.has_begun && !life.is_busy && life.done == number, "{life:?} {number}");
                life.is_busy = true;
            });
            if number % 2 == 0 {
                tokio::task::yield_now().await;
            }
            change(&socket, |life| (life.is_busy, life.done) = (false, number + 1));
        });
    Node { number, io, bus }
}

impl Model {
    pub(super) async fn start(hub: &MemoryHub, seed: u64) -> Self {
        let mut model = Self {
            hub: hub.clone(),
            weather: Weather::new(seed),
            nodes: Vec::new(),
            peers: Vec::new(),
            broadcasts: Vec::new(),
            next: 0,
            encoded: Arc::default(),
            emitted: 0,
        };
        for number in 0..NODES {
            model.nodes.push(node(hub, &model.weather, number));
        }
        model.are_acquainted().await;
        for number in 0..NODES {
            model.connect(number).await;
        }
        model
    }

    async fn connect(&mut self, number: u64) {
        let node = self.nodes.iter().find(|node| node.number == number).unwrap();
        for _ in 0..CLIENTS {
            let client = TestClient::builder(&node.io).timeout(LONG).connect().await.unwrap();
            let mut worked = 0;
            // Before `on_connect` is done, perhaps.
            for number in 0..3 {
                client.emit("work", &number).await.unwrap();
                worked += 1;
            }
            let socket = node.io.of("/").socket(client.id()).await.unwrap();
            self.peers.push(Peer { node: number, client, socket, rooms: BTreeSet::new(), worked });
        }
    }

    async fn are_acquainted(&self) {
        for node in &self.nodes {
            assert!(node.io.cluster_ready(LONG).await);
        }
        let knows_all = |node: &Node| {
            let known = node.io.nodes();
            known.len() == self.nodes.len() && known.iter().all(|other| other.is_reachable)
        };
        until(|| self.nodes.iter().all(knows_all)).await;
    }

    pub(super) fn set_rough(&self, is_rough: bool) {
        self.weather.set_rough(is_rough);
    }

    pub(super) async fn join(&mut self, peer: usize, room: &str, is_calm: bool) {
        let peer = &mut self.peers[peer];
        let joined = peer.socket.join(room).await.unwrap();
        assert!(!is_calm || joined.missing_nodes.is_empty(), "everybody confirms in calm weather");
        peer.rooms.insert(room.to_owned());
    }

    pub(super) async fn leave(&mut self, peer: usize, room: &str) {
        let peer = &mut self.peers[peer];
        peer.socket.leave(room).await;
        peer.rooms.remove(room);
    }

    pub(super) async fn broadcast(
        &mut self,
        node: usize,
        rooms: &BTreeSet<String>,
        except: &BTreeSet<String>,
    ) {
        let node = &self.nodes[node];
        let is_for = |peer: &&Peer| {
            (rooms.is_empty() || !rooms.is_disjoint(&peer.rooms)) && except.is_disjoint(&peer.rooms)
        };
        let expected = self.peers.iter().filter(is_for).map(|peer| peer.client.id().to_owned()).collect();
        let number = self.next;
        self.next += 1;
        self.emitted += 1;
        let operator = match rooms.is_empty() {
            true => node.io.except(except.iter().cloned().collect::<Vec<_>>()),
            false => node
                .io
                .to(rooms.iter().cloned().collect::<Vec<_>>())
                .except(except.iter().cloned().collect::<Vec<_>>()),
        };
        operator.emit("n", &Counted((node.number, number), self.encoded.clone())).await.unwrap();
        let way = rooms.first().filter(|_| rooms.len() == 1).cloned();
        self.broadcasts.push(Broadcast { node: node.number, number, way, expected });
    }

    /// A client emits something, and does not wait.
    pub(super) async fn work(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        for _ in 0..3 {
            peer.client.emit("work", &peer.worked).await.unwrap();
            peer.worked += 1;
        }
    }

    /// A node dies without a word, and its clients with it. A new one comes.
    pub(super) async fn kill(&mut self, node_at: usize, round: u64) {
        let dead = self.nodes.remove(node_at);
        dead.bus.set_connected(false);
        self.peers.retain(|peer| peer.node != dead.number);
        drop(dead);
        let number = NODES + round;
        self.nodes.push(node(&self.hub, &self.weather, number));
        self.are_acquainted().await;
        self.connect(number).await;
    }

    /// Waits until everything has arrived, and compares it with what should have. `is_exact`: nothing may be missing.
    pub(super) async fn settle(&mut self, is_exact: bool) {
        self.nodes.iter().for_each(|node| node.bus.flush());
        if !is_exact {
            self.are_acquainted().await;
        }
        // What one node emits comes in order: behind these nothing of before is on its way.
        for node in &self.nodes {
            node.io.emit("settled", &node.number).await.unwrap();
        }
        for peer in &self.peers {
            let mut waiting: BTreeSet<_> = self.nodes.iter().map(|node| node.number).collect();
            let mut got: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            while !waiting.is_empty() {
                let event = peer.client.next().await.unwrap();
                match &*event.name {
                    "n" => {
                        let (node, number): (u64, u64) = event.args.deserialize().unwrap();
                        got.entry(node).or_default().push(number);
                    }
                    _ => assert!(waiting.remove(&event.args.deserialize::<u64>().unwrap()), "settled twice"),
                }
            }
            self.compare(peer, &got, is_exact);
        }
        for peer in &self.peers {
            until(|| peer.socket.data().get::<Life>().is_some_and(|life| life.done == peer.worked)).await;
        }
        assert_eq!(self.encoded.load(Ordering::Relaxed), self.emitted, "each is encoded once");
        self.broadcasts.clear();
    }

    fn compare(&self, peer: &Peer, got: &BTreeMap<u64, Vec<u64>>, is_exact: bool) {
        let id = peer.client.id();
        let mut senders: BTreeSet<_> = self.broadcasts.iter().map(|broadcast| broadcast.node).collect();
        senders.extend(got.keys());
        for sender in senders {
            let of_sender = self.broadcasts.iter().filter(|broadcast| broadcast.node == sender);
            let expected: Vec<_> = of_sender
                .filter(|broadcast| broadcast.expected.contains(id))
                .map(|broadcast| broadcast.number)
                .collect();
            let got = got.get(&sender).cloned().unwrap_or_default();
            let what = format!("node {sender} to a client of node {}", peer.node);
            if is_exact || sender == peer.node {
                assert_eq!(got, expected, "{what}");
                continue;
            }
            let mut seen = BTreeSet::new();
            assert!(got.iter().all(|number| seen.insert(number)), "{what}: twice: {got:?}");
            // What overtakes on another way is late, not lost; on its own way it is.
            let mut last: BTreeMap<&Option<String>, u64> = BTreeMap::new();
            for number in &got {
                let way =
                    self.broadcasts.iter().find(|broadcast| broadcast.number == *number).map(|it| &it.way);
                let before = last.insert(way.expect("it was emitted"), *number);
                assert!(before.is_none_or(|before| before < *number), "{what}: out of order: {got:?}");
            }
            let expected: BTreeSet<_> = expected.into_iter().collect();
            assert!(got.iter().all(|number| expected.contains(number)), "{what}: {got:?} of {expected:?}");
        }
    }
}

//! The other nodes: who lives, who is out of reach, who is refused.
//!
//! Fed by whatever is heard of them. A node of which nothing was heard for too long is dead, unless this node's own connection
//! was away meanwhile: then it is out of reach, which is said in results, and nobody waits for it. That a connection works is
//! believed only as long as something comes over it; what this node says itself does.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use socketio_cluster::message::{Announcement, Heartbeat, Settings};
use socketio_cluster::node::{Epoch, Node, NodeId};

/// Another node, as it said itself.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: NodeId,
    /// Empty until it has introduced itself.
    pub(crate) name: Arc<str>,
    pub(crate) since: SystemTime,
    pub(crate) sockets: u64,
    pub(crate) rooms: u64,
    pub(crate) load: u64,
    pub(crate) is_reachable: bool,
    epoch: Epoch,
    /// The highest order of a message of it.
    order: u64,
    /// It seemed to be dead after this order: what comes of before may have come already.
    floor: u64,
    heard: Instant,
}

impl Member {
    /// This node itself.
    pub(crate) fn of_self(node: &Node, since: SystemTime, holding: Holding, load: u64) -> Self {
        Self {
            id: node.id,
            name: node.name.clone(),
            since,
            sockets: holding.sockets,
            rooms: holding.rooms,
            load,
            is_reachable: true,
            epoch: node.epoch,
            order: 0,
            floor: 0,
            heard: Instant::now(),
        }
    }
}

/// What a node has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) sockets: u64,
    /// Rooms with members, without the sockets' own.
    pub(crate) rooms: u64,
}

/// What a message of a node means for the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A node that was known.
    Known,
    /// One that was out of reach and is back.
    Back,
    /// One that was not.
    New,
    /// One that numbers anew: what was known of it is void.
    Again,
    /// One that cannot take part, or what one said before it seemed to be dead: to be dropped.
    Refused,
    /// One that said goodbye: it ends what it has begun, and is no part of the cluster.
    Departed,
}

/// See the module's documentation.
pub(crate) struct Members {
    settings: Settings,
    dead_after: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    nodes: HashMap<NodeId, Member>,
    refused: HashSet<NodeId>,
    departed: HashMap<NodeId, Instant>,
    /// Nodes of which nothing was heard for too long, with the highest order of their messages.
    dead: HashMap<NodeId, (Epoch, u64, Instant)>,
    /// Since when the bus is connected without a break, if it is.
    connected: Option<Instant>,
    /// When something came over the bus last.
    sign: Instant,
}

/// Refused nodes that are remembered; a restart makes new ones.
const MAX_REFUSED: usize = 1000;
/// By how much the time between two signs of life may differ.
const GRACE: Duration = Duration::from_millis(150);
/// Nodes that said goodbye which are remembered, and how long at least.
const MAX_DEPARTED: usize = 1000;
const DEPARTING: Duration = Duration::from_secs(60);
/// Dead nodes that are remembered, and how long at least.
const MAX_DEAD: usize = 1000;
const DEAD: Duration = Duration::from_secs(600);

impl Members {
    pub(crate) fn new(settings: Settings, dead_after: Duration) -> Self {
        let inner = Inner {
            nodes: HashMap::new(),
            refused: HashSet::new(),
            departed: HashMap::new(),
            dead: HashMap::new(),
            connected: None,
            sign: Instant::now(),
        };
        Self { settings, dead_after, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something came over the bus, whoever said it. After a silence it counts as connected anew: what the others said meanwhile
    /// may be on its way.
    pub(crate) fn sign(&self) {
        let now = Instant::now();
        let mut inner = self.lock();
        let silence = now.saturating_duration_since(inner.sign);
        if inner.connected.is_some() && silence > self.dead_after / 2 + GRACE {
            inner.connected = Some(now);
        }
        inner.sign = now;
    }

    /// Something came from a node.
    pub(crate) fn heard(&self, id: NodeId, epoch: Epoch, order: u64) -> Heard {
        let now = Instant::now();
        let mut inner = self.lock();
        if !inner.refused.is_empty() && inner.refused.contains(&id) {
            return Heard::Refused;
        }
        if !inner.departed.is_empty() && inner.departed.contains_key(&id) {
            return Heard::Departed;
        }
        match inner.nodes.get_mut(&id) {
            Some(member) if member.epoch == epoch && order <= member.floor => Heard::Refused,
            Some(member) => {
                member.heard = now;
                let was_reachable = std::mem::replace(&mut member.is_reachable, true);
                if member.epoch == epoch {
                    member.order = member.order.max(order);
                    return if was_reachable { Heard::Known } else { Heard::Back };
                }
                (member.epoch, member.order, member.floor) = (epoch, order, 0);
                Heard::Again
            }
            None => {
                let floor =
                    inner.dead.get(&id).filter(|(known, ..)| *known == epoch).map_or(0, |dead| dead.1);
                if floor > 0 && order <= floor {
                    return Heard::Refused;
                }
                inner.dead.remove(&id);
                let member = Member {
                    id,
                    name: "".into(),
                    since: SystemTime::now(),
                    sockets: 0,
                    rooms: 0,
                    load: 0,
                    is_reachable: true,
                    epoch,
                    order,
                    floor,
                    heard: now,
                };
                inner.nodes.insert(id, member);
                Heard::New
            }
        }
    }

    /// A node introduced itself: false if it cannot take part.
    pub(crate) fn introduced(&self, id: NodeId, announcement: &Announcement) -> bool {
        let mut inner = self.lock();
        if announcement.settings != self.settings {
            inner.nodes.remove(&id);
            if inner.refused.len() < MAX_REFUSED && inner.refused.insert(id) {
                tracing::error!(
                    node = %id,
                    name = &*announcement.name,
                    theirs = ?announcement.settings,
                    ours = ?self.settings,
                    "a node maps rooms to other subjects than this one: it is no part of the cluster"
                );
            }
            return false;
        }
        if let Some(member) = inner.nodes.get_mut(&id)
            && member.name != announcement.name
        {
            member.name = announcement.name.clone();
        }
        true
    }

    /// A node gave a sign of life.
    pub(crate) fn beat(&self, id: NodeId, heartbeat: &Heartbeat) {
        if let Some(member) = self.lock().nodes.get_mut(&id) {
            let uptime = Duration::from_millis(heartbeat.uptime);
            member.since = SystemTime::now().checked_sub(uptime).unwrap_or(SystemTime::UNIX_EPOCH);
            member.sockets = heartbeat.sockets;
            member.rooms = heartbeat.rooms;
            member.load = heartbeat.load;
        }
    }

    /// A node said goodbye.
    pub(crate) fn left(&self, id: NodeId) {
        let now = Instant::now();
        let mut inner = self.lock();
        inner.nodes.remove(&id);
        if inner.departed.len() >= MAX_DEPARTED {
            inner.departed.retain(|_, when| now.saturating_duration_since(*when) < DEPARTING);
        }
        if inner.departed.len() < MAX_DEPARTED {
            inner.departed.insert(id, now);
        }
    }

    /// The bus is there, or away.
    pub(crate) fn set_connected(&self, is_connected: bool) {
        let mut inner = self.lock();
        inner.connected = if is_connected { inner.connected.or_else(|| Some(Instant::now())) } else { None };
    }

    /// Whether the bus was there when this was last said.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().connected.is_some()
    }

    /// The nodes of which nothing was heard for too long: those that are dead now, and those newly out of reach.
    pub(crate) fn sweep(&self) -> (Vec<NodeId>, Vec<NodeId>) {
        let now = Instant::now();
        let dead_after = self.dead_after;
        let mut inner = self.lock();
        let Inner { nodes, dead: remembered, connected, sign, .. } = &mut *inner;
        let mut dead = Vec::new();
        let mut unreachable = Vec::new();
        nodes.retain(|id, member| {
            if now.saturating_duration_since(member.heard) <= dead_after {
                return true;
            }
            // How long it was silent while it could have been heard.
            let until = if now.saturating_duration_since(*sign) > dead_after / 2 { *sign } else { now };
            let silence = connected.map(|since| until.saturating_duration_since(since.max(member.heard)));
            if silence.is_some_and(|silence| silence > dead_after) {
                dead.push(*id);
                if remembered.len() >= MAX_DEAD {
                    remembered.retain(|_, (.., when)| now.saturating_duration_since(*when) < DEAD);
                }
                if remembered.len() < MAX_DEAD {
                    remembered.insert(*id, (member.epoch, member.order, now));
                }
                return false;
            }
            if std::mem::take(&mut member.is_reachable) {
                unreachable.push(*id);
            }
            true
        });
        (dead, unreachable)
    }

    /// Whether a node is part of the cluster, as far as is known.
    pub(crate) fn is_known(&self, id: NodeId) -> bool {
        self.lock().nodes.contains_key(&id)
    }

    /// Whether a node is there to be asked.
    pub(crate) fn is_live(&self, id: NodeId) -> bool {
        self.lock().nodes.get(&id).is_some_and(|member| member.is_reachable)
    }

    /// Those to be asked, and those that are out of reach.
    pub(crate) fn split(&self) -> (Vec<NodeId>, Vec<NodeId>) {
        let inner = self.lock();
        let (live, away): (Vec<&Member>, Vec<_>) = inner.nodes.values().partition(|node| node.is_reachable);
        (live.iter().map(|node| node.id).collect(), away.iter().map(|node| node.id).collect())
    }

    /// Those that are out of reach.
    pub(crate) fn unreachable(&self) -> Vec<NodeId> {
        self.split().1
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Member> {
        self.lock().nodes.values().cloned().collect()
    }
}

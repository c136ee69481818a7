//! The way to the other nodes: what is broadcast, asked and joined here goes out over the bus, and what they say comes in.
//!
//! The only place that joins [`delivery`](crate::delivery) with the cluster's messages. Used by namespaces, operators and sockets; what
//! other nodes ask of this one is answered by the [`Site`], which they implement. A server without a bus has none of this.
//!
//! Nothing here waits for the broker: publishing hands a message to the bus's bounded queue. Local delivery does not depend on it.

mod convert;
mod doors;
mod external;
mod lag;
mod load;
mod members;
mod membership;
mod opening;
mod outbound;
mod receive;
mod relay;
mod workers;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use socketio_cluster::bus::{Bus, BusEvents};
use socketio_cluster::external::External;
use socketio_cluster::message::{
    self, Action, Announcement, Answer, Heartbeat, Message, Request, Response, Settings, WIRE_VERSION,
};
use socketio_cluster::node::{Node, NodeId};
use socketio_cluster::scatter::{Gather, Scatter};
use socketio_cluster::subject::{BUCKET_HASH, Subject, Subjects};
use socketio_cluster::trace::TraceContext;
use tokio::sync::Notify;

pub(crate) use self::convert::{from_payload, from_target, to_payload, to_target};
pub(crate) use self::doors::Hold;
pub(crate) use self::external::Outcome;
use self::load::Load;
pub(crate) use self::members::Holding;
use self::members::Members;
use self::membership::Membership;
use self::opening::Opening;
use self::outbound::{Outbound, SendError};
pub(crate) use self::workers::HandOutError;
use crate::config::{ClusterConfig, ConfigError};
use crate::delivery::Target;
use crate::engine::RelayInbox;
use crate::id::{NODE_TOKEN_LENGTH, NodeToken, is_socket_id_form};

/// Answers of one request that may wait to be taken.
const MAX_ANSWERS: usize = 65_536;

/// What this node does when others ask. Implemented by what owns the namespaces.
pub(crate) trait Site: Send + Sync {
    /// Delivers a broadcast to this node's sockets, in the order of the calls. Must not wait.
    fn deliver(&self, from: NodeId, broadcast: message::Broadcast);
    /// Does or tells what a node asks, and sends the responses. What it does to sockets has been handed to their threads when
    /// the future was polled once.
    fn answer(&self, from: NodeId, request: Request) -> BoxFuture<'static, ()>;
    /// Does what an external process asks: how many sockets it concerned, if that is wanted. As with `answer`, its first poll hands
    /// out the work.
    fn external(
        &self,
        external: External,
        is_counted: bool,
        trace: Option<&TraceContext>,
    ) -> BoxFuture<'static, Outcome>;
    /// How many members a room has on this node.
    fn room_size(&self, namespace: &str, room: &str) -> usize;
    /// What this node has now.
    fn holding(&self) -> Holding;
}

/// Who has to act on something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// This node only.
    Here,
    /// One other node only.
    Node(NodeId),
    /// Every node, this one included.
    Everybody,
}

/// A request on its way, and who cannot be asked.
pub(crate) struct Asked {
    pub(crate) gather: Gather<Answer>,
    pub(crate) unreachable: Vec<NodeId>,
    pub(crate) since: Instant,
}

/// What came of a request.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) answers: Vec<(NodeId, Answer)>,
    /// The nodes that did not answer, or not completely.
    pub(crate) missing: Vec<String>,
}

impl Asked {
    /// Everything that comes within `timeout` of the question.
    pub(crate) async fn answers(self, timeout: Duration) -> Answers {
        let gathered = self.gather.collect(timeout.saturating_sub(self.since.elapsed())).await;
        let mut missing: Vec<_> =
            gathered.missing.iter().chain(&self.unreachable).map(ToString::to_string).collect();
        let mut answers = Vec::with_capacity(gathered.answers.len());
        for (node, answer) in gathered.answers {
            if let Answer::Refused(why) = &answer {
                tracing::warn!(%node, why = &**why, "another node refused a request");
                missing.push(node.to_string());
            }
            answers.push((node, answer));
        }
        missing.sort();
        missing.dedup();
        Answers { answers, missing }
    }
}

impl Answers {
    /// For answers that come in parts, the last of which says how many items there are: a node of which some are lost counts as missing.
    pub(crate) fn check_parts(&mut self) {
        let mut parts: HashMap<NodeId, (u64, Option<u64>)> = HashMap::new();
        for (node, answer) in &self.answers {
            let (got, said) = parts.entry(*node).or_default();
            match answer {
                Answer::Sockets(sockets) => *got += sockets.len() as u64,
                Answer::Rooms(rooms) => *got += rooms.len() as u64,
                Answer::Done(count) | Answer::EndOfPage { sent: count, .. } => *said = Some(*count),
                _ => {}
            }
        }
        let incomplete = parts.into_iter().filter(|(_, (got, said))| said.is_some_and(|said| said != *got));
        self.missing.extend(incomplete.map(|(node, _)| node.to_string()));
        self.missing.sort();
        self.missing.dedup();
    }
}

/// What happened to messages, counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Messages of other nodes that did not arrive here.
    pub(crate) lost: AtomicU64,
    /// Messages that were no messages of a node.
    pub(crate) refused: AtomicU64,
    /// Messages of other processes that were none; each has been logged.
    pub(crate) refused_external: AtomicU64,
    /// Messages of this node that were not sent.
    pub(crate) unsent: AtomicU64,
    /// Times the connection came back.
    pub(crate) reconnects: AtomicU64,
    /// Microseconds that the last heartbeat took to the broker and back.
    pub(crate) round_trip: AtomicU64,
}

/// See the module's documentation.
pub(crate) struct Uplink {
    bus: Arc<dyn Bus>,
    node: Node,
    config: ClusterConfig,
    subjects: Subjects,
    outbound: Outbound,
    members: Members,
    opening: Opening,
    membership: Membership,
    requests: Scatter<Answer>,
    fences: Scatter<()>,
    outcomes: external::Outcomes,
    load: Load,
    started: Instant,
    pub(crate) counters: Counters,
    site: OnceLock<Weak<dyn Site>>,
    /// The endpoint, if its sessions are relayed.
    relay: OnceLock<RelayInbox>,
    /// Told when another node appears, or the connection.
    news: Notify,
    has_said_goodbye: AtomicBool,
}

impl Uplink {
    /// On a bus. Nothing is said before [`start`](Self::start).
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        token: &NodeToken,
        config: ClusterConfig,
    ) -> Result<Arc<Self>, ConfigError> {
        let config = config.validate()?;
        let subjects = Subjects::new(&config.prefix, config.buckets)?;
        let mut node = Node::new(config.name.as_str());
        if let Ok(id) = NodeId::parse(token.as_str().as_bytes()) {
            node.id = id;
        }
        let settings = Settings { buckets: config.buckets, bucket_hash: BUCKET_HASH };
        Ok(Arc::new(Self {
            outbound: Outbound::new(bus.clone(), node.clone(), config.max_message),
            members: Members::new(settings, config.dead_after()),
            opening: Opening::new(bus.clone(), config.linger),
            membership: Membership::default(),
            requests: Scatter::default(),
            fences: Scatter::default(),
            outcomes: external::Outcomes::default(),
            load: Load::default(),
            started: Instant::now(),
            counters: Counters::default(),
            site: OnceLock::new(),
            relay: OnceLock::new(),
            news: Notify::new(),
            has_said_goodbye: AtomicBool::new(false),
            bus,
            node,
            config,
            subjects,
        }))
    }

    /// Begins to listen and to speak, for as long as `site` lives.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn start(self: &Arc<Self>, events: BusEvents, site: Weak<dyn Site>) {
        if self.site.set(site).is_ok() {
            for subject in [self.subjects.control(), self.subjects.nodes(), self.subjects.emit()] {
                self.bus.subscribe(subject.clone());
            }
            self.bus.subscribe(self.subjects.node(self.node.id));
            // Of each external message one node gets a second copy: the one that answers it.
            self.bus.subscribe_queue(self.subjects.emit().clone(), external::GROUP);
            tokio::spawn(receive::run(self.clone(), events));
            tokio::spawn(receive::fence(self.clone()));
        }
    }

    fn site(&self) -> Option<Arc<dyn Site>> {
        self.site.get().and_then(Weak::upgrade)
    }

    // ---- who is there ----------------------------------------------------------------------------------

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.bus.is_connected()
    }

    /// The other nodes.
    pub(crate) fn members(&self) -> Vec<members::Member> {
        self.members.all()
    }

    /// How this node describes itself.
    pub(crate) fn own_heartbeat(&self, holding: Holding) -> members::Member {
        members::Member::of_self(&self.node, self.since(), holding, self.load.last())
    }

    fn since(&self) -> SystemTime {
        SystemTime::now().checked_sub(self.started.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// The live other node whose token ends this id.
    pub(crate) fn live_node(&self, token: &str) -> Option<NodeId> {
        let id = NodeId::parse(token.as_bytes()).ok()?;
        self.members.is_live(id).then_some(id)
    }

    /// Waits until the connection is there and the nodes that are have been heard, at most `timeout`. False if there is no connection.
    pub(crate) async fn ready(&self, timeout: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + timeout;
        while !self.is_connected() {
            let news = self.news.notified();
            if self.is_connected() {
                break;
            }
            let pause = tokio::time::Duration::from_millis(100);
            let _ = tokio::time::timeout(pause, news).await;
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
        }
        // Live nodes answer at once; each answer may be followed by another.
        for pause in [50, 100, 200] {
            self.send(self.subjects.control(), Message::Joining(self.announcement()));
            loop {
                let pause = tokio::time::Duration::from_millis(pause);
                if tokio::time::timeout(pause, self.news.notified()).await.is_err() {
                    break;
                }
            }
        }
        true
    }

    // ---- sending ---------------------------------------------------------------------------------------

    /// Publishes; what cannot be sent is counted.
    fn send(&self, subject: &Subject, message: Message) -> bool {
        self.check_sent(self.outbound.send(subject, message)).is_ok()
    }

    fn check_sent(&self, sent: Result<(), SendError>) -> Result<(), SendError> {
        if let Err(SendError::Bus(_)) = sent {
            self.counters.unsent.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Publishes to one node's inbox.
    pub(crate) fn send_to(&self, node: NodeId, message: Message) -> Result<(), SendError> {
        self.check_sent(self.outbound.send(&self.subjects.node(node), message))
    }

    /// A part of the answer to a node's request.
    pub(crate) fn respond(&self, to: NodeId, id: u64, is_last: bool, answer: Answer) {
        let response = Message::Response(Response { id, is_last, answer });
        if let Err(error) = self.send_to(to, response)
            && !matches!(error, SendError::Bus(_))
        {
            tracing::warn!(node = %to, %error, "an answer to another node could not be sent");
            let refused = Answer::Refused(error.to_string().into());
            let _ = self.send_to(to, Message::Response(Response { id, is_last: true, answer: refused }));
        }
    }

    /// Who has to act on what is for `target`.
    pub(crate) fn audience(&self, target: &Target) -> Audience {
        match target.single_room().and_then(|room| self.owner(room)) {
            Some(owner) if owner == self.node.id => Audience::Here,
            Some(owner) => Audience::Node(owner),
            None => Audience::Everybody,
        }
    }

    /// The live node that a socket id belongs to, this one included.
    fn owner(&self, room: &str) -> Option<NodeId> {
        if !is_socket_id_form(room) {
            return None;
        }
        let token = &room[room.len() - NODE_TOKEN_LENGTH..];
        if token == self.node.id.as_str() { Some(self.node.id) } else { self.live_node(token) }
    }

    /// Whether a room's name is the id of a socket of this node or of a live other one.
    pub(crate) fn is_socket_id(&self, room: &str) -> bool {
        self.owner(room).is_some()
    }

    /// Publishes a broadcast for the sockets of other nodes.
    ///
    /// # Errors
    /// When it is too large. What the bus does not take is counted, and no error: the sockets here have it.
    pub(crate) fn broadcast(
        &self,
        broadcast: message::Broadcast,
        audience: Audience,
    ) -> Result<(), SendError> {
        let subject = match (audience, &broadcast.target.rooms[..]) {
            (Audience::Here, _) => return Ok(()),
            (Audience::Node(node), _) => self.subjects.node(node),
            (Audience::Everybody, _) if broadcast.ack.is_some() => self.subjects.nodes().clone(),
            (Audience::Everybody, [room]) => self.subjects.room(&broadcast.target.namespace, room).clone(),
            (Audience::Everybody, _) => self.subjects.namespace(&broadcast.target.namespace).clone(),
        };
        match self.check_sent(self.outbound.send(&subject, Message::Broadcast(broadcast))) {
            Ok(()) | Err(SendError::Bus(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Begins to wait for the answers of those that have to act, this node excepted.
    pub(crate) fn expect(&self, audience: Audience) -> Asked {
        let (live, unreachable) = match audience {
            Audience::Here => (Vec::new(), Vec::new()),
            Audience::Node(node) => (vec![node], Vec::new()),
            Audience::Everybody => self.members.split(),
        };
        Asked { gather: self.requests.begin(live, MAX_ANSWERS), unreachable, since: Instant::now() }
    }

    /// Asks those that have to act, this node excepted.
    pub(crate) fn ask(&self, target: message::Target, action: Action, audience: Audience) -> Asked {
        let asked = self.expect(audience);
        let is_question = matches!(
            action,
            Action::FetchSockets | Action::FetchPage { .. } | Action::CountSockets | Action::Rooms
        );
        if is_question && asked.gather.missing().is_empty() {
            // Nobody would take the answers.
            return asked;
        }
        let subject = match audience {
            Audience::Node(node) => self.subjects.node(node),
            _ => self.subjects.nodes().clone(),
        };
        if audience != Audience::Here {
            let request = Request { id: asked.gather.id(), target, action };
            if let Err(error) = self.check_sent(self.outbound.send(&subject, Message::Request(request))) {
                tracing::warn!(%error, "a request to other nodes could not be sent");
                // They were not asked: nobody waits for them.
                for node in asked.gather.missing() {
                    asked.gather.give_up(node);
                }
            }
        }
        asked
    }

    fn announcement(&self) -> Announcement {
        let settings = Settings { buckets: self.config.buckets, bucket_hash: BUCKET_HASH };
        Announcement { name: self.node.name.clone(), settings }
    }

    fn heartbeat(&self, sequences: Vec<(Arc<str>, u64)>) -> Message {
        let holding = self.site().map(|site| site.holding()).unwrap_or_default();
        Message::Heartbeat(Heartbeat {
            announcement: self.announcement(),
            uptime: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            sockets: holding.sockets,
            rooms: holding.rooms,
            load: self.load.last(),
            sequences,
        })
    }

    /// Sends what waits to be sent, at most so long, and nothing more after it.
    pub(crate) async fn end(&self, timeout: Duration) {
        self.say_goodbye();
        if !self.bus.close(timeout).await {
            tracing::warn!(node = %self.node.id, "not everything that waited was sent to the other nodes");
        }
    }

    /// Tells the others that this node is about to stop.
    pub(crate) fn say_goodbye(&self) {
        if !self.has_said_goodbye.swap(true, Ordering::SeqCst) {
            self.send(self.subjects.control(), Message::Leaving);
        }
    }
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uplink")
            .field("node", &self.node.id)
            .field("wire_version", &WIRE_VERSION)
            .finish_non_exhaustive()
    }
}

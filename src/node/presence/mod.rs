//! Presence: who is in a room, by user, on all nodes; and telling members who comes and goes.
//!
//! Every node keeps the users of its own sockets and tells the other nodes the whole list of a room when it has changed, gathered for
//! a moment ([`GATHER`], and a millisecond per user). A node with members in a room keeps the others' lists, and tells its own
//! members what changes in all of them together. A node that is gone from the cluster takes its users with it at once; a list that was
//! lost on the way is noticed by its version, which every node repeats each [`HEARTBEAT`]. Whoever asks for a room without members
//! here causes the other nodes to be asked.

mod all;
mod directory;
mod exchange;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_socketio::{Membership, Namespace, Reply, Socket, SocketIo, TryData};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

pub(in crate::node) use self::all::Presences;
use self::directory::{Directory, Key};
pub(in crate::node) use self::directory::{Member, View};
use super::namespaces::{Answer, Gate, Place, PresenceOptions, Problem, register, user};

/// Changes are gathered for so long before anybody is told.
const GATHER: Duration = Duration::from_millis(50);
/// How often the nodes that live are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often versions are repeated, in looks.
const HEARTBEAT: u32 = 10;
/// The longest that a join waits for the other nodes' lists.
const MAX_WAIT: Duration = Duration::from_secs(6);
/// Clients' questions that may cause the other nodes to be asked at the same time.
const MAX_ASKING: usize = 16;

/// The presence in one namespace, or in those of a pattern.
pub(in crate::node) struct Presence {
    io: SocketIo,
    options: PresenceOptions,
    gate: Arc<dyn Gate>,
    directory: Mutex<Directory>,
    /// Rooms with changes: whether the other nodes have to be told.
    changed: Mutex<HashMap<Key, bool>>,
    has_changes: Notify,
    became_known: Notify,
    asking: Semaphore,
}

/// What clients are answered.
#[derive(Serialize)]
pub(in crate::node) struct Roll {
    pub(in crate::node) room: String,
    #[serde(flatten)]
    pub(in crate::node) view: View,
    /// Nodes that did not answer: users of theirs may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::node) missing_nodes: Vec<String>,
}

/// What members are told.
#[derive(Serialize)]
struct Change<'a> {
    room: &'a str,
    users: &'a [Member],
    count: u64,
}

impl Presence {
    pub(in crate::node) fn new(io: &SocketIo, options: PresenceOptions, gate: Arc<dyn Gate>) -> Arc<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let version = u64::try_from(now.as_micros()).unwrap_or_default();
        Arc::new(Self {
            io: io.clone(),
            directory: Mutex::new(Directory::new(options.max_members, version)),
            options,
            gate,
            changed: Mutex::default(),
            has_changes: Notify::new(),
            became_known: Notify::new(),
            asking: Semaphore::new(MAX_ASKING),
        })
    }

    /// Listens to the namespace, and begins to tell. On the node's main thread.
    pub(in crate::node) fn register(self: &Arc<Self>, place: &Place) {
        let this = self.clone();
        register!(
            place,
            on_membership(move |socket, room, membership| this.on_membership(socket, room, membership))
        );
        if !self.options.event.is_empty() {
            let this = self.clone();
            let ask = move |socket: Socket, TryData(room): TryData<String>| {
                let this = this.clone();
                async move {
                    let room = room.map_err(|_| Problem::Arguments);
                    Reply(Answer::from(this.asked_by(&socket, room).await))
                }
            };
            register!(place, on(&self.options.event, ask));
        }
        exchange::register(self, place);
        actix_web::rt::spawn(self.clone().run());
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_membership(&self, socket: &Socket, room: &str, membership: Membership) {
        let namespace = socket.namespace();
        let key = (namespace.name().to_owned(), room.to_owned());
        match membership {
            Membership::Joined => {
                let user = user::name(socket, &self.options.user).unwrap_or_else(|| socket.id().to_owned());
                let info = user::info(socket, &self.options.info);
                self.directory().joined(&key, socket.id(), Member { user, info, sockets: 0 });
            }
            Membership::Left => _ = self.directory().left(&key, socket.id()),
        }
        self.change([key], true);
    }

    fn change(&self, keys: impl IntoIterator<Item = Key>, is_own: bool) {
        {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                *changed.entry(key).or_default() |= is_own;
            }
        }
        self.has_changes.notify_one();
    }

    /// A client asks.
    async fn asked_by(&self, socket: &Socket, room: Result<String, Problem>) -> Result<Roll, Problem> {
        let room = room?;
        let is_member = socket.rooms().contains(&room) && room != socket.id();
        if !is_member && !self.gate.may_join(socket, &room) {
            return Err(Problem::NotPermitted);
        }
        self.roll(socket.namespace().name(), &room).await
    }

    /// Who is in a room, on all nodes.
    pub(in crate::node) async fn roll(&self, namespace: &str, room: &str) -> Result<Roll, Problem> {
        let key = (namespace.to_owned(), room.to_owned());
        let known = {
            let directory = self.directory();
            if directory.is_known(&key) { directory.view(&key) } else { None }
        };
        if let Some(view) = known {
            return Ok(Roll { room: key.1, view, missing_nodes: Vec::new() });
        }
        let _permit = self.asking.try_acquire().map_err(|_| Problem::Busy)?;
        // Perhaps nobody is in it on this node.
        let namespace = self.io.reach(namespace);
        let (mut listings, missing_nodes) =
            exchange::ask(&namespace, &key.1).await.ok_or(Problem::Unavailable)?;
        listings.push((String::new(), self.directory().listing(&key)));
        let view = directory::fold(listings.iter().map(|(_, listing)| listing));
        Ok(Roll { room: key.1, view, missing_nodes })
    }

    /// Waits until the other nodes' users of a room that was joined here are known.
    pub(in crate::node) async fn known(&self, namespace: &str, room: &str) {
        let key = (namespace.to_owned(), room.to_owned());
        let wait = async {
            loop {
                let notified = self.became_known.notified();
                if self.directory().is_known(&key) {
                    return;
                }
                notified.await;
            }
        };
        // What did not come in time comes with the next heartbeat.
        let _ = tokio::time::timeout(MAX_WAIT, wait).await;
    }

    /// Tells, for as long as the node runs.
    async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut since_heartbeat = 0;
        // When a crowded room may be told of again.
        let mut not_before: HashMap<Key, Instant> = HashMap::new();
        loop {
            tokio::select! {
                () = self.has_changes.notified() => {
                    tokio::time::sleep(GATHER).await;
                    self.tell(&mut not_before).await;
                }
                _ = looks.tick() => {
                    self.look();
                    since_heartbeat += 1;
                    if since_heartbeat >= HEARTBEAT {
                        since_heartbeat = 0;
                        self.beat().await;
                    }
                }
            }
        }
    }

    /// Nodes that are gone take their users with them.
    fn look(&self) {
        let alive: BTreeSet<_> = self.io.nodes().into_iter().map(|node| node.id).collect();
        let gone = self.directory().forget_others(&alive);
        if !gone.is_empty() {
            self.change(gone, false);
        }
    }

    async fn beat(&self) {
        let silent = self.directory().forget_silent();
        if !silent.is_empty() {
            self.change(silent, false);
        }
        let digest = self.directory().digest();
        for (name, versions) in digest {
            if let Some(namespace) = self.io.namespace(&name) {
                exchange::beat(&namespace, &versions).await;
            }
        }
    }

    /// Tells the other nodes and the members here what has changed.
    async fn tell(self: &Arc<Self>, not_before: &mut HashMap<Key, Instant>) {
        let now = Instant::now();
        not_before.retain(|_, at| *at > now);
        let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, is_own) in changed {
            if not_before.contains_key(&key) {
                self.change([key], is_own);
                continue;
            }
            let Some(namespace) = self.io.namespace(&key.0) else { continue };
            let (listing, is_known) = {
                let directory = self.directory();
                (directory.listing(&key), directory.is_known(&key))
            };
            let pause = Duration::from_millis(listing.count);
            if is_own {
                exchange::publish(&namespace, &key.1, &listing).await;
            }
            if !is_known {
                actix_web::rt::spawn(self.clone().learn(namespace, key));
                continue;
            }
            let news = self.directory().news(&key);
            if let Some(news) = news {
                self.announce(&namespace, &key.1, news).await;
            }
            if pause > GATHER {
                not_before.insert(key, now + pause);
            }
        }
    }

    /// Asks the other nodes for a room that is new here.
    async fn learn(self: Arc<Self>, namespace: Namespace, key: Key) {
        let listings = exchange::ask(&namespace, &key.1).await.map(|(listings, _)| listings);
        {
            let mut directory = self.directory();
            for (node, listing) in listings.unwrap_or_default() {
                directory.told(&key, &node, listing);
            }
            directory.is_known_now(&key);
        }
        self.became_known.notify_waiters();
        self.change([key], false);
    }

    async fn announce(&self, namespace: &Namespace, room: &str, news: directory::News) {
        let count = news.count;
        let pairs = [(&self.options.left_event, news.left), (&self.options.joined_event, news.joined)];
        for (event, users) in pairs {
            if users.is_empty() || event.is_empty() {
                continue;
            }
            let change = Change { room, users: &users, count };
            if let Err(error) = namespace.local().to(room).emit(event, &change).await {
                tracing::warn!(%error, event, "presence not told");
            }
        }
    }
}

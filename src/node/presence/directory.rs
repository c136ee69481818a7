//! Who is in which room: the users of this node's sockets, and those that other nodes told of.
//!
//! Pure: it knows nothing of sockets, nodes or time. One per configured namespace (or pattern of them).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A room: its namespace and its name.
pub(super) type Key = (String, String);

/// A user, as others may see it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(in crate::node) struct Member {
    /// Who it is.
    pub(in crate::node) user: String,
    /// What else may be known.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(in crate::node) info: Map<String, Value>,
    /// How many of its sockets are in the room.
    pub(in crate::node) sockets: u64,
}

/// The users of a room on one node.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Listing {
    /// Grows with each change.
    pub(super) version: u64,
    /// How many there are.
    pub(super) count: u64,
    /// The first of them by name.
    pub(super) members: Vec<Member>,
}

impl Listing {
    fn is_complete(&self) -> bool {
        self.members.len() as u64 == self.count
    }
}

/// The users of a room on all nodes, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(in crate::node) struct View {
    /// How many there are. Not exact if the list is incomplete: a user of two nodes may count twice.
    pub(in crate::node) count: u64,
    /// Who they are, by name.
    pub(in crate::node) users: Vec<Member>,
    /// Whether there are more than are listed.
    pub(in crate::node) truncated: bool,
}

/// Who came and went since the members of a room were told last.
#[derive(Debug, Default, PartialEq)]
pub(super) struct News {
    pub(super) joined: Vec<Member>,
    pub(super) left: Vec<Member>,
    pub(super) count: u64,
}

/// A room with members on this node.
#[derive(Default)]
struct Room {
    /// The user of each socket.
    sockets: HashMap<String, String>,
    here: BTreeMap<String, Member>,
    version: u64,
    /// By the id of their node, with the heartbeats for which nobody confirmed them.
    elsewhere: HashMap<String, (Listing, u8)>,
    told: BTreeMap<String, Member>,
    /// The other nodes were asked.
    is_known: bool,
}

/// See the module's documentation.
pub(super) struct Directory {
    rooms: HashMap<Key, Room>,
    max_members: usize,
    /// The last version that was given.
    version: u64,
}

/// Heartbeats for which a listing is kept that its node does not mention.
const MAX_SILENCE: u8 = 3;

impl Directory {
    /// Versions begin behind `version`: above all that this node may have given before.
    pub(super) fn new(max_members: usize, version: u64) -> Self {
        Self { rooms: HashMap::new(), max_members, version }
    }

    /// A socket of this node has joined.
    pub(super) fn joined(&mut self, key: &Key, socket: &str, member: Member) {
        self.version += 1;
        let room = self.rooms.entry(key.clone()).or_default();
        room.version = self.version;
        if room.sockets.insert(socket.to_owned(), member.user.clone()).is_some() {
            return;
        }
        room.here.entry(member.user.clone()).or_insert(Member { sockets: 0, ..member }).sockets += 1;
    }

    /// A socket of this node has left. True if it was the last one.
    pub(super) fn left(&mut self, key: &Key, socket: &str) -> bool {
        let Some(room) = self.rooms.get_mut(key) else { return false };
        let Some(user) = room.sockets.remove(socket) else { return false };
        self.version += 1;
        room.version = self.version;
        if let Some(member) = room.here.get_mut(&user) {
            member.sockets -= 1;
            if member.sockets == 0 {
                room.here.remove(&user);
            }
        }
        let is_empty = room.sockets.is_empty();
        if is_empty {
            self.rooms.remove(key);
        }
        is_empty
    }

    /// What other nodes are told of the room; of one without members here, that there are none.
    pub(super) fn listing(&self, key: &Key) -> Listing {
        let Some(room) = self.rooms.get(key) else {
            return Listing { version: self.version, ..Listing::default() };
        };
        let members = room.here.values().take(self.max_members).cloned().collect();
        Listing { version: room.version, count: room.here.len() as u64, members }
    }

    /// Another node told of the room. False if that is of no interest here.
    pub(super) fn told(&mut self, key: &Key, node: &str, listing: Listing) -> bool {
        let Some(room) = self.rooms.get_mut(key) else { return false };
        if room.elsewhere.get(node).is_some_and(|(known, _)| known.version >= listing.version) {
            return false;
        }
        // An empty one is kept for its version, until its node does not mention it any more.
        room.elsewhere.insert(node.to_owned(), (listing, 0));
        true
    }

    /// The other nodes were asked: what they told is where the news begin. Who is only here is news.
    pub(super) fn is_known_now(&mut self, key: &Key) {
        if let Some(room) = self.rooms.get_mut(key)
            && !std::mem::replace(&mut room.is_known, true)
        {
            let elsewhere = room.elsewhere.values().flat_map(|(listing, _)| &listing.members);
            room.told = elsewhere.map(|member| (member.user.clone(), member.clone())).collect();
        }
    }

    /// Whether the other nodes were asked; of a room without members here there is nothing to ask.
    pub(super) fn is_known(&self, key: &Key) -> bool {
        self.rooms.get(key).is_none_or(|room| room.is_known)
    }

    /// The versions of the rooms of this node, by namespace.
    pub(super) fn digest(&self) -> HashMap<String, Vec<(String, u64)>> {
        let mut digest: HashMap<_, Vec<_>> = HashMap::new();
        for ((namespace, name), room) in &self.rooms {
            digest.entry(namespace.clone()).or_default().push((name.clone(), room.version));
        }
        digest
    }

    /// Another node told the versions of its rooms: those that are not as they are known here.
    pub(super) fn compare(&mut self, namespace: &str, node: &str, digest: Vec<(String, u64)>) -> Vec<Key> {
        let mut differing = Vec::new();
        for (name, version) in digest {
            let key = (namespace.to_owned(), name);
            let Some(room) = self.rooms.get_mut(&key) else { continue };
            match room.elsewhere.get_mut(node) {
                Some((known, silence)) if known.version >= version => *silence = 0,
                _ => differing.push(key),
            }
        }
        differing
    }

    /// A heartbeat has passed: listings that nobody confirmed are forgotten. The rooms that this changes.
    pub(super) fn forget_silent(&mut self) -> Vec<Key> {
        self.retain(|_, silence| {
            *silence += 1;
            *silence <= MAX_SILENCE
        })
    }

    /// Only these nodes live. The rooms that this changes.
    pub(super) fn forget_others(&mut self, alive: &BTreeSet<String>) -> Vec<Key> {
        self.retain(|node, _| alive.contains(node))
    }

    fn retain(&mut self, mut keep: impl FnMut(&str, &mut u8) -> bool) -> Vec<Key> {
        let mut changed = Vec::new();
        for (key, room) in &mut self.rooms {
            let before = room.elsewhere.len();
            room.elsewhere.retain(|node, (_, silence)| keep(node, silence));
            if room.elsewhere.len() != before {
                changed.push(key.clone());
            }
        }
        changed
    }

    /// Who is in a room that has members here.
    pub(super) fn view(&self, key: &Key) -> Option<View> {
        let room = self.rooms.get(key)?;
        Some(fold(std::iter::once(&self.listing(key)).chain(room.elsewhere.values().map(|(known, _)| known))))
    }

    /// What is to be told to the members that are here.
    pub(super) fn news(&mut self, key: &Key) -> Option<News> {
        let view = self.view(key)?;
        let room = self.rooms.get_mut(key)?;
        if view.truncated || !room.is_known {
            return None;
        }
        let now: BTreeMap<_, _> =
            view.users.into_iter().map(|member| (member.user.clone(), member)).collect();
        let new =
            |(user, member): (&String, &Member)| (!room.told.contains_key(user)).then(|| member.clone());
        let gone = |(user, member): (&String, &Member)| {
            (!now.contains_key(user)).then(|| Member { sockets: 0, ..member.clone() })
        };
        let (joined, left) =
            (now.iter().filter_map(new).collect(), room.told.iter().filter_map(gone).collect());
        let news = News { joined, left, count: view.count };
        room.told = now;
        (!news.joined.is_empty() || !news.left.is_empty()).then_some(news)
    }
}

/// Several nodes' listings as one.
pub(super) fn fold<'a>(listings: impl IntoIterator<Item = &'a Listing>) -> View {
    let mut users: BTreeMap<&str, Member> = BTreeMap::new();
    let mut view = View::default();
    let mut unlisted = 0;
    for listing in listings {
        view.truncated |= !listing.is_complete();
        unlisted += listing.count.saturating_sub(listing.members.len() as u64);
        for member in &listing.members {
            let known = users.entry(&member.user).or_insert_with(|| Member { sockets: 0, ..member.clone() });
            known.sockets = known.sockets.saturating_add(member.sockets);
        }
    }
    view.users = users.into_values().collect();
    view.count = view.users.len() as u64 + unlisted;
    view
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;

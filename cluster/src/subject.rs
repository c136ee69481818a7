//! The subject tree: which NATS subject carries what.
//!
//! Used by whoever publishes or subscribes. Names of namespaces, rooms and events are arbitrary text from users, so none
//! of them becomes a part of a subject as it is: rooms are hashed, other names go through [`token`]. The true names travel
//! in the messages and are compared on receipt. Pure: no tokio, no NATS.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::node::NodeId;

/// How many buckets the rooms of all namespaces share, unless configured otherwise.
pub const DEFAULT_BUCKETS: u32 = 1024;

/// The most buckets that can be configured.
pub const MAX_BUCKETS: u32 = 65_536;

/// Identifies the function from (namespace, room) to bucket. Nodes announce it; it changes with the function.
pub const BUCKET_HASH: u8 = 1;

/// The longest prefix, in bytes.
pub const MAX_PREFIX: usize = 128;

/// The longest token that [`token`] makes of a name, in bytes: two of them, the prefix and a reply subject fit into a
/// NATS control line (4,096 bytes) with ease.
pub const MAX_TOKEN: usize = 1024;

/// The longest reply subject that is answered, in bytes.
pub const MAX_REPLY: usize = 512;

/// A subject that NATS takes, without wildcards (but for those of inboxes, which do not leave this crate). Only this module makes them; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

impl Subject {
    /// For a subscription only: everything that has one token more.
    #[cfg(any(feature = "nats", test))]
    pub(crate) fn all_under(inbox: &str) -> Self {
        Self(format!("{inbox}.*").into())
    }

    pub(crate) fn under_inbox(inbox: &str, request: u64) -> Self {
        Self(format!("{inbox}.{request}").into())
    }

    /// One of an application's own, to publish to.
    ///
    /// # Errors
    /// When it begins with `$`, which is NATS's own, when NATS would not take it for publishing, or when it is longer than
    /// [`MAX_REPLY`].
    pub fn foreign(subject: &str) -> Result<Self, InvalidSubject> {
        let is_token = |token: &str| {
            !token.is_empty() && !token.bytes().any(|byte| byte <= b' ' || matches!(byte, b'*' | b'>' | 0x7f))
        };
        if subject.len() > MAX_REPLY || subject.starts_with('$') || !subject.split('.').all(is_token) {
            return Err(InvalidSubject);
        }
        Ok(Self(subject.into()))
    }

    /// The subject as NATS sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A reply subject that cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject that can be answered")]
pub struct InvalidSubject;

/// Why a subject tree cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectsError {
    /// The prefix is not made of tokens of `A–Z a–z 0–9 _ -` with dots between them, or too long.
    #[error("a prefix is tokens of A-Z a-z 0-9 _ - with dots between them, at most {MAX_PREFIX} bytes")]
    Prefix,
    /// The number of buckets is 0 or above [`MAX_BUCKETS`].
    #[error("there are at least 1 and at most {MAX_BUCKETS} buckets")]
    Buckets,
}

/// A name that makes a token longer than [`MAX_TOKEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of {0} bytes is too long for a subject")]
pub struct NameTooLong(pub usize);

/// The tree under one prefix. All nodes and external processes of a cluster use the same.
#[derive(Clone, Debug)]
pub struct Subjects {
    prefix: Arc<str>,
    control: Subject,
    nodes: Subject,
    emit: Subject,
    buckets: Arc<[Subject]>,
}

impl Default for Subjects {
    /// Prefix `sio`, [`DEFAULT_BUCKETS`].
    fn default() -> Self {
        Self::build("sio", DEFAULT_BUCKETS)
    }
}

impl Subjects {
    /// The tree under `prefix`, with `buckets` room subjects.
    ///
    /// # Errors
    /// When the prefix is no sequence of plain tokens or the number of buckets is out of bounds.
    pub fn new(prefix: &str, buckets: u32) -> Result<Self, SubjectsError> {
        if !is_prefix(prefix) {
            return Err(SubjectsError::Prefix);
        }
        if buckets == 0 || buckets > MAX_BUCKETS {
            return Err(SubjectsError::Buckets);
        }
        Ok(Self::build(prefix, buckets))
    }

    fn build(prefix: &str, buckets: u32) -> Self {
        Self {
            prefix: prefix.into(),
            control: Subject(format!("{prefix}.control").into()),
            nodes: Subject(format!("{prefix}.nodes").into()),
            emit: Subject(format!("{prefix}.emit").into()),
            buckets: (0..buckets).map(|bucket| Subject(format!("{prefix}.room.{bucket}").into())).collect(),
        }
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many buckets there are.
    pub fn buckets(&self) -> u32 {
        // At most MAX_BUCKETS.
        self.buckets.len() as u32
    }

    /// Heartbeats, joining and leaving nodes, fence requests: every node listens.
    pub fn control(&self) -> &Subject {
        &self.control
    }

    /// Requests to all nodes, and broadcasts that all of them have to answer: every node listens.
    pub fn nodes(&self) -> &Subject {
        &self.nodes
    }

    /// What external processes ask for, in JSON: every node listens.
    pub fn emit(&self) -> &Subject {
        &self.emit
    }

    /// What is for the sockets of a namespace, or of several of its rooms: the bucket of the namespace, which is that of its room with
    /// the empty name. Clients may choose the names of namespaces, so there must not be a subject for each. Nodes with the
    /// namespace listen.
    pub fn namespace(&self, namespace: &str) -> &Subject {
        self.room(namespace, "")
    }

    /// The bucket of a room: nodes with a room of that bucket listen.
    pub fn bucket(&self, namespace: &str, room: &str) -> u32 {
        // Less than the number of buckets.
        (hash64(namespace, room) % u64::from(self.buckets())) as u32
    }

    /// The subject of the bucket of a room.
    pub fn room(&self, namespace: &str, room: &str) -> &Subject {
        &self.buckets[self.bucket(namespace, room) as usize]
    }

    /// The inbox of one node.
    pub fn node(&self, node: NodeId) -> Subject {
        self.under("node", node.as_str())
    }

    /// Where others publish to show that what `node` subscribed before is known to them.
    pub fn fence(&self, node: NodeId, nonce: u64) -> Subject {
        Subject(format!("{}.fence.{node}.{nonce:016x}", self.prefix).into())
    }

    /// Where a client's event is handed to workers.
    ///
    /// # Errors
    /// When a name is too long.
    pub fn event(&self, namespace: &str, event: &str) -> Result<Subject, NameTooLong> {
        Ok(Subject(format!("{}.event.{}.{}", self.prefix, token(namespace)?, token(event)?).into()))
    }

    /// The subject of somebody's reply, as it came with a message. Nobody may have a node publish where nodes talk to each
    /// other, or to what belongs to NATS itself.
    ///
    /// # Errors
    /// When it is in this tree or begins with `$`, when NATS would not take it for publishing, or when it is longer than
    /// [`MAX_REPLY`].
    pub fn reply(&self, subject: &str) -> Result<Subject, InvalidSubject> {
        let is_ours = match subject.strip_prefix(self.prefix()) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        };
        if is_ours {
            return Err(InvalidSubject);
        }
        Subject::foreign(subject)
    }

    fn under(&self, branch: &str, token: &str) -> Subject {
        Subject(format!("{}.{branch}.{token}", self.prefix).into())
    }
}

/// A name as a part of a subject: itself when it is `[A-Za-z0-9_-]+`, otherwise `~` and its base64url without padding.
///
/// # Errors
/// When that is longer than [`MAX_TOKEN`].
pub fn token(name: &str) -> Result<String, NameTooLong> {
    let token = if is_plain(name) {
        name.to_owned()
    } else if name.len() < MAX_TOKEN {
        format!("~{}", URL_SAFE_NO_PAD.encode(name))
    } else {
        return Err(NameTooLong(name.len()));
    };
    if token.len() <= MAX_TOKEN { Ok(token) } else { Err(NameTooLong(name.len())) }
}

/// Whether it can stand before others: plain tokens with dots between them, not too long.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() <= MAX_PREFIX && text.split('.').all(is_plain)
}

/// A [`token`], or `~~` and a hash for a name that is too long: where nobody but nodes needs to find it.
pub(crate) fn token_or_digest(name: &str) -> String {
    token(name).unwrap_or_else(|_| format!("~~{}", digest(name, "")))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Never a byte of UTF-8, so no other pair of names is hashed as the same bytes.
const SEPARATOR: u8 = 0xff;

fn bytes<'a>(namespace: &'a str, room: &'a str) -> impl Iterator<Item = u8> + 'a {
    namespace.bytes().chain([SEPARATOR]).chain(room.bytes())
}

/// FNV-1a (64 bits), then the finalizer of MurmurHash3. Not proof against collisions made on purpose: those only bring
/// rooms into one bucket, and names are compared on receipt.
fn hash64(namespace: &str, room: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes(namespace, room) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// FNV-1a (128 bits) in base64url: 22 characters.
fn digest(namespace: &str, room: &str) -> String {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in bytes(namespace, room) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    URL_SAFE_NO_PAD.encode(hash.to_be_bytes())
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;

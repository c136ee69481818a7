//! Session and socket ids: 128 random bits from the operating system, then the token of the owner node.
//!
//! The token lets any node of a cluster see whom a session belongs to; it is looked up among the known
//! nodes, never used as a subject. A custom generator supplies the random part only.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Length of a [`NodeToken`] in characters.
pub const NODE_TOKEN_LENGTH: usize = 8;

/// 128 bits in base64.
const RANDOM_LENGTH: usize = 22;

/// Names a node inside session ids: eight characters of `A–Z a–z 0–9 _ -`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeToken(Arc<str>);

impl NodeToken {
    /// A fresh random token.
    pub fn random() -> Self {
        let encoded = URL_SAFE_NO_PAD.encode(Uuid::new_v4().into_bytes());
        Self(encoded[..NODE_TOKEN_LENGTH].into())
    }

    /// The token's characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NodeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

thread_local! {
    static RANDOMNESS: RefCell<Randomness> = const { RefCell::new(Randomness { bytes: [0; 1024], left: 0 }) };
}

/// Bytes of the operating system's randomness, fetched for many ids in one call. Those that were taken are wiped: who reads this
/// process' memory later learns no id from it.
struct Randomness {
    bytes: [u8; 1024],
    /// How many were not taken, at the beginning of `bytes`.
    left: usize,
}

impl Randomness {
    fn take(&mut self) -> [u8; 16] {
        if self.left == 0 {
            if let Err(error) = getrandom::fill(&mut self.bytes) {
                // The system's source failed: a v4 uuid would fail the same way, and a guessable session id is
                // worse than a refused connection.
                panic!("no randomness from the operating system: {error}");
            }
            self.left = self.bytes.len();
        }
        self.left -= 16;
        let mut random = [0; 16];
        self.bytes[self.left..self.left + 16].swap_with_slice(&mut random);
        random
    }
}

/// A function that supplies the random part of session ids.
pub type RandomPart = Arc<dyn Fn() -> String + Send + Sync>;

/// Makes the ids of one node.
#[derive(Clone)]
pub struct IdSource {
    node: NodeToken,
    custom: Option<RandomPart>,
}

impl IdSource {
    /// Ids that end in `node`'s token; `custom` replaces the random part of session ids.
    pub fn new(node: NodeToken, custom: Option<RandomPart>) -> Self {
        Self { node, custom }
    }

    /// The token every id of this source ends in.
    pub fn node(&self) -> &NodeToken {
        &self.node
    }

    /// An id for an Engine.IO session: a bearer secret. A custom generator that returns an empty string, or one
    /// with characters outside `A–Z a–z 0–9 _ -`, is passed over with a log line.
    pub fn session_id(&self) -> Arc<str> {
        if let Some(custom) = &self.custom {
            let random = custom();
            if is_id(&random) {
                return format!("{random}{}", self.node.as_str()).into();
            }
            tracing::error!("the custom id generator returned an unusable id; using a random one");
        }
        self.random_id()
    }

    /// Whether a session may get the id of another one: random ids do not repeat themselves, those of a custom generator can.
    pub(crate) fn may_repeat(&self) -> bool {
        self.custom.is_some()
    }

    /// Whether `text` has the form of an id that [`random_id`](Self::random_id) makes.
    pub(crate) fn looks_like_own(&self, text: &str) -> bool {
        is_socket_id_form(text) && text.ends_with(self.node.as_str())
    }

    /// An id from the operating system's randomness, whatever generator is configured. Socket ids are made
    /// here, so they say nothing about the session id.
    pub fn random_id(&self) -> Arc<str> {
        let random = RANDOMNESS.with_borrow_mut(Randomness::take);
        let mut id = String::with_capacity(RANDOM_LENGTH + NODE_TOKEN_LENGTH);
        URL_SAFE_NO_PAD.encode_string(random, &mut id);
        id.push_str(self.node.as_str());
        id.into()
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource").field("node", &self.node).field("custom", &self.custom.is_some()).finish()
    }
}

/// Whether `text` could be a socket id of some node: so many characters of the alphabet.
pub(crate) fn is_socket_id_form(text: &str) -> bool {
    text.len() == RANDOM_LENGTH + NODE_TOKEN_LENGTH && is_id(text)
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_url_safe_unique_and_end_in_the_node() {
        let source = IdSource::new(NodeToken::random(), None);
        let (one, two) = (source.session_id(), source.session_id());
        assert_ne!(one, two);
        assert_eq!(one.len(), 22 + NODE_TOKEN_LENGTH);
        assert!(is_id(&one) && one.ends_with(source.node().as_str()));
    }

    #[test]
    fn what_one_fetch_gave_is_used_once_and_wiped() {
        let mut randomness = Randomness { bytes: [0; 1024], left: 0 };
        let taken: HashSet<[u8; 16]> = (0..64).map(|_| randomness.take()).collect();
        assert_eq!((taken.len(), randomness.left, randomness.bytes), (64, 0, [0; 1024]));
        assert!(!taken.contains(&randomness.take()));
    }

    #[test]
    fn a_custom_generator_supplies_the_random_part_only() {
        let node = NodeToken::random();
        let custom = IdSource::new(node.clone(), Some(Arc::new(|| "mine".to_owned())));
        assert_eq!(&*custom.session_id(), format!("mine{}", node.as_str()));
        assert!(!custom.random_id().starts_with("mine"));
        let hostile = IdSource::new(node, Some(Arc::new(|| "a.b>".to_owned())));
        assert!(is_id(&hostile.session_id()));
    }
}

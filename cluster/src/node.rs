//! Who a node is: its token, its name, and the epoch of its numbering.
//!
//! Used by every other module. Pure: no tokio, no NATS.

use std::fmt;
use std::sync::Arc;

/// Length of a [`NodeId`] in characters.
pub const NODE_ID_LENGTH: usize = 8;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Names a node among the live ones: eight characters of `A–Z a–z 0–9 _ -`, the same that end its session ids.
/// A node takes a fresh one each time it starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; NODE_ID_LENGTH]);

/// Text that is no [`NodeId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node id is {NODE_ID_LENGTH} characters of A-Z a-z 0-9 _ -")]
pub struct InvalidNodeId;

impl NodeId {
    /// A fresh random id.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        Self(random_bytes().map(|byte: u8| ALPHABET[usize::from(byte % 64)]))
    }

    /// The id that `text` is.
    ///
    /// # Errors
    /// When the length or a character is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidNodeId> {
        let id = <[u8; NODE_ID_LENGTH]>::try_from(text).map_err(|_| InvalidNodeId)?;
        if id.iter().all(|byte| ALPHABET.contains(byte)) { Ok(Self(id)) } else { Err(InvalidNodeId) }
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII passes `parse`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its characters, as they are on the wire.
    pub fn as_bytes(&self) -> &[u8; NODE_ID_LENGTH] {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One run of a publisher's numbering: compared for equality only, so clocks do not matter. When it changes, sequence
/// numbers start again and whatever was known of the publisher is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// A fresh random epoch.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn random() -> Self {
        Self(u64::from_be_bytes(random_bytes()))
    }
}

/// A node as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id for as long as it runs.
    pub id: NodeId,
    /// The epoch of its numbering.
    pub epoch: Epoch,
    /// What people call it: a host name, say. Need not be unique.
    pub name: Arc<str>,
}

impl Node {
    /// A node that starts now.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { id: NodeId::random(), epoch: Epoch::random(), name: name.into() }
    }
}

pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // Two nodes of one name would answer for each other: no node is better.
        panic!("no randomness from the operating system: {error}");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_parse() {
        let (one, two) = (NodeId::random(), NodeId::random());
        assert_ne!(one, two);
        assert_eq!(NodeId::parse(one.as_str().as_bytes()), Ok(one));
        assert_ne!(Epoch::random(), Epoch::random());
        let mut used: Vec<_> = (0..1000).flat_map(|_| *NodeId::random().as_bytes()).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), 64, "every character occurs");
    }

    #[test]
    fn what_could_be_a_subject_is_no_id() {
        for text in ["", "short", "too long for it", "a.b.c.d.", "*       ", ">>>>>>>>", "äöüß"] {
            assert_eq!(NodeId::parse(text.as_bytes()), Err(InvalidNodeId), "{text:?}");
        }
    }
}

//! Messages larger than NATS takes: split into parts, and put together again.
//!
//! Used by whoever publishes or receives node messages. NATS keeps the order of one publisher on one subject, so parts come
//! in order or not at all: a part that does not continue what is there ends that message. Pure: time is handed in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::codec;
use crate::node::{Epoch, NodeId};

/// The most bytes that a part takes besides its share of the message: version, kind, sender, epoch and two numbers.
pub const OVERHEAD: usize = 2 + 8 + 8 + 8 + 2 * 10;

/// A part of an encoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The node that published it.
    pub from: NodeId,
    /// The epoch of its numbering.
    pub epoch: Epoch,
    /// The number of the message among all of the sender in this epoch.
    pub order: u64,
    /// Where in the message this part begins.
    pub offset: u64,
    /// How long the message is.
    pub total: u64,
    /// The part.
    pub bytes: Bytes,
}

/// Why a message cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// It is larger than the configured limit.
    #[error("a message of {size} bytes, above the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// What NATS takes is no more than what a part needs for itself.
    #[error("the server takes {0} bytes, too few for a part of a message")]
    MaxPayload(usize),
}

/// What to publish for the encoded `message`: itself if it fits into `max_payload`, otherwise its parts in order. `order` is
/// that of its envelope.
///
/// # Errors
/// When it is larger than `limit`, or `max_payload` is absurdly small.
pub fn split(
    message: Bytes,
    (from, epoch): (NodeId, Epoch),
    order: u64,
    max_payload: usize,
    limit: usize,
) -> Result<Vec<Bytes>, SplitError> {
    if message.len() > limit {
        return Err(SplitError::TooLarge { size: message.len(), limit });
    }
    if message.len() <= max_payload {
        return Ok(vec![message]);
    }
    let share = max_payload.saturating_sub(OVERHEAD);
    if share == 0 {
        return Err(SplitError::MaxPayload(max_payload));
    }
    let total = message.len() as u64;
    let part = |start: usize| {
        let end = (start + share).min(message.len());
        let bytes = message.slice(start..end);
        codec::encode_fragment(&Fragment { from, epoch, order, offset: start as u64, total, bytes })
    };
    Ok((0..message.len()).step_by(share).map(part).collect())
}

/// Bounds of a [`Reassembly`].
#[derive(Clone, Copy, Debug)]
pub struct ReassemblyLimits {
    /// The largest message, in bytes. Default 64 MiB.
    pub max_message: usize,
    /// The most bytes of incomplete messages, all senders together. Default 256 MiB.
    pub max_bytes: usize,
    /// The most incomplete messages of one sender. Default 64.
    pub max_per_node: usize,
    /// How long to wait for the next part. Default 10 s.
    pub max_age: Duration,
}

impl Default for ReassemblyLimits {
    fn default() -> Self {
        Self {
            max_message: 64 << 20,
            max_bytes: 256 << 20,
            max_per_node: 64,
            max_age: Duration::from_secs(10),
        }
    }
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReassemblyError {
    /// A part before this one is missing, or it does not fit to those before.
    #[error("a part of a message is missing")]
    Missing,
    /// The message is larger than the limit.
    #[error("a message of {0} bytes is announced, above the limit")]
    TooLarge(u64),
    /// Too much is incomplete already.
    #[error("too many incomplete messages")]
    Full,
}

type Key = (NodeId, Epoch, u64);

#[derive(Debug)]
struct Incomplete {
    total: u64,
    bytes: BytesMut,
    last: Instant,
}

/// Puts parts together.
#[derive(Debug, Default)]
pub struct Reassembly {
    limits: ReassemblyLimits,
    incomplete: HashMap<Key, Incomplete>,
    bytes: usize,
}

impl Reassembly {
    /// Nothing is there yet.
    pub fn new(limits: ReassemblyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a part: the encoded message when this was its last. Memory grows with the parts that came, not with what they
    /// announce.
    ///
    /// # Errors
    /// When the message of this part is given up. Later parts of it are refused, too.
    pub fn take(&mut self, fragment: &Fragment, now: Instant) -> Result<Option<Bytes>, ReassemblyError> {
        let key = (fragment.from, fragment.epoch, fragment.order);
        let length = fragment.bytes.len();
        let mut message = match self.remove(&key) {
            Some(message) => message,
            None => Incomplete { total: fragment.total, bytes: BytesMut::new(), last: now },
        };
        let have = message.bytes.len();
        if fragment.offset != have as u64 || fragment.total != message.total || length == 0 {
            return Err(ReassemblyError::Missing);
        }
        if message.total > self.limits.max_message as u64 {
            return Err(ReassemblyError::TooLarge(message.total));
        }
        if (have + length) as u64 > message.total {
            return Err(ReassemblyError::Missing);
        }
        message.bytes.extend_from_slice(&fragment.bytes);
        if message.bytes.len() as u64 == message.total {
            return Ok(Some(message.bytes.freeze()));
        }
        let is_full = self.bytes + message.bytes.len() > self.limits.max_bytes;
        if is_full || (have == 0 && self.incomplete_of(fragment.from) >= self.limits.max_per_node) {
            return Err(ReassemblyError::Full);
        }
        message.last = now;
        self.bytes += message.bytes.len();
        self.incomplete.insert(key, message);
        Ok(None)
    }

    /// Gives up what waited too long for its next part: how many messages.
    pub fn sweep(&mut self, now: Instant) -> usize {
        let max_age = self.limits.max_age;
        self.give_up(|_, message| now.saturating_duration_since(message.last) >= max_age)
    }

    /// Gives up what a dead node began: how many messages.
    pub fn forget_node(&mut self, node: NodeId) -> usize {
        self.give_up(|key, _| key.0 == node)
    }

    /// How many bytes of incomplete messages are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn give_up(&mut self, is_over: impl Fn(&Key, &Incomplete) -> bool) -> usize {
        let gone = self.incomplete.extract_if(|key, message| is_over(key, message));
        let (count, bytes) =
            gone.fold((0, 0), |(count, bytes), (_, gone)| (count + 1, bytes + gone.bytes.len()));
        self.bytes -= bytes;
        count
    }

    fn remove(&mut self, key: &Key) -> Option<Incomplete> {
        let message = self.incomplete.remove(key)?;
        self.bytes -= message.bytes.len();
        Some(message)
    }

    fn incomplete_of(&self, node: NodeId) -> usize {
        self.incomplete.keys().filter(|key| key.0 == node).count()
    }
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;

//! The sockets with the lowest ids among many, chosen in one pass: what is kept is no more than what was asked for. Used by the hub for pages.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;

use super::Local;

/// See the module's documentation.
pub(super) struct Lowest<'a> {
    after: &'a str,
    limit: usize,
    /// The highest on top.
    kept: BinaryHeap<ById>,
    above: usize,
    total: usize,
}

/// What was chosen.
pub(crate) struct Chosen {
    /// In no particular order.
    pub(crate) locals: Vec<Rc<dyn Local>>,
    /// How many ids are above the one that it begins after, those of `locals` included.
    pub(crate) above: usize,
    /// How many were offered.
    pub(crate) total: usize,
}

impl<'a> Lowest<'a> {
    /// Of those with ids above `after`, at most `limit`.
    pub(super) fn new(after: &'a str, limit: usize) -> Self {
        Self { after, limit: limit.max(1), kept: BinaryHeap::new(), above: 0, total: 0 }
    }

    /// A socket, by its id.
    pub(super) fn offer(&mut self, id: &Arc<str>, local: impl FnOnce() -> Rc<dyn Local>) {
        self.total += 1;
        if **id <= *self.after {
            return;
        }
        self.above += 1;
        if self.kept.len() < self.limit {
            self.kept.push(ById(local()));
        } else if let Some(mut highest) = self.kept.peek_mut()
            && *id < *highest.0.id()
        {
            *highest = ById(local());
        }
    }

    pub(super) fn chosen(self) -> Chosen {
        let locals = self.kept.into_iter().map(|kept| kept.0).collect();
        Chosen { locals, above: self.above, total: self.total }
    }
}

struct ById(Rc<dyn Local>);

impl Ord for ById {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id().cmp(other.0.id())
    }
}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ById {}

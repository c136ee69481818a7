//! One request to many nodes: whom it waits for, what came, and who did not answer.
//!
//! Used by whoever publishes a request. Ends as soon as every node has answered or is dead; never waits beyond its time, and
//! never returns less without saying so.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::node::NodeId;

/// The requests of one node that wait for answers. Cheap to clone.
#[derive(Debug)]
pub struct Scatter<T> {
    pending: Arc<Mutex<PendingRequests<T>>>,
}

#[derive(Debug)]
struct PendingRequests<T> {
    next: u64,
    requests: HashMap<u64, Pending<T>>,
}

#[derive(Debug)]
struct Pending<T> {
    waiting: BTreeSet<NodeId>,
    missing: BTreeSet<NodeId>,
    /// Gone when nobody is waited for any more.
    sender: Option<mpsc::Sender<(NodeId, T)>>,
}

impl<T> Pending<T> {
    fn end(&mut self, node: NodeId, is_missing: bool) {
        if self.waiting.remove(&node) && is_missing {
            self.missing.insert(node);
        }
        if self.waiting.is_empty() {
            self.sender = None;
        }
    }
}

impl<T> Clone for Scatter<T> {
    fn clone(&self) -> Self {
        Self { pending: self.pending.clone() }
    }
}

impl<T> Default for Scatter<T> {
    fn default() -> Self {
        Self { pending: Arc::new(Mutex::new(PendingRequests { next: 1, requests: HashMap::new() })) }
    }
}

impl<T> Scatter<T> {
    /// Waits for `nodes` to answer, from now on: call it before the request is published. A node that sends more than
    /// `max_answers` faster than they are taken counts as missing.
    pub fn begin(&self, nodes: impl IntoIterator<Item = NodeId>, max_answers: usize) -> Gather<T> {
        let waiting: BTreeSet<_> = nodes.into_iter().collect();
        let (sender, receiver) = mpsc::channel(max_answers.max(1));
        let sender = if waiting.is_empty() { None } else { Some(sender) };
        let mut pending = self.lock();
        let id = pending.next;
        pending.next += 1;
        pending.requests.insert(id, Pending { waiting, missing: BTreeSet::new(), sender });
        Gather { id, receiver, scatter: self.clone() }
    }

    /// An answer came: whether somebody waited for it. Nothing happens if not, as for an answer that is too late, repeated or
    /// made up.
    pub fn answer(&self, id: u64, from: NodeId, answer: T, is_last: bool) -> bool {
        let mut pending = self.lock();
        let Some(request) = pending.requests.get_mut(&id) else { return false };
        if !request.waiting.contains(&from) {
            return false;
        }
        let is_taken = match &request.sender {
            Some(sender) => sender.try_send((from, answer)).is_ok(),
            None => false,
        };
        if is_last || !is_taken {
            request.end(from, !is_taken);
        }
        is_taken
    }

    /// A node is dead or has left: nobody waits for it any longer.
    pub fn node_died(&self, node: NodeId) {
        for request in self.lock().requests.values_mut() {
            request.end(node, true);
        }
    }

    /// How many requests wait.
    pub fn pending(&self) -> usize {
        self.lock().requests.len()
    }

    fn lock(&self) -> MutexGuard<'_, PendingRequests<T>> {
        // Nothing is half done when a holder panics.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for answers. When it is dropped, answers are ignored.
#[derive(Debug)]
pub struct Gather<T> {
    id: u64,
    receiver: mpsc::Receiver<(NodeId, T)>,
    scatter: Scatter<T>,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    /// What came, in the order in which it came.
    pub answers: Vec<(NodeId, T)>,
    /// Who did not answer, or not completely, in order.
    pub missing: Vec<NodeId>,
}

impl<T> Gather<T> {
    /// The number that the request is sent with.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A node will not answer: it counts as missing.
    pub fn give_up(&self, node: NodeId) {
        if let Some(request) = self.scatter.lock().requests.get_mut(&self.id) {
            request.end(node, true);
        }
    }

    /// The next answer; None when no more will come.
    pub async fn next(&mut self) -> Option<(NodeId, T)> {
        self.receiver.recv().await
    }

    /// The next answer; None when no more will come.
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<(NodeId, T)>> {
        self.receiver.poll_recv(context)
    }

    /// Who is known not to answer any more, in order: dead, or its answers were too many.
    pub fn dead(&self) -> Vec<NodeId> {
        match self.scatter.lock().requests.get(&self.id) {
            Some(request) => request.missing.iter().copied().collect(),
            None => Vec::new(),
        }
    }

    /// Who has not answered completely until now, in order.
    pub fn missing(&self) -> Vec<NodeId> {
        match self.scatter.lock().requests.get(&self.id) {
            Some(request) => request.missing.union(&request.waiting).copied().collect(),
            None => Vec::new(),
        }
    }

    /// Everything that comes within `timeout`.
    pub async fn collect(mut self, timeout: Duration) -> Gathered<T> {
        let deadline = Instant::now() + timeout;
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = tokio::time::timeout_at(deadline, self.next()).await {
            answers.push(answer);
        }
        let missing = self.missing();
        // What came between the timeout and now is of nodes that do not count as missing.
        while let Ok(answer) = self.receiver.try_recv() {
            answers.push(answer);
        }
        Gathered { answers, missing }
    }
}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        self.scatter.lock().requests.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn nodes() -> [NodeId; 3] {
        [b"aaaaaaaa", b"bbbbbbbb", b"cccccccc"].map(|id| NodeId::parse(id).expect("an id"))
    }

    #[tokio::test]
    async fn ends_with_the_last_answer() {
        let [a, b, c] = nodes();
        let scatter = Scatter::default();
        let gather = scatter.begin([a, b], 10);
        let id = gather.id();
        assert!(scatter.answer(id, a, 1, false));
        assert!(scatter.answer(id, b, 2, true));
        assert!(!scatter.answer(id, b, 3, true), "has answered");
        assert!(!scatter.answer(id, c, 4, true), "was not asked");
        assert!(!scatter.answer(id + 1, a, 5, true), "no such request");
        assert!(scatter.answer(id, a, 6, true));
        let gathered = gather.collect(LONG).await;
        assert_eq!(gathered, Gathered { answers: vec![(a, 1), (b, 2), (a, 6)], missing: vec![] });
        assert!(!scatter.answer(id, a, 7, true), "is over");
        assert_eq!(scatter.pending(), 0);
    }

    #[tokio::test]
    async fn ends_when_a_node_dies() {
        let [a, b, c] = nodes();
        let scatter = Scatter::default();
        let gather = scatter.begin([a, b, c], 10);
        let id = gather.id();
        let waiting = tokio::spawn(gather.collect(LONG));
        scatter.answer(id, b, "partly", false);
        scatter.answer(id, a, "all", true);
        scatter.node_died(b);
        scatter.node_died(a);
        scatter.node_died(c);
        let gathered = tokio::time::timeout(LONG / 10, waiting).await.expect("ends early").expect("no panic");
        assert_eq!(gathered, Gathered { answers: vec![(b, "partly"), (a, "all")], missing: vec![b, c] });
    }

    #[tokio::test(start_paused = true)]
    async fn ends_in_time_and_tells_who_is_missing() {
        let [a, b, _] = nodes();
        let scatter = Scatter::default();
        let gather = scatter.begin([a, b], 10);
        scatter.answer(gather.id(), a, (), true);
        let start = Instant::now();
        assert_eq!(gather.collect(LONG).await, Gathered { answers: vec![(a, ())], missing: vec![b] });
        assert_eq!(start.elapsed(), LONG);
        assert_eq!(scatter.pending(), 0);
    }

    #[tokio::test]
    async fn nobody_to_ask_is_no_reason_to_wait() {
        let scatter = Scatter::<()>::default();
        let gathered = scatter.begin([], 10).collect(LONG).await;
        assert_eq!(gathered, Gathered { answers: vec![], missing: vec![] });
    }

    #[tokio::test]
    async fn a_flood_of_answers_is_cut_off_and_said() {
        let [a, ..] = nodes();
        let scatter = Scatter::default();
        let gather = scatter.begin([a], 2);
        let taken: Vec<_> = (0..4).map(|n| scatter.answer(gather.id(), a, n, false)).collect();
        assert_eq!(taken, [true, true, false, false]);
        assert_eq!(gather.collect(LONG).await, Gathered { answers: vec![(a, 0), (a, 1)], missing: vec![a] });
    }
}

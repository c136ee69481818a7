//! Requests over a bus, with one answer each.
//!
//! Made by [`Bus::request`](crate::bus::Bus::request); the buses of this crate use the rest. All answers of one bus come by one
//! subscription to its inbox, which nobody can guess; the last token of their subject says which request they answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::node::random_bytes;
use crate::subject::Subject;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("nobody is there to answer")]
    NoResponders,
    /// Nobody answered in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The bus has ended.
    #[error("the bus is closed")]
    Closed,
}

/// A request on its way. Forgotten when this is dropped: an answer that comes later is nobody's.
#[derive(Debug)]
#[must_use = "whoever drops this gets no answer"]
pub struct PendingReply {
    id: u64,
    requests: Arc<Requests>,
    answer: oneshot::Receiver<Result<Bytes, RequestError>>,
}

impl PendingReply {
    /// The first answer.
    ///
    /// # Errors
    /// When nobody listens, or answers within `timeout`.
    pub async fn within(mut self, timeout: Duration) -> Result<Bytes, RequestError> {
        match tokio::time::timeout(timeout, &mut self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::Closed),
            Err(_) => Err(RequestError::TimedOut),
        }
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        self.requests.lock().senders.remove(&self.id);
    }
}

/// The requests of one bus that wait for an answer.
#[derive(Debug)]
pub(crate) struct Requests {
    inbox: String,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    senders: HashMap<u64, oneshot::Sender<Result<Bytes, RequestError>>>,
    is_closed: bool,
}

impl Requests {
    /// With a fresh inbox under `prefix`.
    pub(crate) fn new(prefix: &str) -> Self {
        let inbox = format!("{prefix}.{}", URL_SAFE_NO_PAD.encode(random_bytes::<16>()));
        Self { inbox, waiting: Mutex::default() }
    }

    /// What is to be subscribed for the answers.
    #[cfg(any(feature = "nats", test))]
    pub(crate) fn subscription(&self) -> Subject {
        Subject::all_under(&self.inbox)
    }

    /// A new request: where its answer goes, and whoever waits for it.
    pub(crate) fn begin(self: &Arc<Self>) -> (Subject, PendingReply) {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.last += 1;
        let id = waiting.last;
        if !waiting.is_closed {
            waiting.senders.insert(id, sender);
        }
        (Subject::under_inbox(&self.inbox, id), PendingReply { id, requests: self.clone(), answer })
    }

    /// Something came on `subject`: false when that is not in this inbox. Later answers to one request are dropped.
    pub(crate) fn answer(&self, subject: &str, answer: Result<Bytes, RequestError>) -> bool {
        let Some(token) = subject.strip_prefix(&self.inbox).and_then(|rest| rest.strip_prefix('.')) else {
            return false;
        };
        let sender = token.parse().ok().and_then(|id: u64| self.lock().senders.remove(&id));
        if let Some(sender) = sender {
            _ = sender.send(answer);
        }
        true
    }

    /// The bus has ended: nothing is waited for any more.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.senders.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing is half done when a holder panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_counts_and_nothing_is_kept() {
        let requests = Arc::new(Requests::new("_INBOX"));
        let (first, one) = requests.begin();
        let (second, two) = requests.begin();
        assert_ne!(first, second);
        assert!(requests.subscription().as_str().ends_with(".*"));
        assert!(requests.answer(second.as_str(), Ok(Bytes::from_static(b"2"))));
        assert!(requests.answer(second.as_str(), Err(RequestError::NoResponders)), "too late");
        assert!(requests.answer(first.as_str(), Err(RequestError::NoResponders)));
        for stranger in ["_INBOX", "_INBOX.x.1", "sio.control", ""] {
            assert!(!requests.answer(stranger, Ok(Bytes::new())), "{stranger}");
        }
        for odd in ["", ".1", ".1.1", "x", "-1", "99999999999999999999", "77"] {
            requests.answer(&format!("{}.{odd}", requests.inbox), Ok(Bytes::new()));
        }
        assert_eq!(one.within(Duration::ZERO).await, Err(RequestError::NoResponders));
        assert_eq!(two.within(Duration::ZERO).await, Ok(Bytes::from_static(b"2")));
        let (_, silent) = requests.begin();
        assert_eq!(silent.within(Duration::from_secs(5)).await, Err(RequestError::TimedOut));
        let (_, dropped) = requests.begin();
        drop(dropped);
        assert!(requests.lock().senders.is_empty());
        let (_, pending) = requests.begin();
        requests.close();
        assert_eq!(pending.within(Duration::from_secs(5)).await, Err(RequestError::Closed));
        assert_eq!(requests.begin().1.within(Duration::from_secs(5)).await, Err(RequestError::Closed));
    }
}

//! The end of an endpoint: first no more sessions, then none at all.
//!
//! Called by whoever stops a server. Closes transports; of what runs over them it knows nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Engine, connection};
use crate::disconnect_reason::DisconnectReason;

/// How long a closing endpoint waits for what it relays, once its own connections are gone.
const RELAY_GRACE: Duration = Duration::from_secs(1);
/// How often a closing endpoint looks whether it is done.
const LOOK: Duration = Duration::from_millis(10);

impl Engine {
    /// Refuses new sessions from now on (status 503); those that are open go on, and so do requests for sessions of other
    /// nodes. Answers ask for a new TCP connection, so that the next request finds a node that is not about to stop.
    pub fn refuse_sessions(&self) {
        self.0.is_draining.store(true, Ordering::SeqCst);
    }

    /// Whether new sessions are refused: the endpoint is about to close, or has closed.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::SeqCst)
    }

    /// Whether it has no connection, of its own or relayed.
    pub(crate) fn is_unused(&self) -> bool {
        let relays = self.0.relays.get().is_some_and(|relays| relays.is_busy());
        self.0.connections.len() == 0 && !relays
    }

    /// Waits until there is no connection any more, at most until then.
    pub(crate) async fn unused(&self, until: Instant) {
        while !self.is_unused() && Instant::now() < until {
            sleep(LOOK).await;
        }
    }

    /// Refuses new sessions from now on and closes the open ones with `reason`, one after the other over `spread`; returns
    /// when all are gone, or after `deadline`.
    pub async fn close(&self, reason: DisconnectReason, spread: Duration, deadline: Duration) {
        self.refuse_sessions();
        self.0.is_closing.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let own = one_by_one(self.0.connections.all(), begin, spread, |shared| {
            shared.tell(connection::Close { reason, discard: false });
        });
        let relayed = async {
            if let Some(relays) = self.0.relays.get() {
                one_by_one(relays.websockets(), begin, spread, |websocket| websocket.close()).await;
            }
        };
        futures_util::future::join(own, relayed).await;
        while self.0.connections.len() > 0 && begin.elapsed() < deadline {
            sleep(LOOK).await;
        }
        // The last frames of relayed sessions are still on their way.
        let grace = RELAY_GRACE.min(deadline.saturating_sub(begin.elapsed()));
        self.unused(Instant::now() + grace).await;
    }
}

/// Ends all of them, evenly over a time. Their order is that of a table with a random key: no two nodes, and no two clients of
/// one, have it in common.
async fn one_by_one<T>(all: Vec<T>, begin: Instant, spread: Duration, end: impl Fn(T)) {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    for (index, one) in (0u32..).zip(all) {
        let due = begin + spread.mul_f64(f64::from(index) / f64::from(count));
        // What is due within a look goes together.
        if due > Instant::now() + LOOK {
            sleep_until(due).await;
        }
        end(one);
    }
}

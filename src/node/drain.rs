//! How a node ends: `[drain]`, and the handle on which whoever wants it to end says so.

use std::time::Duration;

use actix_socketio::SocketIo;
use actix_socketio::config::DrainOptions as Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::config::Findings;
use super::config::period::Period;
use super::systemd::{self, State};

/// How the node lets its clients go when it is told to stop by SIGTERM (or over HTTP). They come back by themselves, to other nodes.
/// Ctrl-C (SIGINT) does not wait, and closes everything over half a second.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Drain {
    /// How long nothing happens but that new sessions are refused (503), until the load balancer has noticed. A node without
    /// clients does not wait. Without it: 5s in a cluster; a node by itself does not wait.
    #[schemars(example = "5s")]
    wait: Option<Period>,
    /// Over which time the sessions are closed after that, so that not all clients come back at once. Without it: 10s in a cluster,
    /// 500ms for a node by itself.
    #[schemars(example = "10s")]
    spread: Option<Period>,
    /// When the clients have to be gone, counted from the signal; what is still open is cut off. The node may need up to seven
    /// seconds more for goodbyes and webhooks: whoever kills it after a while has to wait longer than both.
    deadline: Period,
}

impl Default for Drain {
    fn default() -> Self {
        Self { wait: None, spread: None, deadline: Period::seconds(20) }
    }
}

impl Drain {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        let options = self.options(true);
        if options.wait + options.spread >= options.deadline {
            found.add("deadline", "has to be longer than wait and spread together");
        }
    }

    fn options(&self, is_clustered: bool) -> Options {
        let options = if is_clustered {
            Options::default().wait(Duration::from_secs(5)).spread(Duration::from_secs(10))
        } else {
            Options::default()
        };
        Options::default()
            .wait(self.wait.map_or(options.wait, Into::into))
            .spread(self.spread.map_or(options.spread, Into::into))
            .deadline(self.deadline.into())
    }
}

/// How somebody wants the node to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As the configuration says.
    InGoodOrder,
    /// Somebody sits there and waits.
    Soon,
}

/// Where it is said that the node is to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Option<End>>);

impl Stop {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Lets the node drain and end. It answers requests until it has.
    pub(crate) fn drain(&self) {
        self.say(End::InGoodOrder);
    }

    /// The same in a hurry.
    pub(super) fn soon(&self) {
        self.say(End::Soon);
    }

    fn say(&self, end: End) {
        self.0.send_if_modified(|said| {
            let is_first = said.is_none();
            *said = said.or(Some(end));
            is_first
        });
    }

    /// Whether it was said.
    pub(super) fn is_said(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until it is said.
    pub(super) async fn said(&self) {
        // The sender is ours: it is there.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until it is said, and for the clients to go.
    pub(super) async fn drained(&self, io: &SocketIo, drain: &Drain, is_clustered: bool) {
        let mut said = self.0.subscribe();
        // The sender is ours: it is there.
        let end = said.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        let options = match end {
            Some(End::InGoodOrder) => drain.options(is_clustered),
            Some(End::Soon) | None => Options::default(),
        };
        systemd::tell(State::Stopping);
        let clients = io.connection_count();
        // Before it is said.
        io.engine().refuse_sessions();
        tracing::info!(clients, wait = ?options.wait, spread = ?options.spread, "draining: no new sessions");
        let begin = tokio::time::Instant::now();
        io.drain(options).await;
        match io.connection_count() {
            0 => tracing::info!(took = ?round(begin.elapsed()), "drained"),
            left => tracing::warn!(left, "the deadline has come: not all clients could be told"),
        }
    }
}

fn round(took: Duration) -> Duration {
    Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_it_first_is_heard() {
        let stop = Stop::new();
        assert!(!stop.is_said());
        stop.clone().drain();
        stop.soon();
        assert_eq!(*stop.0.borrow(), Some(End::InGoodOrder));
    }
}

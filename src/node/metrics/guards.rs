//! What authentication and limits tell.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Sheet, Source};
use crate::node::auth::{Auth, AuthCounters};
use crate::node::limits::Limits;

/// None: nobody is asked for a token.
impl Source for Option<Arc<Auth>> {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let none = AuthCounters::default();
        let AuthCounters { accepted, refused, refreshed, revoked, expired } =
            self.as_deref().map_or(&none, Auth::counters);
        let outcomes =
            [("accepted", accepted), ("refused", refused), ("refreshed", refreshed), ("revoked", revoked)];
        let samples = outcomes.map(|(outcome, counter)| ([outcome], load(counter)));
        sheet.counter("socketio_authentications", "What authentication said", ["outcome"], samples)?;
        let help = "Connections that were closed because their token had expired";
        sheet.counter("socketio_expired_tokens", help, [], [([], load(expired))])
    }
}

impl Source for Arc<Limits> {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let counters = self.counters();
        let refused = counters.refused().map(|(limit, count)| ([limit.option()], count));
        let help = "Handshakes, sockets and messages over a limit";
        sheet.counter("socketio_limited", help, ["limit"], refused)?;
        let help = "Connections that were closed because they went on over a limit";
        sheet.counter("socketio_limited_closes", help, [], [([], load(&counters.closed))])
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

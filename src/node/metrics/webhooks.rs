//! What webhooks tell.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Sheet, Source};
use crate::node::webhooks::{Counters, Webhooks};

impl Source for Webhooks {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let counters = self.counters();
        let waiting = counters.iter().map(|(name, waiting, _)| ([&**name], *waiting));
        let help = "Records that a webhook's server has not taken yet";
        sheet.gauge("socketio_webhook_waiting_records", help, ["webhook"], waiting)?;
        let outcomes = counters.iter().flat_map(|(name, _, counters)| {
            let Counters { delivered, overflowed, refused, expired, .. } = &**counters;
            [("delivered", delivered), ("overflowed", overflowed), ("refused", refused), ("expired", expired)]
                .map(|(outcome, counter)| ([&**name, outcome], load(counter)))
        });
        let labels = ["webhook", "outcome"];
        sheet.counter("socketio_webhook_records", "Records for a webhook", labels, outcomes)?;
        let retries = counters.iter().map(|(name, _, counters)| ([&**name], load(&counters.retries)));
        let help = "Requests of a webhook that were made again";
        sheet.counter("socketio_webhook_retries", help, ["webhook"], retries)
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

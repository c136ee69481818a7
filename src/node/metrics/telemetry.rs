//! What became of spans.

use std::fmt;
use std::sync::atomic::Ordering;

use super::{Sheet, Source};
use crate::node::telemetry::Telemetry;

impl Source for Telemetry {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let counters = self.counters();
        let waiting = counters.waiting.load(Ordering::Relaxed);
        let help = "Spans that the collector has not taken yet";
        sheet.gauge("socketio_waiting_spans", help, [], [([], waiting)])?;
        let outcomes = [
            ("delivered", &counters.delivered),
            ("failed", &counters.failed),
            ("overflowed", &counters.overflowed),
        ];
        let samples = outcomes.map(|(outcome, counter)| ([outcome], counter.load(Ordering::Relaxed)));
        sheet.counter("socketio_spans", "Spans for the collector", ["outcome"], samples)
    }
}

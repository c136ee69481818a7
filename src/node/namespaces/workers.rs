//! Events for workers on NATS, by pattern.

use std::time::Duration;

use actix_socketio::WorkerOptions;

use super::Place;
use super::place::register;

/// Hands the events of these names to workers.
pub(super) fn register(place: &Place, patterns: &[String], timeout: Duration) {
    let options = WorkerOptions::default().timeout(timeout);
    let (patterns, names): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.contains('*'));
    for name in names {
        register!(place, hand_to_workers(name, options.clone()));
    }
    if !patterns.is_empty() {
        let wildcards: Vec<_> = patterns.iter().map(|pattern| super::Wildcard::new(pattern)).collect();
        let is_wanted = move |event: &str| wildcards.iter().any(|wildcard| wildcard.matches(event));
        register!(place, hand_matching_to_workers(is_wanted, options));
    }
}

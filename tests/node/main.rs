//! The deployable node as those who run it see it: the program in a process of its own, asked over HTTP, signals, balancers.

#![allow(clippy::unwrap_used)]
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/nats_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod nats_server;
#[path = "../support/port.rs"]
mod port;

mod admin;
mod answering;
mod authentication;
mod backend;
mod client;
mod draining;
mod encrypted;
mod health;
mod http_api;
mod keys;
mod limits;
mod listening;
mod metrics;
mod process;
mod program;
mod reloading;
mod rolling;
mod tokens;
mod tracing;

use std::time::{Duration, Instant};

pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits for something to become true.
pub(crate) async fn until(mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < LONG, "did not happen in time");
        tokio::time::sleep(ms(2)).await;
    }
}

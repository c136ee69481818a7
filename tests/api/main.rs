//! The Socket.IO API as an application uses it: mostly through the in-process test client, over real sockets where
//! worker threads matter.

#![allow(clippy::unwrap_used)]

mod actors;
mod broadcast_acks;
mod broadcasts;
mod connecting;
mod ending;
mod extracting;
mod guarding;
mod handling;
mod layers;
mod model;
mod mounting;
mod namespaces;
mod parsers;
mod pressure;
mod raw;
mod rooms;
mod runtimes;
mod server_acks;
mod state;
mod threads;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a test saw, in order; shared with handlers.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn push(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Waits until there are that many.
    pub(crate) async fn wait(&self, count: usize) -> Vec<String> {
        until(|| self.0.lock().unwrap().len() >= count).await;
        self.all()
    }
}

/// Waits for something to become true; fails after five seconds.
pub(crate) async fn until(mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(5), "did not happen within five seconds");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Some milliseconds.
pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Captures the log of this thread while the guard lives.
pub(crate) fn capture_log() -> (Seen, tracing::subscriber::DefaultGuard) {
    let seen = Seen::default();
    let guard = tracing::subscriber::set_default(Log(seen.clone()));
    (seen, guard)
}

struct Log(Seen);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("actix_socketio")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {}={value:?}", field.name()));
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.push(line.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

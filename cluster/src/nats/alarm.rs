//! What NATS refuses, told to whoever reads the log, but not each time. Used by the bus's event callback.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// While something is refused again and again, one line per so long.
const PAUSE: Duration = Duration::from_secs(5);

/// What begins a text by which NATS says that it will not let us in, or not let us do something.
const REFUSALS: [&str; 5] = [
    "authorization violation",
    "failed signing nonce",
    "permissions violation",
    "user authentication",
    "account authentication",
];

/// When something was told last.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    refusal: Mutex<Told>,
    other: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

impl Told {
    /// How many were not told before this one, when this one is to be told.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            self.since += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

impl Alarms {
    /// Something is wrong, in the words of the client or of the server.
    pub(super) fn tell(&self, text: &str) {
        let is_refusal = is_refusal(text);
        let told = if is_refusal { &self.refusal } else { &self.other };
        let next = told.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        match next {
            Some(untold) if is_refusal => {
                tracing::error!(
                    error = text,
                    untold,
                    "NATS refuses us: check the credentials and permissions"
                );
            }
            Some(untold) => tracing::warn!(error = text, untold, "NATS cannot be used"),
            None => {}
        }
    }
}

fn is_refusal(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let text = text.strip_prefix("nats: ").unwrap_or(&text);
    REFUSALS.iter().any(|refusal| text.starts_with(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_other_errors() {
        for text in [
            "nats: authorization violation: nats: authorization violation",
            "nats: Permissions Violation for Publish to \"sio.control\"",
            "nats: User Authentication Expired",
            "nats: failed signing nonce",
        ] {
            assert!(is_refusal(text), "{text}");
        }
        for text in ["nats: timed out", "nats: IO error: authorization violation", "nats: TLS error: x"] {
            assert!(!is_refusal(text), "{text}");
        }
    }

    #[test]
    fn what_happens_again_and_again_is_told_once_in_a_while() {
        let mut told = Told::default();
        let start = Instant::now();
        assert_eq!(told.next(start), Some(0));
        assert_eq!(told.next(start), None);
        assert_eq!(told.next(start + PAUSE / 2), None);
        assert_eq!(told.next(start + PAUSE), Some(2));
        assert_eq!(told.next(start + PAUSE), None);
    }
}

//! A log line at a bounded rate, for what strangers can cause as often as they like.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// See the module's documentation.
pub(in crate::node) struct Warning {
    interval: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl Warning {
    /// Given at most once per `interval`.
    pub(in crate::node) fn every(interval: Duration) -> Self {
        Self { interval, state: Mutex::new((None, 0)) }
    }

    /// Gives it, with how often it was not given since the last time; or counts that it was not.
    pub(in crate::node) fn give(&self, log: impl FnOnce(u64)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.0.is_some_and(|last| now.duration_since(last) < self.interval) {
            state.1 += 1;
            return;
        }
        let suppressed = std::mem::take(&mut state.1);
        state.0 = Some(now);
        drop(state);
        log(suppressed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_given_once_per_interval() {
        let warning = Warning::every(Duration::from_secs(3600));
        let mut given = 0;
        for _ in 0..3 {
            warning.give(|_| given += 1);
        }
        assert_eq!(given, 1);
        let warning = Warning::every(Duration::ZERO);
        for _ in 0..3 {
            warning.give(|_| given += 1);
        }
        assert_eq!(given, 4);
    }
}

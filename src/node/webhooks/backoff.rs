//! How long to wait before a request is made again.

use std::time::Duration;

/// Doubling pauses with jitter.
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// After so many failures.
    pub(super) fn new(first: Duration, max: Duration, failures: u32) -> Self {
        Self { first, max, failures }
    }

    /// The next pause: between half of it and all of it, so that not all nodes come back at once.
    pub(super) fn pause(&mut self) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let mut random = [0_u8; 4];
        // Without randomness there is no jitter, and nothing else is lost.
        let _ = getrandom::fill(&mut random);
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        whole.div_f64(2.0) + whole.div_f64(2.0).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10), 0);
        for whole in [1, 2, 4, 8, 10, 10] {
            let pause = backoff.pause().as_secs_f64();
            assert!(pause >= f64::from(whole) / 2.0 && pause <= f64::from(whole), "{pause} of {whole}");
        }
        backoff.failures = u32::MAX;
        assert!(backoff.pause() <= Duration::from_secs(10));
    }
}

//! Times in a histogram of constant size: 32 steps for every doubling, an error of at most 3 %.

use std::time::Duration;

const STEPS: u64 = 32;
const BITS: u32 = 5;

/// Counted durations.
pub(crate) struct Latency {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: vec![0; 64 * 32], count: 0, max: Duration::ZERO }
    }
}

impl Latency {
    pub(crate) fn record(&mut self, duration: Duration) {
        self.buckets[bucket(duration.as_nanos() as u64)] += 1;
        self.count += 1;
        self.max = self.max.max(duration);
    }

    pub(crate) fn max_us(&self) -> f64 {
        self.max.as_nanos() as f64 / 1e3
    }

    /// In microseconds; 0 when nothing was counted.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = ((self.count as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(index as u64) / 1e3;
            }
        }
        0.0
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let doublings = nanos.ilog2() - BITS;
    (u64::from(doublings + 1) * STEPS + (nanos >> doublings) - STEPS) as usize
}

fn middle(bucket: u64) -> f64 {
    if bucket < STEPS {
        return bucket as f64;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS) as f64 + 0.5) * 2f64.powi(doublings as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut latency = Latency::default();
        for micros in 1..=10_000 {
            latency.record(Duration::from_micros(micros));
        }
        for (quantile, expected) in [(0.5, 5_000.0), (0.99, 9_900.0)] {
            let off = latency.quantile_us(quantile) / expected - 1.0;
            assert!(off.abs() < 0.03, "{quantile}: off by {off}");
        }
        assert_eq!(latency.max_us(), 10_000.0);
    }
}

//! A token bucket that may be none.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// So much a second, and after a pause as much as in the whole of `burst` at once.
pub(in crate::node) struct Bucket {
    limiter: Option<DefaultDirectRateLimiter>,
    size: NonZeroU32,
}

impl Bucket {
    /// 0 a second is no limit.
    pub(in crate::node) fn new(per_second: usize, burst: Duration) -> Self {
        let rate = u32::try_from(per_second).unwrap_or(u32::MAX);
        let size = (f64::from(rate) * burst.as_secs_f64()).clamp(1.0, f64::from(u32::MAX)) as u32;
        let size = NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN);
        let limiter =
            NonZeroU32::new(rate).map(|rate| RateLimiter::direct(Quota::per_second(rate).allow_burst(size)));
        Self { limiter, size }
    }

    /// Whether so much may be done now. More than it ever holds takes all of it.
    pub(in crate::node) fn take(&self, count: usize) -> bool {
        let Some(limiter) = &self.limiter else { return true };
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.size.get());
        match NonZeroU32::new(count) {
            Some(count) => matches!(limiter.check_n(count), Ok(Ok(()))),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let bucket = Bucket::new(10, Duration::from_secs(2));
        assert!(bucket.take(15) && bucket.take(5) && !bucket.take(1) && bucket.take(0));
        let fills = std::time::Instant::now();
        while !bucket.take(1) {
            assert!(fills.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(Bucket::new(10, Duration::from_secs(2)).take(1_000_000));
        let none = Bucket::new(0, Duration::from_secs(2));
        assert!((0..1000).all(|_| none.take(1000)));
    }
}

//! A moment in eight bytes: `Instant` takes sixteen, and every connection and everything queued keeps some.

use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first one was asked for; earlier ones are that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    pub(crate) fn now() -> Self {
        Self::of(Instant::now())
    }

    fn of(instant: Instant) -> Self {
        Self::new(nanos(instant.saturating_duration_since(*EPOCH)))
    }

    fn new(nanos: u64) -> Self {
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    /// Never zero.
    pub(super) fn nanos(self) -> u64 {
        self.0.get()
    }

    /// The time from `earlier` to this; zero if it was later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos().saturating_sub(earlier.nanos()))
    }

    /// The time from this to now.
    pub(super) fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    pub(super) fn instant(self) -> Instant {
        *EPOCH + Duration::from_nanos(self.nanos())
    }
}

/// At most what there is room for: 584 years.
fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::new(self.nanos().saturating_add(nanos(duration)))
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        Self::of(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_instants() {
        let _ = *EPOCH;
        let (earlier, later) = (Instant::now(), Instant::now() + Duration::from_millis(7));
        let (one, two) = (Moment::from(earlier), Moment::from(later));
        assert_eq!(two.since(one), later.duration_since(earlier));
        assert_eq!(one.since(two), Duration::ZERO);
        assert_eq!(two.instant(), later);
        assert!(one + Duration::from_millis(7) <= two && one + Duration::MAX > two);
        assert_eq!(std::mem::size_of::<Option<Moment>>(), 8);
    }
}

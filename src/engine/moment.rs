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
        Self::from_nanos(instant.saturating_duration_since(*EPOCH).as_nanos())
    }

    fn from_nanos(nanos: u128) -> Self {
        Self(NonZeroU64::new(u64::try_from(nanos).unwrap_or(u64::MAX)).unwrap_or(NonZeroU64::MIN))
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

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::from_nanos(u128::from(self.nanos()) + duration.as_nanos())
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

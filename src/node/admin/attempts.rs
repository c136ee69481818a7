//! How often passwords may be tried: a few times a minute from one address, and not often in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::node::limits::key;

/// Wrong passwords from one address.
const PER_ADDRESS: u32 = 5;
/// Wrong passwords from all addresses together.
const IN_ALL: u32 = 100;
/// The time after which they are forgotten.
const WINDOW: Duration = Duration::from_secs(60);

/// The attempts that were made at a node. As many addresses are remembered as attempts are allowed.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Window>);

#[derive(Default)]
struct Window {
    since: Option<Instant>,
    all: u32,
    addresses: HashMap<Option<IpAddr>, u32>,
}

impl Attempts {
    /// Counts an attempt; false if there were too many.
    pub(super) fn may_try(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *window = Window { since: Some(now), ..Window::default() };
        }
        if window.all >= IN_ALL {
            return false;
        }
        let count = window.addresses.entry(address.map(key)).or_default();
        if *count >= PER_ADDRESS {
            return false;
        }
        *count += 1;
        window.all += 1;
        true
    }

    /// The password was right.
    pub(super) fn forgive(&self, address: Option<IpAddr>) {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = window.addresses.remove(&address.map(key)) {
            window.all = window.all.saturating_sub(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_few_attempts_a_minute() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |last| Some(IpAddr::from([127, 0, 0, last]));
        for _ in 0..PER_ADDRESS {
            assert!(attempts.may_try(address(1), now));
        }
        assert!(!attempts.may_try(address(1), now));
        assert!(attempts.may_try(address(2), now), "others may");
        assert!(attempts.may_try(address(1), now + WINDOW));
        for _ in 0..PER_ADDRESS {
            attempts.forgive(address(1));
            assert!(attempts.may_try(address(1), now + WINDOW));
        }
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |last| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        assert!((1..=5).all(|last| attempts.may_try(address(last), now)));
        assert!(!attempts.may_try(address(6), now));
        assert!(attempts.may_try(Some(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1])), now));
    }

    #[test]
    fn there_are_not_many_in_all() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        assert!((0..IN_ALL).all(|number| attempts.may_try(address(number), now)));
        assert!(!attempts.may_try(None, now));
        assert!(!attempts.may_try(address(IN_ALL), now), "and no more is remembered");
        assert_eq!(attempts.0.lock().unwrap().addresses.len(), IN_ALL as usize);
        assert!(attempts.may_try(None, now + WINDOW));
    }
}

//! How busy this process is: its processor time between two looks, from `/proc` where there is one.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Clock ticks per second in `/proc`, on every Linux of today.
const TICKS: u64 = 100;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Load {
    before: Mutex<Option<(Instant, u64)>>,
    last: AtomicU64,
}

impl Load {
    /// Looks again.
    pub(crate) fn look(&self) {
        let Some(ticks) = ticks() else { return };
        let now = Instant::now();
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, ticks_then)) = before.replace((now, ticks)) {
            let millis = u64::try_from(now.duration_since(then).as_millis()).unwrap_or(u64::MAX).max(1);
            let used = ticks.saturating_sub(ticks_then) * 1000 / TICKS;
            self.last.store(used * 1000 / millis, Ordering::Relaxed);
        }
    }

    /// Thousandths of a core, between the last two looks.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

/// The process's processor time, in user and kernel mode.
fn ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything; twelve fields after it comes the time.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

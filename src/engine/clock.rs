//! When the connections of a thread have to look at the time: one timer for all of them, since each wants to be called about twice a
//! minute only, and a timer of its own would take more memory than anything else it keeps.
//!
//! Thread-local. A connection has one alarm at most, and is told by a message to its actor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::connection::Tick;
use super::handle::Shared;
use super::moment::Moment;

/// Who wants to be told later than this is told now and again: so the moments of all are different ones, however far away.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);
/// Connections told in a row.
const SLICE: usize = 256;

/// An alarm that was set. No two of a thread are for the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm(pub(super) Moment);

#[derive(Default)]
struct Clock {
    alarms: BTreeMap<Alarm, Arc<Shared>>,
    /// Wakes the task that waits for the first alarm.
    task: Option<Rc<Notify>>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

/// Has the actor of `shared`, on this thread, told at `at`, or a few nanoseconds later.
pub(super) fn set(shared: &Arc<Shared>, at: Moment) -> Alarm {
    let (alarm, is_first, needs_task) = CLOCK.with_borrow_mut(|clock| {
        let mut alarm = Alarm(at.min(Moment::now() + FAR));
        while clock.alarms.contains_key(&alarm) {
            alarm = Alarm(alarm.0 + Duration::from_nanos(1));
        }
        let is_first = clock.alarms.first_key_value().is_none_or(|(first, _)| alarm < *first);
        clock.alarms.insert(alarm, shared.clone());
        // An event loop that has ended took its task with it.
        let needs_task = clock.task.as_ref().is_none_or(|task| Rc::strong_count(task) < 2);
        (alarm, is_first, needs_task)
    });
    if needs_task {
        let task = Rc::new(Notify::new());
        CLOCK.with_borrow_mut(|clock| clock.task = Some(task.clone()));
        actix_rt::spawn(run(task));
    } else if is_first {
        CLOCK.with_borrow(|clock| clock.task.iter().for_each(|task| task.notify_one()));
    }
    alarm
}

/// Forgets an alarm of this thread.
pub(super) fn cancel(alarm: Alarm) {
    // The thread may be about to end. What is forgotten is dropped outside the borrow.
    let forgotten = CLOCK.try_with(|clock| clock.borrow_mut().alarms.remove(&alarm));
    drop(forgotten);
}

async fn run(task: Rc<Notify>) {
    loop {
        let first = CLOCK.with_borrow(|clock| clock.alarms.first_key_value().map(|(alarm, _)| alarm.0));
        match first {
            Some(at) => {
                // Sooner if there is an earlier one by then.
                let _ = tokio::time::timeout_at(at.instant().into(), task.notified()).await;
                ring().await;
            }
            None => task.notified().await,
        }
    }
}

/// Tells whose alarm is due.
async fn ring() {
    let now = Moment::now();
    for count in 1.. {
        let due = CLOCK.with_borrow_mut(|clock| {
            let first = clock.alarms.first_entry()?;
            (first.key().0 <= now).then(|| first.remove_entry())
        });
        let Some((alarm, shared)) = due else { return };
        shared.tell(Tick(alarm));
        if count % SLICE == 0 {
            tokio::task::yield_now().await;
        }
    }
}

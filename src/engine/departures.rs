//! Connections that are gone end a few in a row: when thousands go in one moment, as behind a proxy that ends, the rest of the thread's
//! work goes on between them.
//!
//! Thread-local.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// Connections that end in a row, at about ten microseconds each.
const ROW: usize = 128;

#[derive(Default)]
struct Departures {
    /// How many have ended in this row.
    count: usize,
    waiting: VecDeque<Waker>,
    /// Wakes the task that begins the next row.
    task: Option<Rc<Notify>>,
}

thread_local! {
    static DEPARTURES: RefCell<Departures> = RefCell::default();
}

/// Whether a connection of this thread may end now. If not, `waker` is woken when it may, and it need not ask again.
pub(super) fn may_end(waker: &Waker) -> bool {
    DEPARTURES.with_borrow_mut(|departures| {
        // An event loop that has ended took its task with it.
        let task = departures.task.take().filter(|task| Rc::strong_count(task) > 1);
        let task = departures.task.insert(task.unwrap_or_else(begin));
        task.notify_one();
        let may_end = departures.count < ROW && departures.waiting.is_empty();
        if may_end {
            departures.count += 1;
        } else {
            departures.waiting.push_back(waker.clone());
        }
        may_end
    })
}

fn begin() -> Rc<Notify> {
    let task = Rc::new(Notify::new());
    actix_rt::spawn(run(task.clone()));
    task
}

async fn run(task: Rc<Notify>) {
    loop {
        task.notified().await;
        while next_row().await {}
    }
}

/// Lets others run, and begins a row. False when nobody waited.
async fn next_row() -> bool {
    tokio::task::yield_now().await;
    let row: Vec<Waker> = DEPARTURES.with_borrow_mut(|departures| {
        let row = departures.waiting.len().min(ROW);
        // Those who are called do not ask again.
        departures.count = row;
        let row = departures.waiting.drain(..row).collect();
        if departures.waiting.is_empty() {
            departures.waiting = VecDeque::new();
        }
        row
    });
    let is_more = !row.is_empty();
    row.into_iter().for_each(Waker::wake);
    is_more
}

//! Tasks on the current thread, begun from anywhere on it.
//!
//! `spawn_local` works only where tokio knows of the thread's local tasks. A task of the application's own that was begun with
//! `tokio::spawn` runs on the same thread without that; what it calls here (an emit, a join) must not panic. So each thread that has
//! connections keeps one local task that begins the others.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static STARTER: RefCell<Option<mpsc::UnboundedSender<Task>>> = const { RefCell::new(None) };
}

fn starter() -> Option<mpsc::UnboundedSender<Task>> {
    // An event loop that has ended took its task with it.
    STARTER.with_borrow(|starter| starter.clone().filter(|starter| !starter.is_closed()))
}

/// Makes [`spawn`] work on this thread. To be called where local tasks can be begun: as a connection, or a hub, is made.
pub(crate) fn enable() {
    if starter().is_some() {
        return;
    }
    let (sender, mut tasks) = mpsc::unbounded_channel();
    actix_rt::spawn(async move {
        while let Some(task) = tasks.recv().await {
            actix_rt::spawn(task);
        }
    });
    STARTER.set(Some(sender));
}

/// Runs a future on this thread.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    match starter() {
        Some(starter) => drop(starter.send(Box::pin(future))),
        None => drop(actix_rt::spawn(future)),
    }
}

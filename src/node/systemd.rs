//! What systemd gives a node, the listening socket, and what it wants to be told: ready, reloading, stopping, alive.
//!
//! Without systemd (`LISTEN_FDS`, `NOTIFY_SOCKET`, `WATCHDOG_USEC` are not set) there is nothing to take, and nobody to tell.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The socket that was opened for the node, if one was. To be called once, before there are other threads: it changes the environment.
pub(super) fn listener() -> io::Result<Option<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 | 1 => sockets.take_tcp_listener(0),
        count => {
            Err(io::Error::other(format!("LISTEN_FDS: {count} sockets; a node takes one, for its clients")))
        }
    }
}

/// How the node is.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// Clients are served, also after a reload.
    Ready,
    Reloading,
    Stopping,
    /// The main thread does something.
    Alive,
}

/// Tells it.
#[cfg(unix)]
pub(super) fn tell(state: State) {
    use sd_notify::NotifyState;

    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        State::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, ?state, "systemd cannot be told");
    }
}

/// Tells from now on that the node lives, twice in the time after which it is taken for dead.
#[cfg(unix)]
pub(super) fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else { return };
    actix_web::rt::spawn(async move {
        let mut ticks = tokio::time::interval(limit / 2);
        loop {
            ticks.tick().await;
            tell(State::Alive);
        }
    });
}

/// Nobody wants to know.
#[cfg(not(unix))]
pub(super) fn tell(_: State) {}

/// Nobody wants to know.
#[cfg(not(unix))]
pub(super) fn keep_alive() {}

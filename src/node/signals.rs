//! What the operating system tells a node.

use std::io::{self, Write as _};

use super::drain::Stop;
use super::reload::Reload;
#[cfg(unix)]
use super::systemd::{self, State};

/// Listens from now on: SIGTERM drains, Ctrl-C ends the node soon, another one at once. SIGHUP waits until the node has started.
pub(super) fn listen(stop: &Stop) -> io::Result<HangUp> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        let stop = stop.clone();
        actix_web::rt::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => stop.drain(),
                    _ = interrupt.recv() => interrupted(&stop),
                }
            }
        });
        Ok(HangUp { signal: hang_up })
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        actix_web::rt::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                interrupted(&stop);
            }
        });
        Ok(HangUp {})
    }
}

/// SIGHUP: what has come and what will.
pub(super) struct HangUp {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl HangUp {
    /// Reads the configuration again, for each from now on, and if there was one.
    #[cfg(unix)]
    pub(super) fn reload(mut self, stop: &Stop, reload: &Reload) {
        let (stop, reload) = (stop.clone(), reload.clone());
        actix_web::rt::spawn(async move {
            while self.signal.recv().await.is_some() && !stop.is_said() {
                systemd::tell(State::Reloading);
                reload.again();
                systemd::tell(State::Ready);
            }
        });
    }

    #[cfg(not(unix))]
    pub(super) fn reload(self, _: &Stop, _: &Reload) {}
}

/// Whoever presses Ctrl-C while the node ends does not want to wait for that.
fn interrupted(stop: &Stop) {
    if stop.is_said() {
        let _ = writeln!(io::stderr(), "error: interrupted before all sessions were closed");
        std::process::exit(130);
    }
    stop.soon();
}

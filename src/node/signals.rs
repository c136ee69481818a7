//! What the operating system tells a node.

use std::io;

use super::drain::Stop;
use super::reload::Reload;
#[cfg(unix)]
use super::systemd::{self, State};

/// Listens from now on: SIGTERM drains, Ctrl-C ends the node soon, another one at once; SIGHUP reads the configuration again.
#[cfg(unix)]
pub(super) fn listen(stop: &Stop, reload: &Reload) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (stop, reload) = (stop.clone(), reload.clone());
    actix_web::rt::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stop.drain(),
                _ = interrupt.recv() => interrupted(&stop),
                _ = hang_up.recv(), if !stop.is_said() => {
                    systemd::tell(State::Reloading);
                    reload.again();
                    systemd::tell(State::Ready);
                }
            }
        }
    });
    Ok(())
}

/// Listens from now on: Ctrl-C ends the node soon, another one at once.
#[cfg(not(unix))]
pub(super) fn listen(stop: &Stop, _: &Reload) -> io::Result<()> {
    let stop = stop.clone();
    actix_web::rt::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            interrupted(&stop);
        }
    });
    Ok(())
}

/// Whoever presses Ctrl-C while the node ends does not want to wait for that.
fn interrupted(stop: &Stop) {
    if stop.is_said() {
        eprintln!("error: interrupted before all sessions were closed");
        std::process::exit(130);
    }
    stop.soon();
}

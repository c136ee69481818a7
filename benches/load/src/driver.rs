//! Raises clients and turns the reactor: what all modes over websocket have in common.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::reactor::{Outgoing, Reactor};
use crate::session::{Application, Sessions};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many handshakes at once: fewer than a listen queue holds.
pub(crate) const AT_ONCE: usize = 64;

/// Clients of one application, spread over the nodes in turn.
pub(crate) struct Driver<A> {
    reactor: Reactor,
    sessions: Sessions<A>,
    targets: Vec<SocketAddr>,
    connects: usize,
}

impl<A: Application> Driver<A> {
    pub(crate) fn new(targets: &[SocketAddr], application: A) -> io::Result<Driver<A>> {
        Ok(Driver {
            reactor: Reactor::new()?,
            sessions: Sessions::new(application),
            targets: targets.to_vec(),
            connects: 0,
        })
    }

    pub(crate) fn application(&mut self) -> &mut A {
        &mut self.sessions.application
    }

    /// The application and where it sends.
    pub(crate) fn parts(&mut self) -> (&mut A, &mut Outgoing) {
        (&mut self.sessions.application, &mut self.reactor.out)
    }

    /// Starts one client, and returns its slot.
    pub(crate) fn connect(&mut self) -> io::Result<usize> {
        let target = self.targets[self.connects % self.targets.len()];
        self.connects += 1;
        self.reactor.connect(target)
    }

    /// Ends all connections, without a word.
    pub(crate) fn drop_all(&mut self) {
        self.reactor.drop_all(&mut self.sessions);
    }

    /// Ends one connection, without a word.
    pub(crate) fn hang_up(&mut self, id: usize) {
        self.reactor.end(&mut self.sessions, id);
    }

    /// The one client that does not read what comes.
    pub(crate) fn set_deaf(&mut self, id: Option<usize>) -> io::Result<()> {
        self.reactor.set_deaf(id)
    }

    /// Connects until `count` clients are ready, some at once.
    pub(crate) fn raise(&mut self, count: usize, ready: impl Fn(&A) -> usize) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = ready(&self.sessions.application);
            if arrived >= count {
                return Ok(());
            }
            // some of those that are ready may be on their way out, and have to be replaced as they go
            while self.reactor.len() < count && self.reactor.len().saturating_sub(arrived) < AT_ONCE {
                self.connect()?;
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("only {arrived} of {count} clients are ready")));
            }
            self.turn(Duration::from_millis(100))?;
        }
    }

    pub(crate) fn turn(&mut self, timeout: Duration) -> io::Result<()> {
        self.reactor.turn(&mut self.sessions, timeout)
    }

    /// Turns for a time.
    pub(crate) fn turn_for(&mut self, time: Duration) -> io::Result<()> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left)?;
        }
    }

    /// Turns until the application is done, or the patience ends. Returns whether it is.
    pub(crate) fn turn_until(&mut self, patience: Duration, done: impl Fn(&A) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        while !done(&self.sessions.application) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.turn(left.min(Duration::from_millis(100)))?;
        }
        Ok(true)
    }
}

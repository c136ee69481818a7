//! How a server that is to stop lets its clients go.

use std::time::Duration;

/// How a server that is to stop lets its clients go: see [`SocketIo::drain`](crate::SocketIo::drain).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainOptions {
    /// How long the open sessions are left alone while new ones are refused already: as long as a load balancer may take to
    /// notice. Default none.
    pub wait: Duration,
    /// Over which time the sessions are then closed, so that not all clients come back at once. Default half a second.
    pub spread: Duration,
    /// When it is over, counted from the beginning, whatever is still open. Default 10 s.
    pub deadline: Duration,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self { wait: Duration::ZERO, spread: Duration::from_millis(500), deadline: Duration::from_secs(10) }
    }
}

impl DrainOptions {
    /// The same with another [`wait`](Self::wait).
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The same with another [`spread`](Self::spread).
    #[must_use]
    pub fn spread(self, spread: Duration) -> Self {
        Self { spread, ..self }
    }

    /// The same with another [`deadline`](Self::deadline).
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

//! What a stretch of work cost: time, the server's CPU, the broker's, and the generator's own.

use std::io;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::process::{self, Cpu};

/// A stretch that has begun.
pub(crate) struct Meter {
    began: Instant,
    server: Cpu,
    broker: Cpu,
    own: Cpu,
}

/// A stretch that is over.
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) server: Cpu,
    pub(crate) broker: Cpu,
    /// CPU of the generator: near the elapsed time, it was the limit.
    pub(crate) own: Cpu,
}

impl Meter {
    pub(crate) fn start(options: &Options) -> io::Result<Meter> {
        Ok(Meter {
            began: Instant::now(),
            server: process::cpu(&options.pids)?,
            broker: process::cpu(&options.broker_pids)?,
            own: process::own_cpu()?,
        })
    }

    pub(crate) fn stop(&self, options: &Options) -> io::Result<Measured> {
        Ok(Measured {
            elapsed: self.began.elapsed(),
            server: process::cpu(&options.pids)? - self.server,
            broker: process::cpu(&options.broker_pids)? - self.broker,
            own: process::own_cpu()? - self.own,
        })
    }
}

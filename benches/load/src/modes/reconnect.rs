//! All clients are gone at once, and come back at once, as after the end of a proxy. An operation is one client that is back.

use std::io;
use std::time::{Duration, Instant};

use crate::driver::Driver;
use crate::lab;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::Application;

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Reconnect {
    connected: usize,
    ended: u64,
    since: Option<Instant>,
    latency: Latency,
}

impl Application for Reconnect {
    fn connected(&mut self, _: &mut Outgoing, _: usize) -> io::Result<()> {
        self.connected += 1;
        if let Some(since) = self.since {
            self.latency.record(since.elapsed());
        }
        Ok(())
    }

    fn packet(&mut self, _: &mut Outgoing, _: usize, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {
        self.ended += 1;
    }
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let target = options.targets[0];
    let mut driver = Driver::new(&options.targets, Reconnect::default())?;
    driver.raise(options.clients, |reconnect| reconnect.connected)?;
    driver.turn_for(options.warm_up)?;
    lab::ask(target)?;

    let meter = Meter::start(options)?;
    driver.application().since = Some(Instant::now());
    driver.drop_all();
    let reconnect = driver.application();
    (reconnect.connected, reconnect.ended) = (0, 0);
    for _ in 0..options.clients {
        driver.connect()?;
    }
    driver.turn_until(PATIENCE, |reconnect| {
        reconnect.connected + reconnect.ended as usize >= options.clients
    })?;
    let measured = meter.stop(options)?;
    let state = lab::ask(target)?;
    driver.turn_for(options.seconds)?;
    let after = lab::ask(target)?;

    let reconnect = driver.application();
    let mut report = Report::new(options);
    report.work(reconnect.connected as u64, &measured);
    report.latency("", &reconnect.latency);
    report.figure("stall_ms", state.late_ms);
    report.figure("stall_busy_ms", state.busy_ms);
    report.count("connections", after.connections);
    let missing = options.clients as u64 - reconnect.connected as u64;
    report.faults(missing, 0, 0, reconnect.ended + after.connections.abs_diff(options.clients as u64));
    Ok(report)
}

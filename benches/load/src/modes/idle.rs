//! Clients that connect and do nothing: what a handshake costs, what a connection weighs, what heartbeats cost.

use std::io;
use std::time::Duration;

use crate::driver::Driver;
use crate::meter::Meter;
use crate::options::Options;
use crate::process;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::Application;

/// Connected before anything is measured: what a server allocates once is not a connection's.
const FIRST: usize = 100;
/// Until memory is read.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Idle {
    connected: usize,
    closed: u64,
}

impl Application for Idle {
    fn connected(&mut self, _: &mut Outgoing, _: usize) -> io::Result<()> {
        self.connected += 1;
        Ok(())
    }

    fn packet(&mut self, _: &mut Outgoing, _: usize, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {
        self.closed += 1;
    }
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let mut driver = Driver::new(&options.targets, Idle::default())?;
    driver.raise(FIRST, |idle| idle.connected)?;
    driver.turn_for(SETTLE)?;
    let before = process::resident_kib(&options.pids)?;
    let meter = Meter::start(options)?;
    driver.raise(FIRST + options.clients, |idle| idle.connected)?;
    let handshakes = meter.stop(options)?;
    driver.turn_for(SETTLE)?;
    let meter = Meter::start(options)?;
    driver.turn_for(options.seconds)?;
    let held = meter.stop(options)?;
    let after = process::resident_kib(&options.pids)?;

    let mut report = Report::new(options);
    report.work(options.clients as u64, &handshakes);
    report.figure("kib_each", (after - before) / options.clients as f64);
    report.figure("resident_mib", after / 1024.0);
    let client_seconds = options.clients as f64 * held.elapsed.as_secs_f64();
    report.figure("idle_cpu_us_per_second_each", held.server.total / client_seconds.max(1e-9));
    report.faults(driver.application().closed, 0, 0, 0);
    Ok(report)
}

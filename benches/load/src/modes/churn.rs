//! Clients that come and go: connect, join a room, leave it, close, and again. An operation is one such cycle.

use std::io;
use std::time::{Duration, Instant};

use super::room::{self, JOINING, LEAVING};
use crate::driver::Driver;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::{self, Application};

/// How long the last cycles may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Churn {
    /// By slot: when its client connected, and whether it said goodbye.
    clients: Vec<(Option<Instant>, bool)>,
    open: usize,
    cycles: u64,
    latency: Latency,
    wrong: u64,
}

impl Application for Churn {
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()> {
        if self.clients.len() <= id {
            self.clients.resize(id + 1, (None, false));
        }
        self.clients[id] = (Some(Instant::now()), false);
        room::join(out, id);
        Ok(())
    }

    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        let Some((number, is_done)) = room::done(packet) else { return Ok(()) };
        self.wrong += u64::from(!is_done);
        match number {
            JOINING => room::leave(out, id),
            LEAVING => {
                self.clients[id].1 = true;
                session::disconnect(out, id);
            }
            _ => self.wrong += 1,
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, id: usize) {
        self.open -= 1;
        match self.clients.get_mut(id).map(std::mem::take) {
            Some((Some(since), true)) => {
                self.cycles += 1;
                self.latency.record(since.elapsed());
            }
            _ => self.wrong += 1,
        }
    }
}

fn go_on(driver: &mut Driver<Churn>, options: &Options, time: Duration) -> io::Result<()> {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        while driver.application().open < options.in_flight {
            driver.application().open += 1;
            driver.connect()?;
        }
        driver.turn(Duration::from_millis(100))?;
    }
    Ok(())
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let mut driver = Driver::new(&options.targets, Churn::default())?;
    go_on(&mut driver, options, options.warm_up)?;
    let churn = driver.application();
    (churn.cycles, churn.latency) = (0, Latency::default());
    let meter = Meter::start(options)?;
    go_on(&mut driver, options, options.seconds)?;
    let measured = meter.stop(options)?;
    let operations = driver.application().cycles;
    driver.turn_until(PATIENCE, |churn| churn.open == 0)?;

    let churn = driver.application();
    let mut report = Report::new(options);
    report.work(operations, &measured);
    report.latency("", &churn.latency);
    report.faults(churn.open as u64, 0, 0, churn.wrong);
    Ok(report)
}

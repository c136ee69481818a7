//! Members of one room that leave it and join it again, in turn. An operation is one leave and one join.

use std::io;
use std::time::{Duration, Instant};

use super::room::{self, JOINING, LEAVING};
use crate::driver::Driver;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::Application;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Join {
    clients: usize,
    joined: usize,
    moving: bool,
    /// The client that leaves next.
    next: usize,
    /// By client: since when it is on its way.
    since: Vec<Option<Instant>>,
    on_their_way: u64,
    operations: u64,
    latency: Latency,
    wrong: u64,
}

impl Join {
    fn leave_next(&mut self, out: &mut Outgoing) {
        let id = self.next % self.clients;
        self.next += 1;
        self.since[id] = Some(Instant::now());
        self.on_their_way += 1;
        room::leave(out, id);
    }
}

impl Application for Join {
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()> {
        room::join(out, id);
        Ok(())
    }

    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        let Some((number, is_done)) = room::done(packet) else { return Ok(()) };
        self.wrong += u64::from(!is_done);
        match (number, self.since[id].take()) {
            (JOINING, None) => self.joined += 1,
            (LEAVING, since @ Some(_)) => {
                self.since[id] = since;
                room::join(out, id);
            }
            (JOINING, Some(since)) => {
                self.operations += 1;
                self.on_their_way -= 1;
                self.latency.record(since.elapsed());
                if self.moving {
                    self.leave_next(out);
                }
            }
            _ => self.wrong += 1,
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {
        self.wrong += 1;
    }
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    if options.in_flight > options.clients {
        return Err(io::Error::other("more on their way than there are"));
    }
    let join = Join { clients: options.clients, since: vec![None; options.clients], ..Join::default() };
    let mut driver = Driver::new(&options.targets, join)?;
    driver.raise(options.clients, |join| join.joined)?;
    let (join, out) = driver.parts();
    join.moving = true;
    for _ in 0..options.in_flight {
        join.leave_next(out);
    }
    driver.turn_for(options.warm_up)?;
    let join = driver.application();
    (join.operations, join.latency) = (0, Latency::default());
    let meter = Meter::start(options)?;
    driver.turn_for(options.seconds)?;
    let measured = meter.stop(options)?;
    let operations = driver.application().operations;
    driver.application().moving = false;
    driver.turn_until(PATIENCE, |join| join.on_their_way == 0)?;

    let join = driver.application();
    let mut report = Report::new(options);
    report.work(operations, &measured);
    report.latency("", &join.latency);
    report.faults(join.on_their_way, 0, 0, join.wrong);
    Ok(report)
}

//! One room, many members, one of them sends: so many broadcasts on their way at once, or so many a second. An operation is
//! one delivery. With several targets the members are spread over the nodes in turn, and the sender is on the first.

use std::io;
use std::time::{Duration, Instant};

use super::room;
use crate::driver::Driver;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::sequence::Deliveries;
use crate::session::{self, Application};

const SENDER: usize = 0;
/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a second copy is waited for.
const AFTERMATH: Duration = Duration::from_millis(100);
/// The end of a payload, after its number: 64 characters of text.
const TEXT: &[u8] = b",\"text\":\"the quick brown fox jumps over the lazy dog and then sleeps well.\"}";

struct Broadcast {
    joined: usize,
    nodes: usize,
    deliveries: Deliveries,
    /// When each was sent.
    sent: Vec<Instant>,
    /// Whether the end of one begins the next.
    closed_loop: bool,
    /// By node.
    latency: Vec<Latency>,
    wrong: u64,
}

impl Broadcast {
    fn send(&mut self, out: &mut Outgoing, when: Instant) {
        let number = self.deliveries.begin().to_string();
        self.sent.push(when);
        room::broadcast(out, SENDER, [b"{\"n\":", number.as_bytes(), TEXT]);
    }
}

impl Application for Broadcast {
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()> {
        room::join(out, id);
        Ok(())
    }

    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        if let Some((_, is_done)) = room::done(packet) {
            self.joined += usize::from(is_done);
            return Ok(());
        }
        let Some(rest) = packet.strip_prefix(b"2[\"msg\",{\"n\":") else { return Ok(()) };
        let rest = rest.strip_suffix(b"]").unwrap_or_default();
        let (number, digits) = session::number(rest);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if &rest[digits..] != TEXT {
            self.wrong += 1;
        }
        let Some(complete) = self.deliveries.arrived(id, number) else {
            self.wrong += 1;
            return Ok(());
        };
        let now = Instant::now();
        self.latency[id % self.nodes].record(now.saturating_duration_since(self.sent[number]));
        if complete && self.closed_loop {
            self.send(out, now);
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {}
}

/// Sends at a steady rate, whatever comes back: an answer that is late counts from when its question was due.
fn pace(driver: &mut Driver<Broadcast>, time: Duration, rate: f64) -> io::Result<()> {
    /// The timer is that coarse; the rest is waited for awake.
    const COARSE: Duration = Duration::from_millis(2);
    let began = Instant::now();
    for tick in 0.. {
        let due = began + Duration::from_secs_f64(f64::from(tick) / rate);
        if due >= began + time {
            return Ok(());
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            driver.turn(left.saturating_sub(COARSE))?;
        }
        let (broadcast, out) = driver.parts();
        broadcast.send(out, due);
    }
    Ok(())
}

fn go_on(driver: &mut Driver<Broadcast>, options: &Options, time: Duration) -> io::Result<()> {
    if options.rate > 0.0 { pace(driver, time, options.rate) } else { driver.turn_for(time) }
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let nodes = options.targets.len();
    let latencies = || (0..nodes).map(|_| Latency::default()).collect();
    let broadcast = Broadcast {
        joined: 0,
        nodes,
        deliveries: Deliveries::new(options.clients),
        sent: Vec::new(),
        closed_loop: options.rate <= 0.0,
        latency: latencies(),
        wrong: 0,
    };
    let mut driver = Driver::new(&options.targets, broadcast)?;
    // nobody leaves: the n-th connection has the n-th slot, and its node follows from that
    driver.raise(options.clients, |broadcast| broadcast.joined)?;
    if options.rate <= 0.0 {
        let (broadcast, out) = driver.parts();
        for _ in 0..options.in_flight {
            broadcast.send(out, Instant::now());
        }
    }
    go_on(&mut driver, options, options.warm_up)?;
    let broadcast = driver.application();
    broadcast.latency = latencies();
    let before = broadcast.deliveries.delivered;
    let meter = Meter::start(options)?;
    go_on(&mut driver, options, options.seconds)?;
    let measured = meter.stop(options)?;
    let operations = driver.application().deliveries.delivered - before;
    driver.application().closed_loop = false;
    driver.turn_until(PATIENCE, |broadcast| broadcast.deliveries.missing() == 0)?;
    driver.turn_for(AFTERMATH)?;

    let broadcast = driver.application();
    let mut report = Report::new(options);
    report.count("nodes", nodes as u64);
    report.work(operations, &measured);
    report.count("broadcasts", broadcast.sent.len() as u64);
    for (node, latency) in broadcast.latency.iter().enumerate() {
        let prefix = if nodes == 1 { String::new() } else { format!("node{node}_") };
        report.latency(&prefix, latency);
    }
    let deliveries = &broadcast.deliveries;
    report.faults(deliveries.missing(), deliveries.duplicates, deliveries.out_of_order, broadcast.wrong);
    Ok(report)
}

//! Broadcasts to a room at a steady rate; in every second of the stretches one member stops to read, until the server lets go of
//! it. The others' latencies of both kinds of stretches are compared. An operation is one delivery.

use std::io;
use std::time::{Duration, Instant};

use super::room;
use crate::driver::Driver;
use crate::lab;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::process;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::{self, Application};

const SENDER: usize = 0;
/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the server's memory is looked at, and it is asked whether it has let go.
const ASKED_EVERY: Duration = Duration::from_millis(500);
const TEXT: usize = 20_000;

struct Storm {
    /// By slot: the number of the next broadcast, of members.
    next: Vec<Option<u64>>,
    joined: usize,
    /// When the last broadcast was due, and how many have it.
    due: Instant,
    sent: u64,
    received: usize,
    delivered: u64,
    latency: Latency,
    text: String,
    missing: u64,
    wrong: u64,
    deaf: Option<usize>,
}

impl Storm {
    fn send(&mut self, out: &mut Outgoing, due: Instant) {
        (self.due, self.received) = (due, 0);
        let number = self.sent.to_string();
        self.sent += 1;
        room::broadcast(out, SENDER, [b"{\"n\":", number.as_bytes(), self.text.as_bytes()]);
    }

    fn is_complete(&self) -> bool {
        self.received >= self.joined - usize::from(self.deaf.is_some())
    }
}

impl Application for Storm {
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()> {
        room::join(out, id);
        Ok(())
    }

    fn packet(&mut self, _: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        if let Some((_, is_done)) = room::done(packet) {
            self.wrong += u64::from(!is_done);
            self.joined += 1;
            if self.next.len() <= id {
                self.next.resize(id + 1, None);
            }
            self.next[id] = Some(self.sent);
            return Ok(());
        }
        let Some(rest) = packet.strip_prefix(b"2[\"msg\",{\"n\":") else { return Ok(()) };
        let (number, _) = session::number(rest);
        let Some(Some(next)) = self.next.get_mut(id) else { return Ok(()) };
        match number.cmp(next) {
            std::cmp::Ordering::Less => self.wrong += 1,
            _ => self.missing += number - *next,
        }
        *next = number + 1;
        self.delivered += 1;
        if number + 1 == self.sent {
            self.received += 1;
            self.latency.record(self.due.elapsed());
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, id: usize) {
        if self.deaf != Some(id) {
            self.wrong += 1;
        }
        if let Some(next) = self.next.get_mut(id) {
            self.joined -= usize::from(next.take().is_some());
        }
    }
}

/// What one stretch showed.
struct Stretch {
    p99_us: f64,
    /// The server's memory, at most.
    kib: f64,
    /// When the server let go.
    closed: Option<Duration>,
}

fn stretch(driver: &mut Driver<Storm>, options: &Options, deaf: Option<usize>) -> io::Result<Stretch> {
    driver.set_deaf(deaf)?;
    let storm = driver.application();
    (storm.latency, storm.deaf) = (Latency::default(), deaf);
    let (began, mut closed, mut asked, mut kib) = (Instant::now(), None, Instant::now(), 0.0_f64);
    for tick in 0.. {
        let due = began + Duration::from_secs_f64(f64::from(tick) / options.rate);
        if due >= began + options.seconds {
            break;
        }
        driver.turn_for(due.saturating_duration_since(Instant::now()))?;
        let (storm, out) = driver.parts();
        storm.send(out, due);
        let complete = driver.turn_until(Duration::from_secs_f64(1.0 / options.rate), Storm::is_complete)?;
        if complete && asked.elapsed() > ASKED_EVERY {
            asked = Instant::now();
            kib = kib.max(process::resident_kib(&options.pids)?);
            if deaf.is_some() && closed.is_none() {
                let is_gone = lab::ask(options.targets[0])?.connections < options.clients as u64;
                closed = is_gone.then(|| began.elapsed());
            }
        }
    }
    driver.turn_until(PATIENCE, Storm::is_complete)?;
    kib = kib.max(process::resident_kib(&options.pids)?);
    let p99_us = driver.application().latency.quantile_us(0.99);
    if let Some(id) = deaf {
        driver.hang_up(id);
        driver.application().deaf = None;
        driver.set_deaf(None)?;
        driver.raise(options.clients, |storm| storm.joined)?;
    }
    Ok(Stretch { p99_us, kib, closed })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    if options.rate <= 0.0 || options.clients < 2 {
        return Err(io::Error::other("it needs --rate, and two clients"));
    }
    let storm = Storm {
        next: Vec::new(),
        joined: 0,
        due: Instant::now(),
        sent: 0,
        received: 0,
        delivered: 0,
        latency: Latency::default(),
        text: format!(",\"text\":\"{}\"}}", "x".repeat(TEXT)),
        missing: 0,
        wrong: 0,
        deaf: None,
    };
    let mut driver = Driver::new(&options.targets, storm)?;
    driver.raise(options.clients, |storm| storm.joined)?;
    stretch(&mut driver, &Options { seconds: options.warm_up, ..options.clone() }, None)?;
    let meter = Meter::start(options)?;
    let before = driver.application().delivered;
    let (mut quiet, mut stalled) = (Vec::new(), Vec::new());
    for run in 0..options.runs {
        quiet.push(stretch(&mut driver, options, None)?);
        stalled.push(stretch(&mut driver, options, Some(options.clients - 1 - run % (options.clients - 1)))?);
    }
    let measured = meter.stop(options)?;

    let storm = driver.application();
    let mut report = Report::new(options);
    report.work(storm.delivered - before, &measured);
    let p99 = |stretches: &[Stretch]| median(stretches.iter().map(|stretch| stretch.p99_us).collect());
    let kib = |stretches: &[Stretch]| median(stretches.iter().map(|stretch| stretch.kib).collect());
    report.figure("p99_us", p99(&quiet));
    report.figure("p99_stalled_us", p99(&stalled));
    report.figure("p99_change", p99(&stalled) / p99(&quiet).max(1e-9) - 1.0);
    report.figure("resident_mib", kib(&quiet) / 1024.0);
    report.figure("stalled_kib", kib(&stalled) - kib(&quiet));
    let closed: Vec<_> = stalled.iter().filter_map(|stretch| stretch.closed).collect();
    report.figure("closed_after_s", closed.iter().max().map_or(0.0, Duration::as_secs_f64));
    report.count("not_closed", (stalled.len() - closed.len()) as u64);
    report.faults(storm.missing, 0, 0, storm.wrong + (stalled.len() - closed.len()) as u64);
    Ok(report)
}

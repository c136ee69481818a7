//! The floor of everything that crosses the broker: one connection publishes, another has subscribed, both framed by hand.

use std::io;
use std::time::{Duration, Instant};

use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::{Handler, Outgoing, Reactor};
use crate::report::Report;
use crate::sequence::Deliveries;
use crate::session::{number, unexpected};

const PUBLISHER: usize = 0;
const SUBSCRIBER: usize = 1;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// As long as a cluster message of the broadcast mode.
const PAYLOAD: usize = 150;

struct Nats {
    ready: [bool; 2],
    deliveries: Deliveries,
    sent: Vec<Instant>,
    latency: Latency,
}

impl Nats {
    fn publish(&mut self, out: &mut Outgoing, when: Instant) {
        let number = self.deliveries.begin();
        self.sent.push(when);
        let payload = format!("{number:<PAYLOAD$}");
        out.buffer(PUBLISHER).extend_from_slice(format!("PUB lab {PAYLOAD}\r\n{payload}\r\n").as_bytes());
    }
}

impl Handler for Nats {
    fn opened(&mut self, _: &mut Outgoing, _: usize) {}

    fn bytes(&mut self, out: &mut Outgoing, id: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else { return Ok(taken) };
            let line = &rest[..end];
            taken += end + 2;
            if line.starts_with(b"INFO ") {
                let subscribe: &[u8] = if id == SUBSCRIBER { b"SUB lab 1\r\n" } else { b"" };
                let hello = [b"CONNECT {\"verbose\":false}\r\n", subscribe, b"PING\r\n"].concat();
                out.buffer(id).extend_from_slice(&hello);
            } else if line == b"PING" {
                out.buffer(id).extend_from_slice(b"PONG\r\n");
            } else if line == b"PONG" {
                self.ready[id] = true;
            } else if line.starts_with(b"MSG ") {
                let Some(payload) = rest.get(end + 2..end + 2 + PAYLOAD + 2) else {
                    return Ok(taken - end - 2);
                };
                taken += payload.len();
                let number = usize::try_from(number(payload).0).unwrap_or(usize::MAX);
                self.deliveries.arrived(0, number).ok_or_else(|| unexpected(payload))?;
                self.latency.record(self.sent[number].elapsed());
            } else {
                return Err(unexpected(line));
            }
        }
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {}
}

fn pace(reactor: &mut Reactor, nats: &mut Nats, time: Duration, rate: f64) -> io::Result<()> {
    const COARSE: Duration = Duration::from_millis(2);
    let began = Instant::now();
    for tick in 0.. {
        let due = began + Duration::from_secs_f64(f64::from(tick) / rate);
        if due >= began + time {
            break;
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            reactor.turn(nats, left.saturating_sub(COARSE))?;
        }
        nats.publish(&mut reactor.out, due);
    }
    Ok(())
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let mut reactor = Reactor::new()?;
    let mut nats = Nats {
        ready: [false; 2],
        deliveries: Deliveries::new(1),
        sent: Vec::new(),
        latency: Latency::default(),
    };
    reactor.connect(options.targets[0])?;
    reactor.connect(options.targets[0])?;
    let deadline = Instant::now() + PATIENCE;
    while nats.ready != [true; 2] {
        if Instant::now() > deadline {
            return Err(io::Error::other("the broker does not answer"));
        }
        reactor.turn(&mut nats, Duration::from_millis(100))?;
    }
    let rate = if options.rate > 0.0 { options.rate } else { 500.0 };
    pace(&mut reactor, &mut nats, options.warm_up, rate)?;
    nats.latency = Latency::default();
    let before = nats.deliveries.delivered;
    let meter = Meter::start(options)?;
    pace(&mut reactor, &mut nats, options.seconds, rate)?;
    let measured = meter.stop(options)?;
    let operations = nats.deliveries.delivered - before;
    let deadline = Instant::now() + PATIENCE;
    while nats.deliveries.missing() > 0 && Instant::now() < deadline {
        reactor.turn(&mut nats, Duration::from_millis(100))?;
    }

    let mut report = Report::new(options);
    report.work(operations, &measured);
    report.latency("", &nats.latency);
    report.faults(nats.deliveries.missing(), nats.deliveries.duplicates, nats.deliveries.out_of_order, 0);
    Ok(report)
}

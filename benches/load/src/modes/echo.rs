//! Events that ask for an acknowledgement with their own argument: so many unanswered per client, always.

use std::io;
use std::time::{Duration, Instant};

use crate::body;
use crate::driver::Driver;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::{self, Application};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Client {
    next: u64,
    /// One more than the highest id answered.
    answered: u64,
    pending: Vec<(u64, Instant)>,
}

#[derive(Default)]
struct Echo {
    argument: Vec<u8>,
    clients: Vec<Client>,
    sending: bool,
    latency: Latency,
    operations: u64,
    duplicates: u64,
    out_of_order: u64,
    wrong: u64,
}

impl Echo {
    fn send(&mut self, out: &mut Outgoing, id: usize) {
        let client = &mut self.clients[id];
        let number = client.next.to_string();
        session::send(out, id, &[b"42", number.as_bytes(), b"[\"echo\",", &self.argument, b"]"]);
        client.pending.push((client.next, Instant::now()));
        client.next += 1;
    }

    fn missing(&self) -> u64 {
        self.clients.iter().map(|client| client.pending.len() as u64).sum()
    }
}

impl Application for Echo {
    fn connected(&mut self, _: &mut Outgoing, _: usize) -> io::Result<()> {
        self.clients.push(Client::default());
        Ok(())
    }

    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        let Some((number, answer)) = session::ack(packet) else { return Ok(()) };
        let client = &mut self.clients[id];
        let Some(index) = client.pending.iter().position(|(pending, _)| *pending == number) else {
            self.duplicates += 1;
            return Ok(());
        };
        let (_, sent) = client.pending.swap_remove(index);
        self.latency.record(sent.elapsed());
        self.operations += 1;
        if number < client.answered {
            self.out_of_order += 1;
        }
        client.answered = client.answered.max(number + 1);
        let argument = answer.strip_prefix(b"[").and_then(|answer| answer.strip_suffix(b"]"));
        if argument != Some(&self.argument) {
            self.wrong += 1;
        }
        if self.sending {
            self.send(out, id);
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {}
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let argument = body::argument(&options.body).ok_or_else(|| io::Error::other("there is no such body"))?;
    let echo = Echo { argument: argument.into_bytes(), sending: true, ..Echo::default() };
    let mut driver = Driver::new(&options.targets, echo)?;
    driver.raise(options.clients, |echo| echo.clients.len())?;
    let (echo, out) = driver.parts();
    for id in 0..options.clients {
        for _ in 0..options.in_flight {
            echo.send(out, id);
        }
    }
    driver.turn_for(options.warm_up)?;
    let echo = driver.application();
    (echo.operations, echo.latency) = (0, Latency::default());
    let meter = Meter::start(options)?;
    driver.turn_for(options.seconds)?;
    let measured = meter.stop(options)?;
    let operations = driver.application().operations;
    driver.application().sending = false;
    driver.turn_until(PATIENCE, |echo| echo.missing() == 0)?;

    let echo = driver.application();
    let mut report = Report::new(options);
    report.text("body", &options.body);
    report.work(operations, &measured);
    report.latency("", &echo.latency);
    report.faults(echo.missing(), echo.duplicates, echo.out_of_order, echo.wrong);
    Ok(report)
}

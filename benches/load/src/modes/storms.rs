//! Clients for a long time: every one echoes and is told broadcasts in order, some leave and others come all the time, and now
//! and then all of them are gone and come back. What the server holds is looked at again and again. An operation is one acknowledged echo.

use std::io;
use std::time::{Duration, Instant};

use super::room;
use crate::driver::Driver;
use crate::lab::{self, State};
use crate::meter::Meter;
use crate::options::Options;
use crate::process;
use crate::reactor::Outgoing;
use crate::report::Report;
use crate::session::{self, Application};

/// One round of echoes, of comings and goings, and one broadcast.
const ROUND: Duration = Duration::from_secs(1);
/// How many of the clients come and go in a round: one of so many.
const CHURN: usize = 40;
/// All of them go and come back once in so many rounds.
const STORM: u32 = 60;
/// How long answers, and what is left at the end, may take.
const PATIENCE: Duration = Duration::from_secs(20);
const ECHO: u64 = 7;

#[derive(Clone, Copy, Default)]
struct Client {
    is_member: bool,
    is_leaving: bool,
    /// Acknowledgements that it waits for.
    waiting: u64,
    /// The number of its next broadcast, once it had one.
    next: Option<u64>,
}

#[derive(Default)]
struct Storms {
    clients: Vec<Client>,
    members: usize,
    sent: u64,
    acks: u64,
    missing: u64,
    wrong: u64,
    /// We close, not the server.
    is_closing: bool,
}

impl Storms {
    fn client(&mut self, id: usize) -> &mut Client {
        if self.clients.len() <= id {
            self.clients.resize(id + 1, Client::default());
        }
        &mut self.clients[id]
    }

    fn waiting(&self) -> u64 {
        self.clients.iter().map(|client| client.waiting).sum()
    }
}

impl Application for Storms {
    fn connected(&mut self, out: &mut Outgoing, id: usize) -> io::Result<()> {
        *self.client(id) = Client { waiting: 1, ..Client::default() };
        room::join(out, id);
        Ok(())
    }

    fn packet(&mut self, out: &mut Outgoing, id: usize, packet: &[u8]) -> io::Result<()> {
        if let Some((number, answer)) = session::ack(packet) {
            let client = self.client(id);
            client.waiting = client.waiting.saturating_sub(1);
            let is_joined = number == room::JOINING && !client.is_member;
            if is_joined {
                client.is_member = true;
            }
            let goes = client.is_leaving && client.waiting == 0;
            self.members += usize::from(is_joined);
            self.acks += u64::from(number == ECHO);
            if number == ECHO && answer != b"[\"storm\"]" {
                self.wrong += 1;
            }
            if goes {
                session::disconnect(out, id);
            }
            return Ok(());
        }
        let Some(rest) = packet.strip_prefix(b"2[\"msg\",{\"n\":") else { return Ok(()) };
        let (number, _) = session::number(rest);
        let next = self.client(id).next.replace(number + 1);
        match next {
            Some(next) if number < next => self.wrong += 1,
            Some(next) => self.missing += number - next,
            None => {}
        }
        Ok(())
    }

    fn closed(&mut self, _: &mut Outgoing, id: usize) {
        let client = std::mem::take(self.client(id));
        self.members -= usize::from(client.is_member);
        if !self.is_closing {
            self.wrong += u64::from(!client.is_leaving || client.waiting > 0);
        }
    }
}

/// A look at the server.
struct Sample {
    rss_mib: f64,
    descriptors: u64,
    state: State,
}

fn sample(options: &Options) -> io::Result<Sample> {
    Ok(Sample {
        rss_mib: process::resident_kib(&options.pids)? / 1024.0,
        descriptors: lab::descriptors(&options.pids)?,
        state: lab::ask(options.targets[0])?,
    })
}

fn round(driver: &mut Driver<Storms>, options: &Options, number: u32) -> io::Result<()> {
    let (storms, out) = driver.parts();
    room::broadcast(out, 0, [b"{\"n\":", storms.sent.to_string().as_bytes(), b"}"]);
    storms.sent += 1;
    for (id, client) in
        storms.clients.iter_mut().enumerate().filter(|(_, client)| client.is_member && !client.is_leaving)
    {
        client.waiting += 1;
        session::send(out, id, &[b"427[\"echo\",\"storm\"]"]);
    }
    // everybody's turn comes; the first one stays, it sends
    let going = options.clients / CHURN;
    for at in 0..going {
        let id = 1 + (number as usize * going + at) % (options.clients - 1);
        if let Some(client) = storms.clients.get_mut(id).filter(|client| client.is_member) {
            client.is_leaving = true;
        }
    }
    driver.turn_for(ROUND)?;
    driver.raise(options.clients, |storms| storms.members)
}

/// All go without a word, and come back.
fn storm(driver: &mut Driver<Storms>, options: &Options) -> io::Result<()> {
    driver.turn_until(PATIENCE, |storms| storms.waiting() == 0)?;
    let storms = driver.application();
    storms.missing += storms.waiting();
    storms.is_closing = true;
    driver.drop_all();
    driver.application().is_closing = false;
    driver.raise(options.clients, |storms| storms.members)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let before = sample(options)?;
    let mut driver = Driver::new(&options.targets, Storms::default())?;
    driver.raise(options.clients, |storms| storms.members)?;
    let meter = Meter::start(options)?;
    let mut samples = Vec::new();
    let (began, mut storms) = (Instant::now(), 0u64);
    for number in 1.. {
        if began.elapsed() >= options.seconds {
            break;
        }
        round(&mut driver, options, number)?;
        if number.is_multiple_of(STORM) || options.seconds < ROUND * STORM && number == 2 {
            storm(&mut driver, options)?;
            storms += 1;
        }
        if number.is_multiple_of(10) {
            samples.push(sample(options)?);
        }
    }
    let measured = meter.stop(options)?;
    driver.turn_until(PATIENCE, |storms| storms.waiting() == 0)?;
    let lost = driver.application().waiting();
    driver.application().is_closing = true;
    driver.drop_all();
    let deadline = Instant::now() + PATIENCE;
    let mut after = sample(options)?;
    while (after.state.connections > 0 || after.descriptors > before.descriptors) && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(100));
        after = sample(options)?;
    }

    let application = driver.application();
    let mut report = Report::new(options);
    report.work(application.acks, &measured);
    report.count("storms", storms);
    report.count("broadcasts", application.sent);
    report.count("lost_acks", lost);
    // the first fifth is the warm-up; then the first and the last quarter are compared
    let flat: Vec<f64> = samples.iter().skip(samples.len() / 5).map(|sample| sample.rss_mib).collect();
    let quarter = flat.len().div_ceil(4);
    let (first, last) = (mean(&flat[..quarter]), mean(&flat[flat.len() - quarter..]));
    report.figure("resident_mib", last);
    report.figure("resident_growth_mib", last - first);
    let worst = |of: fn(&Sample) -> f64| samples.iter().map(of).fold(0.0, f64::max);
    report.figure("most_resident_mib", worst(|sample| sample.rss_mib));
    report.figure("stall_ms", worst(|sample| sample.state.late_ms));
    report.figure("stall_busy_ms", worst(|sample| sample.state.busy_ms));
    report.count("most_descriptors", samples.iter().map(|sample| sample.descriptors).max().unwrap_or(0));
    report.count("descriptors_left", after.descriptors.saturating_sub(before.descriptors));
    report.count("connections_left", after.state.connections);
    report.count("sockets_left", after.state.sockets);
    report.count("rooms_left", after.state.rooms);
    let left = after.state.connections + after.state.sockets + after.state.rooms;
    let missing = application.missing + lost;
    let wrong = application.wrong + left + after.descriptors.saturating_sub(before.descriptors);
    report.faults(missing, 0, 0, wrong);
    Ok(report)
}

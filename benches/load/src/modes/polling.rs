//! Echo over long polling: every client has a GET open and posts one event at a time. An operation is the POST, its answer,
//! and the GET that brings the acknowledgement.

use std::io;
use std::time::{Duration, Instant};

use crate::body;
use crate::http;
use crate::latency::Latency;
use crate::meter::Meter;
use crate::options::Options;
use crate::reactor::{Handler, Outgoing, Reactor};
use crate::report::Report;
use crate::session::{ack, unexpected};

/// How long the clients may take to connect, and the last answers to come.
const PATIENCE: Duration = Duration::from_secs(10);
const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Slot 2n is the connection of its GETs, 2n + 1 that of its POSTs.
#[derive(Default)]
struct Client {
    open: usize,
    sid: String,
    connected: bool,
    /// The POST is not answered yet.
    posting: bool,
    /// The event that is not acknowledged yet.
    pending: Option<(u64, Instant)>,
    next: u64,
    pong: bool,
}

#[derive(Default)]
struct Polling {
    argument: String,
    clients: Vec<Client>,
    ready: usize,
    sending: bool,
    latency: Latency,
    operations: u64,
    duplicates: u64,
    wrong: u64,
}

impl Polling {
    fn get(&self, out: &mut Outgoing, client: usize) {
        let sid = &self.clients[client].sid;
        let sid = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
        let request = format!("GET {PATH}{sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        out.buffer(2 * client).extend_from_slice(request.as_bytes());
    }

    fn post(&mut self, out: &mut Outgoing, client: usize, packets: &str) {
        let this = &mut self.clients[client];
        this.posting = true;
        let request = format!(
            "POST {PATH}&sid={} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {}\r\n\r\n{packets}",
            this.sid,
            packets.len()
        );
        out.buffer(2 * client + 1).extend_from_slice(request.as_bytes());
    }

    /// Sends the next event when the last one is over, or a pong that is due.
    fn proceed(&mut self, out: &mut Outgoing, client: usize) {
        let this = &mut self.clients[client];
        if this.posting || this.pending.is_some() {
            return;
        }
        let mut packets = String::new();
        if std::mem::take(&mut this.pong) {
            packets.push('3');
        }
        if self.sending && this.connected {
            if !packets.is_empty() {
                packets.push('\x1e');
            }
            packets += &format!("42{}[\"echo\",{}]", this.next, self.argument);
            this.pending = Some((this.next, Instant::now()));
            this.next += 1;
        }
        if !packets.is_empty() {
            self.post(out, client, &packets);
        }
    }

    fn packet(&mut self, out: &mut Outgoing, client: usize, packet: &[u8]) -> io::Result<()> {
        let this = &mut self.clients[client];
        match packet {
            [b'0', open @ ..] if this.sid.is_empty() => {
                let open: serde_json::Value = serde_json::from_slice(open)?;
                this.sid = open["sid"].as_str().unwrap_or_default().to_owned();
                self.post(out, client, "40");
            }
            [b'2'] => this.pong = true,
            [b'4', b'0', ..] => {
                this.connected = true;
                self.ready += 1;
            }
            [b'4', b'2', ..] | [b'6'] => {}
            [b'4', packet @ ..] => {
                let (number, answer) = ack(packet).ok_or_else(|| unexpected(packet))?;
                match this.pending.take_if(|(pending, _)| *pending == number) {
                    Some((_, sent)) => {
                        self.latency.record(sent.elapsed());
                        self.operations += 1;
                    }
                    None => self.duplicates += 1,
                }
                let argument = answer.strip_prefix(b"[").and_then(|answer| answer.strip_suffix(b"]"));
                self.wrong += u64::from(argument != Some(self.argument.as_bytes()));
            }
            _ => return Err(unexpected(packet)),
        }
        Ok(())
    }
}

impl Handler for Polling {
    fn opened(&mut self, out: &mut Outgoing, id: usize) {
        let client = id / 2;
        self.clients[client].open += 1;
        if self.clients[client].open == 2 {
            self.get(out, client);
        }
    }

    fn bytes(&mut self, out: &mut Outgoing, id: usize, bytes: &[u8]) -> io::Result<usize> {
        let Some((status, body, length)) = http::answer(bytes)? else { return Ok(0) };
        if status != 200 {
            return Err(unexpected(bytes));
        }
        let client = id / 2;
        if id % 2 == 1 {
            self.clients[client].posting = false;
        } else {
            for packet in body.split(|byte| *byte == 0x1e) {
                self.packet(out, client, packet)?;
            }
            self.get(out, client);
        }
        self.proceed(out, client);
        Ok(length)
    }

    fn closed(&mut self, _: &mut Outgoing, _: usize) {
        self.wrong += 1;
    }
}

fn turn_until(
    reactor: &mut Reactor,
    polling: &mut Polling,
    time: Duration,
    done: impl Fn(&Polling) -> bool,
) -> io::Result<bool> {
    let deadline = Instant::now() + time;
    while !done(polling) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        reactor.turn(polling, left)?;
    }
    Ok(true)
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let argument = body::argument(&options.body).ok_or_else(|| io::Error::other("there is no such body"))?;
    let clients = (0..options.clients).map(|_| Client::default()).collect();
    let mut polling = Polling { argument, clients, ..Polling::default() };
    let mut reactor = Reactor::new()?;
    for _ in 0..options.clients {
        reactor.connect(options.targets[0])?;
        reactor.connect(options.targets[0])?;
    }
    let all = options.clients;
    if !turn_until(&mut reactor, &mut polling, PATIENCE, |polling| polling.ready == all)? {
        return Err(io::Error::other(format!("only {} of {all} clients are ready", polling.ready)));
    }
    polling.sending = true;
    for client in 0..all {
        polling.proceed(&mut reactor.out, client);
    }
    turn_until(&mut reactor, &mut polling, options.warm_up, |_| false)?;
    (polling.operations, polling.latency) = (0, Latency::default());
    let meter = Meter::start(options)?;
    turn_until(&mut reactor, &mut polling, options.seconds, |_| false)?;
    let measured = meter.stop(options)?;
    let operations = polling.operations;
    polling.sending = false;
    let missing =
        |polling: &Polling| polling.clients.iter().filter(|client| client.pending.is_some()).count();
    turn_until(&mut reactor, &mut polling, PATIENCE, |polling| missing(polling) == 0)?;

    let mut report = Report::new(options);
    report.text("body", &options.body);
    report.work(operations, &measured);
    report.latency("", &polling.latency);
    report.faults(missing(&polling) as u64, polling.duplicates, 0, polling.wrong);
    Ok(report)
}

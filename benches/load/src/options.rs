//! The command line: a mode and `--name value` pairs.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: load MODE --target ADDRESS... [--pid PID...] [options]
  echo       events with an ack: --clients, --in-flight (each), --body small|kilobyte
  broadcast  --clients in one room, spread over the targets; the first sends: --in-flight, or --rate a second
  idle       --clients connect and stay for --seconds: CPU of a handshake, memory of a connection
  churn      connect, join, leave, close: --in-flight at once
  join       --clients in one room leave and join again: --in-flight at once
  polling    echo over long polling: --clients, one in flight each
  nats       publish to subscriber through the broker at the target: --rate a second
  stalled    broadcasts of 20 kB to --clients at --rate; in every second of --runs stretches one of them does not read
  storms     --clients echo, join, leave, come and go, and all of them at once now and then, for --seconds
  reconnect  --clients go at once and come back at once
  start      runs the command after -- and waits until the target answers: --runs times
options
  --target A:P     the server, or one of its nodes (repeated)
  --pid N          its process (repeated: the sum is reported); --broker-pid N is reported apart
  --seconds S      how long to measure (2), after --warm-up S (0.5)
  --check          fail when something was missing, doubled, wrong or out of order";

/// One run, as ordered.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) mode: String,
    pub(crate) targets: Vec<SocketAddr>,
    pub(crate) pids: Vec<u32>,
    pub(crate) broker_pids: Vec<u32>,
    pub(crate) clients: usize,
    pub(crate) in_flight: usize,
    /// Per second; 0 is as fast as answers come.
    pub(crate) rate: f64,
    pub(crate) body: String,
    pub(crate) warm_up: Duration,
    pub(crate) seconds: Duration,
    pub(crate) runs: usize,
    pub(crate) check: bool,
    pub(crate) command: Vec<String>,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            mode: arguments.next().ok_or("no mode")?,
            targets: Vec::new(),
            pids: Vec::new(),
            broker_pids: Vec::new(),
            clients: 64,
            in_flight: 1,
            rate: 0.0,
            body: "small".to_owned(),
            warm_up: Duration::from_millis(500),
            seconds: Duration::from_secs(2),
            runs: 9,
            check: false,
            command: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            if name == "--check" {
                options.check = true;
                continue;
            }
            if name == "--" {
                options.command = arguments.by_ref().collect();
                break;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
            match &*name {
                "--target" => options.targets.push(read(&name, &value)?),
                "--pid" => options.pids.push(read(&name, &value)?),
                "--broker-pid" => options.broker_pids.push(read(&name, &value)?),
                "--clients" => options.clients = read(&name, &value)?,
                "--in-flight" => options.in_flight = read(&name, &value)?,
                "--rate" => options.rate = read(&name, &value)?,
                "--body" => options.body = value,
                "--warm-up" => options.warm_up = seconds(&name, &value)?,
                "--seconds" => options.seconds = seconds(&name, &value)?,
                "--runs" => options.runs = read(&name, &value)?,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        if options.targets.is_empty() {
            return Err("no --target".to_owned());
        }
        if options.clients == 0 || options.in_flight == 0 || options.runs == 0 {
            return Err("--clients, --in-flight and --runs start at 1".to_owned());
        }
        Ok(options)
    }
}

fn read<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} cannot be {value}"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(read(name, value)?).map_err(|_| format!("{name} cannot be {value}"))
}

//! The load generator: as many Socket.IO clients as wanted on one thread, framed by hand, so that it costs less than the
//! servers it measures. It speaks the events of the testbed (`tests/README.md`), and prints one JSON line a run.
//!
//! ```text
//! load echo --target 127.0.0.1:3000 --pid <server> --clients 64 --in-flight 4
//! ```
//!
//! In the order of the data: `reactor` (sockets and bytes) → `websocket` or `http` (frames, answers) → `session` (Engine.IO and
//! Socket.IO handshake, heartbeats) → `driver` (raises clients, turns the reactor) → `modes` (what is done and counted).
//! `meter` and `process` read the servers' CPU time and memory, `latency` and `sequence` count, `report` prints.

mod body;
mod driver;
mod http;
mod lab;
mod latency;
mod meter;
mod modes;
mod options;
mod process;
mod reactor;
mod report;
mod sequence;
mod session;
mod websocket;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match modes::run(&options) {
        Ok(report) => {
            println!("{report}");
            if options.check && !report.is_faultless() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("load {}: {error}", options.mode);
            ExitCode::FAILURE
        }
    }
}

//! How long a server takes from its start until it answers its first request.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::report::Report;

/// A server that needs longer does not start.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_micros(200);
const REQUEST: &[u8] =
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

/// Whether the server accepts, and answers.
fn answers(target: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    stream.read_exact(&mut [0; 12])
}

pub(super) fn run(options: &Options) -> io::Result<Report> {
    let [program, arguments @ ..] = &*options.command else {
        return Err(io::Error::other("no command after --"));
    };
    let target = options.targets[0];
    let mut millis = Vec::new();
    for _ in 0..options.runs {
        if TcpStream::connect(target).is_ok() {
            return Err(io::Error::other("something answers there already"));
        }
        let began = Instant::now();
        let quiet = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = quiet?;
        let outcome = loop {
            match answers(target) {
                Ok(()) => break Ok(began.elapsed()),
                Err(error) if began.elapsed() > PATIENCE => break Err(error),
                Err(_) => thread::sleep(AGAIN),
            }
        };
        server.kill()?;
        server.wait()?;
        millis.push(outcome?.as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    let mut report = Report::new(options);
    report.count("operations", millis.len() as u64);
    report.figure("median_ms", millis[millis.len() / 2]);
    report.figure("min_ms", millis[0]);
    report.figure("max_ms", millis[millis.len() - 1]);
    Ok(report)
}

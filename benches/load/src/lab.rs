//! What the testbed says about itself at `/lab`, and what the kernel says about its descriptors.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http;

const PATIENCE: Duration = Duration::from_secs(30);

/// The server at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) late_ms: f64,
    pub(crate) busy_ms: f64,
    pub(crate) connections: u64,
    pub(crate) sockets: u64,
    pub(crate) rooms: u64,
}

/// Asks the server; its lateness begins anew.
pub(crate) fn ask(target: SocketAddr) -> io::Result<State> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /lab?reset HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = http::answer(&bytes)?.filter(|answer| answer.0 == 200);
    let (_, body, _) = answer.ok_or_else(|| io::Error::other("no /lab: the testbed runs without LAB"))?;
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    let number = |name: &str| body[name].as_u64().unwrap_or(u64::MAX);
    Ok(State {
        late_ms: number("late_us") as f64 / 1e3,
        busy_ms: number("busy_us") as f64 / 1e3,
        connections: number("connections"),
        sockets: number("sockets"),
        rooms: number("rooms"),
    })
}

/// Open descriptors of processes.
pub(crate) fn descriptors(pids: &[u32]) -> io::Result<u64> {
    pids.iter().map(|pid| Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)).sum()
}

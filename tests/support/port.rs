//! Ports for programs that have to be told theirs.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::Mutex;

/// Below what kernels give to outgoing connections, and to listeners that ask for any.
const RANGE: Range<u16> = 12_000..32_000;

/// A port that nobody listens on, and that no other test is given while this process lives: whoever has one holds the UDP port of the
/// same number, which nothing here uses.
pub(crate) fn free_port() -> u16 {
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let first = std::process::id().wrapping_mul(7);
    let count = u32::from(RANGE.end - RANGE.start);
    for offset in 0..count {
        let port = RANGE.start + (first.wrapping_add(offset) % count) as u16;
        if let Ok(lock) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            HELD.lock().expect("pushing does not panic").push(lock);
            return port;
        }
    }
    panic!("no port is free");
}

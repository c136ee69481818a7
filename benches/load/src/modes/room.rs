//! The one room of all modes, and how clients get into it and out of it.

use crate::reactor::Outgoing;
use crate::session;

const NAME: &str = "lab";
/// The ids of the acknowledgements that are asked for.
pub(super) const JOINING: u64 = 0;
pub(super) const LEAVING: u64 = 1;
const OK: &[u8] = b"[\"ok\"]";

pub(super) fn join(out: &mut Outgoing, id: usize) {
    session::send(out, id, &[b"420[\"join\",\"", NAME.as_bytes(), b"\"]"]);
}

pub(super) fn leave(out: &mut Outgoing, id: usize) {
    session::send(out, id, &[b"421[\"leave\",\"", NAME.as_bytes(), b"\"]"]);
}

/// Broadcasts a payload, given in parts.
pub(super) fn broadcast(out: &mut Outgoing, id: usize, [start, number, end]: [&[u8]; 3]) {
    session::send(out, id, &[b"42[\"bcast\",\"", NAME.as_bytes(), b"\",", start, number, end, b"]"]);
}

/// Which join or leave a packet acknowledges, and whether it was done.
pub(super) fn done(packet: &[u8]) -> Option<(u64, bool)> {
    let (number, answer) = session::ack(packet)?;
    Some((number, answer == OK))
}

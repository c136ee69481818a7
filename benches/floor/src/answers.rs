//! What the testbed answers, by the first bytes of a packet.

use crate::frames::write_text;

/// What is to be done besides sending the reply.
pub(crate) enum Action {
    None,
    Join,
    Leave,
    /// The reply goes to the room.
    Broadcast,
}

/// The Engine.IO open packet.
pub(crate) fn open(id: usize) -> String {
    format!(
        "0{{\"sid\":\"{id:024}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
    )
}

/// Appends the frames of the answer to `reply`.
pub(crate) fn answer(id: usize, packet: &[u8], reply: &mut Vec<u8>) -> Action {
    if packet == b"40" {
        write_text(reply, &[format!("40{{\"sid\":\"{id:024}\"}}").as_bytes()]);
        write_text(reply, &[b"42[\"auth\",{}]"]);
        return Action::None;
    }
    let Some(rest) = packet.strip_prefix(b"42") else { return Action::None };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (ack, event) = rest.split_at(digits);
    if let Some(argument) = event.strip_prefix(b"[\"echo\",") {
        write_text(reply, &[b"43", ack, b"[", argument]);
        Action::None
    } else if let Some(payload) = event.strip_prefix(b"[\"bcast\",\"lab\",") {
        write_text(reply, &[b"42[\"msg\",", payload]);
        Action::Broadcast
    } else if event.starts_with(b"[\"join\"") {
        write_text(reply, &[b"43", ack, b"[\"ok\"]"]);
        Action::Join
    } else if event.starts_with(b"[\"leave\"") {
        write_text(reply, &[b"43", ack, b"[\"ok\"]"]);
        Action::Leave
    } else {
        Action::None
    }
}

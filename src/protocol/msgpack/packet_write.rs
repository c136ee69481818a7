//! Writes the map of a packet. The data comes last, so that what is before it can differ from receiver to receiver.

use super::super::Args;
use super::super::encode::{OVERHEAD, PacketType};
use super::put;

pub(crate) fn write_event(namespace: &str, name: &str, args: &Args, ack: Option<u64>, out: &mut Vec<u8>) {
    out.reserve(args.data.bytes().len() + namespace.len() + name.len() + OVERHEAD);
    write_header(PacketType::Event, namespace, ack, true, out);
    put::array(1 + args.len(), out);
    put::string(name, out);
    out.extend_from_slice(args.data.bytes());
}

pub(crate) fn write_ack(namespace: &str, id: u64, args: &Args, out: &mut Vec<u8>) {
    out.reserve(args.data.bytes().len() + namespace.len() + OVERHEAD);
    write_header(PacketType::Ack, namespace, Some(id), true, out);
    put::array(args.len(), out);
    out.extend_from_slice(args.data.bytes());
}

pub(crate) fn write_bare(kind: PacketType, namespace: &str, payload: Option<&Args>, out: &mut Vec<u8>) {
    write_header(kind, namespace, None, payload.is_some(), out);
    if let Some(payload) = payload {
        out.extend_from_slice(payload.data.bytes());
    }
}

/// Everything up to the data.
fn write_header(kind: PacketType, namespace: &str, id: Option<u64>, has_data: bool, out: &mut Vec<u8>) {
    put::map(2 + usize::from(id.is_some()) + usize::from(has_data), out);
    put::string("type", out);
    put::unsigned(kind as u64, out);
    put::string("nsp", out);
    put::string(namespace, out);
    if let Some(id) = id {
        put::string("id", out);
        put::unsigned(id, out);
    }
    if has_data {
        put::string("data", out);
    }
}

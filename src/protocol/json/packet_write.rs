//! Writes the text of a packet: `<type>[<attachments>-][<namespace>,][<ack id>][<payload>]`. Arguments are copied as they are.

use super::super::Args;
use super::super::encode::{OVERHEAD, PacketType};

/// What is added to the type of a packet with attachments.
const BINARY: u8 = 3;

pub(crate) fn write_event(namespace: &str, name: &str, args: &Args, ack: Option<u64>, out: &mut Vec<u8>) {
    out.reserve(args.data.bytes().len() + namespace.len() + name.len() + OVERHEAD);
    write_header(PacketType::Event, args.attachments.len(), namespace, ack, out);
    out.push(b'[');
    write_string(name, out);
    if !args.is_empty() {
        out.push(b',');
        out.extend_from_slice(args.data.bytes());
    }
    out.push(b']');
}

pub(crate) fn write_ack(namespace: &str, id: u64, args: &Args, out: &mut Vec<u8>) {
    out.reserve(args.data.bytes().len() + namespace.len() + OVERHEAD);
    write_header(PacketType::Ack, args.attachments.len(), namespace, Some(id), out);
    out.push(b'[');
    out.extend_from_slice(args.data.bytes());
    out.push(b']');
}

pub(crate) fn write_bare(kind: PacketType, namespace: &str, payload: Option<&Args>, out: &mut Vec<u8>) {
    write_header(kind, 0, namespace, None, out);
    if let Some(payload) = payload {
        out.extend_from_slice(payload.data.bytes());
    }
}

fn write_header(kind: PacketType, attachments: usize, namespace: &str, id: Option<u64>, out: &mut Vec<u8>) {
    let kind = b'0' + kind as u8;
    if attachments == 0 {
        out.push(kind);
    } else {
        out.push(kind + BINARY);
        write_number(attachments as u64, out);
        out.push(b'-');
    }
    if namespace != "/" {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
    if let Some(id) = id {
        write_number(id, out);
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into a Vec does not fail.
    let _ = serde_json::to_writer(out, text);
}

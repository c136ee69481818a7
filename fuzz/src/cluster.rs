//! The decoders of what nodes, external processes and workers say.

use std::time::{Duration, Instant};

use actix_socketio::protocol::worker_answer;
use actix_socketio::protocol::{Parser, encode_ack};
use bytes::Bytes;
use socketio_cluster::codec::{Decoded, decode, encode};
use socketio_cluster::external::{External, ExternalLimits, Reply};
use socketio_cluster::fragment::{Fragment, Reassembly, ReassemblyLimits, split};
use socketio_cluster::node::{Epoch, NodeId};

use super::input::Input;

const MAX_ATTACHMENTS: usize = 3;
const LIMITS: ReassemblyLimits =
    ReassemblyLimits { max_message: 300, max_bytes: 500, max_per_node: 3, max_age: Duration::from_secs(10) };

/// Messages of other nodes, parts of messages, the JSON of external processes, and the answers to it.
pub fn cluster_message(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    match decode(&bytes) {
        Ok(Decoded::Whole(envelope)) => assert_eq!(encode(&envelope), Ok(bytes), "there is one form only"),
        Ok(Decoded::Fragment(fragment)) => {
            let mut reassembly = Reassembly::default();
            if let Ok(Some(message)) = reassembly.take(&fragment, Instant::now()) {
                assert_eq!(message, fragment.bytes);
            }
            assert!(reassembly.bytes() <= input.len());
        }
        Err(_) => {}
    }
    if let Ok(reply) = Reply::read(input) {
        assert_eq!(Reply::read(&reply.write()).expect("was written"), reply);
    }
    let limits = ExternalLimits::default();
    if let Ok(external) = External::read(input, &limits) {
        let json = external.write(&ExternalLimits { max_bytes: usize::MAX, ..limits }).expect("was read");
        External::read(&json, &ExternalLimits { max_bytes: usize::MAX, ..limits }).expect("was written");
    }
}

/// Parts of messages in any order, of several nodes and epochs, with time going by: what is held stays within its bounds.
/// Then a whole message, split and put together again in the midst of them.
pub fn fragments(input: &[u8]) {
    let mut input = Input::new(input);
    let nodes = [b"aaaaaaaa", b"bbbbbbbb"].map(|id| NodeId::parse(id).expect("an id"));
    let mut reassembly = Reassembly::new(LIMITS);
    let mut now = Instant::now();
    let message = Bytes::copy_from_slice(input.bytes());
    let max_payload = usize::from(input.byte());
    let whole = split(message.clone(), (nodes[0], Epoch(9)), 0, max_payload, 250);
    let mut parts = whole.map(Vec::into_iter).unwrap_or_default();
    let mut came = parts.len() < 2;
    loop {
        match input.choice(8) {
            0 => now += Duration::from_millis(input.number().min(20_000)),
            1 => _ = reassembly.sweep(now),
            2 => _ = reassembly.forget_node(nodes[1]),
            3 if !came => {
                let Some(part) = parts.next() else { break };
                let Ok(Decoded::Fragment(fragment)) = decode(&part) else { panic!("a part is a part") };
                // The others may have filled what there is, or it took too long.
                if let Ok(Some(made)) = reassembly.take(&fragment, now) {
                    assert_eq!(made, message);
                    came = true;
                }
            }
            _ => {
                let fragment = Fragment {
                    from: nodes[usize::from(input.choice(2))],
                    epoch: Epoch(u64::from(input.choice(2))),
                    order: u64::from(input.choice(4)),
                    offset: input.number(),
                    total: input.number(),
                    bytes: Bytes::copy_from_slice(input.bytes()),
                };
                if let Ok(Some(message)) = reassembly.take(&fragment, now) {
                    assert_eq!(message.len() as u64, fragment.total);
                    assert!(message.ends_with(&fragment.bytes) && message.len() <= LIMITS.max_message);
                }
            }
        }
        assert!(reassembly.bytes() <= LIMITS.max_bytes);
        if input.is_empty() {
            break;
        }
    }
    now += LIMITS.max_age;
    assert!(reassembly.sweep(now) <= 2 * LIMITS.max_per_node);
    assert_eq!(reassembly.bytes(), 0);
}

/// The answers of workers.
pub fn worker_answer(input: &[u8]) {
    if let Ok(args) = worker_answer::read(input, MAX_ATTACHMENTS) {
        assert!(args.attachments().len() <= MAX_ATTACHMENTS && args.size() <= input.len());
        for parser in [Parser::Json, Parser::MsgPack] {
            let transcoded = args.to_parser(parser).expect("JSON goes into every parser");
            encode_ack(parser, "/", 1, &transcoded, &mut Vec::new()).expect("it is an acknowledgement");
        }
    }
}

//! What nodes say to each other, as bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_socketio::cluster::codec;
use actix_socketio::cluster::message::{Broadcast, Encoding, Envelope, Flags, Message, Payload, Target};
use actix_socketio::cluster::node::{Epoch, NodeId};
use bytes::Bytes;

fn envelope() -> Envelope {
    let target = Target { namespace: "/chat".into(), rooms: vec!["lobby".into()], except: Vec::new() };
    let body = Bytes::from_static(br#"{"id":4711,"x":12.5,"y":-3.25,"name":"somebody"}"#);
    let broadcast = Broadcast {
        target,
        flags: Flags { volatile: false, compress: true },
        ack: None,
        event: "move".into(),
        args: Payload { encoding: Encoding::Json, body, attachments: Vec::new() },
    };
    Envelope {
        from: NodeId::parse(b"node-001").expect("eight characters"),
        epoch: Epoch(1),
        order: 4711,
        sequence: 815,
        message: Message::Broadcast(broadcast),
    }
}

pub(crate) fn encode(n: u64) -> Duration {
    let envelope = envelope();
    let begin = Instant::now();
    for _ in 0..n {
        let bytes = codec::encode(black_box(&envelope));
        assert!(black_box(bytes).is_ok());
    }
    begin.elapsed()
}

pub(crate) fn decode(n: u64) -> Duration {
    let bytes = codec::encode(&envelope()).expect("few items");
    let begin = Instant::now();
    for _ in 0..n {
        let decoded = codec::decode(black_box(&bytes));
        assert!(black_box(decoded).is_ok());
    }
    begin.elapsed()
}

//! Compares with the messages that the official parsers write; `samples.js` made them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::*;

#[derive(Deserialize)]
struct Sample {
    name: String,
    /// Has values that JSON cannot say.
    special: bool,
    text: String,
    attachments: Vec<String>,
    client: String,
    server: String,
}

fn samples() -> Vec<Sample> {
    serde_json::from_str(include_str!("samples.json")).unwrap()
}

fn hex(digits: &str) -> Bytes {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

impl Sample {
    fn attachments(&self) -> Vec<Bytes> {
        self.attachments.iter().map(|digits| hex(digits)).collect()
    }

    fn read_json(&self) -> Packet {
        let mut decoder = Decoder::new(Parser::Json, Revision::V5, DecodeLimits::default());
        let mut packet = decoder.text(self.text.clone().into()).unwrap();
        for attachment in self.attachments() {
            assert!(packet.is_none());
            packet = decoder.binary(attachment).unwrap();
        }
        packet.unwrap()
    }

    fn read_msgpack(&self, message: &str) -> Packet {
        let mut decoder = Decoder::new(Parser::MsgPack, Revision::V5, DecodeLimits::default());
        decoder.binary(hex(message)).unwrap().unwrap()
    }
}

/// The arguments of a packet, whatever it is.
fn args(packet: &Packet) -> &Args {
    static NONE: std::sync::OnceLock<Args> = std::sync::OnceLock::new();
    match &packet.body {
        PacketBody::Connect { auth } => auth,
        PacketBody::Disconnect => NONE.get_or_init(Args::default),
        PacketBody::Event { args, .. } | PacketBody::Ack { args, .. } => args,
        PacketBody::ConnectError { data } => data,
    }
}

/// Writes a packet again, in whatever representation its arguments are.
fn encode(parser: Parser, packet: &Packet) -> (Vec<u8>, Attachments) {
    let mut out = Vec::new();
    let namespace = &packet.namespace;
    let payload = |args: &Args| args.get(0).map(|args| args.deserialize::<Box<RawValue>>().unwrap());
    let attachments = match &packet.body {
        PacketBody::Connect { auth } => {
            encode_connect(parser, namespace, payload(auth).as_deref(), &mut out).unwrap();
            Attachments::default()
        }
        PacketBody::Disconnect => {
            encode_disconnect(parser, namespace, &mut out).unwrap();
            Attachments::default()
        }
        PacketBody::Event { name, args, ack } => {
            encode_event(parser, namespace, name, args, *ack, &mut out).unwrap()
        }
        PacketBody::Ack { id, args } => encode_ack(parser, namespace, *id, args, &mut out).unwrap(),
        PacketBody::ConnectError { data } => {
            #[derive(Deserialize)]
            struct Refusal {
                message: String,
                data: Value,
            }
            let Refusal { message, data } = data.deserialize().unwrap();
            let data = to_raw_value(&data).unwrap();
            encode_connect_error(parser, Revision::V5, namespace, &message, Some(&data), &mut out).unwrap();
            Attachments::default()
        }
    };
    (out, attachments)
}

/// The same data in JSON, as far as JavaScript can tell.
fn value(args: &Args) -> (Value, Vec<Bytes>) {
    let (text, attachments) = args.to_json().unwrap();
    (serde_json::from_str(&text).unwrap(), attachments.to_vec())
}

#[test]
fn json_is_read_and_written_as_by_the_official_parser() {
    for sample in samples() {
        let packet = sample.read_json();
        let (text, attachments) = encode(Parser::Json, &packet);
        let number_as_name = sample.text.starts_with("2[1,");
        if !number_as_name {
            assert_eq!(String::from_utf8(text).unwrap(), sample.text, "{}", sample.name);
        }
        assert_eq!(*attachments, *sample.attachments(), "{}", sample.name);
    }
}

#[test]
fn msgpack_is_read_and_written_as_by_the_official_parser() {
    for sample in samples() {
        let packet = sample.read_msgpack(&sample.client);
        assert_eq!(packet, sample.read_msgpack(&sample.server), "{}", sample.name);
        let (bytes, attachments) = encode(Parser::MsgPack, &packet);
        assert!(attachments.is_empty());
        let number_as_name = sample.text.starts_with("2[1,");
        if !number_as_name {
            assert_eq!(Bytes::from(bytes), hex(&sample.server), "{}", sample.name);
        }
    }
}

#[test]
fn both_parsers_say_the_same() {
    for sample in samples() {
        let (json, msgpack) = (sample.read_json(), sample.read_msgpack(&sample.client));
        let (json_args, msgpack_args) = (args(&json), args(&msgpack));
        assert_eq!(json.namespace, msgpack.namespace);
        match (&json.body, &msgpack.body) {
            (
                PacketBody::Event { name: left, ack: left_ack, .. },
                PacketBody::Event { name: right, ack: right_ack, .. },
            ) => assert_eq!((left, left_ack), (right, right_ack)),
            (PacketBody::Ack { id: left, .. }, PacketBody::Ack { id: right, .. }) => assert_eq!(left, right),
            (left, right) => assert_eq!(std::mem::discriminant(left), std::mem::discriminant(right)),
        }
        let same_bytes = json_args.to_parser(Parser::MsgPack).unwrap() == *msgpack_args;
        assert_eq!(same_bytes, !sample.special, "{}", sample.name);
        assert_eq!(value(json_args), value(msgpack_args), "{}", sample.name);
        assert_eq!(json_args.binaries(), msgpack_args.binaries(), "{}", sample.name);
        // None of a value that has binary.
        let read = |args: &Args| args.deserialize::<Value>().ok();
        assert_eq!(read(json_args), read(msgpack_args), "{}", sample.name);
    }
}

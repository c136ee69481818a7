//! Packets into messages. Used by sockets and delivery.
//!
//! Every function appends one message to `out`, behind what the caller has put there (the header of the transport), and
//! returns the attachments that have to follow it, each as a binary message of its own. With the JSON parser the message is a
//! text, with msgpack it is binary and nothing follows. On an error `out` is as it was.

use serde_json::value::RawValue;

use super::packet::reserved_event;
use super::{Args, Attachments, EncodeError, Parser, Revision, json, msgpack};

/// EVENT (or BINARY_EVENT): `args` are transcoded if they are not in the representation of the parser.
pub fn encode_event(
    parser: Parser,
    namespace: &str,
    name: &str,
    args: &Args,
    ack: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<Attachments, EncodeError> {
    if let Some(reserved) = reserved_event(name) {
        return Err(EncodeError::ReservedEvent(reserved));
    }
    check_namespace(parser, namespace)?;
    let args = args.to_parser(parser)?;
    match parser {
        Parser::Json => json::packet_write::write_event(namespace, name, &args, ack, out),
        Parser::MsgPack => msgpack::packet_write::write_event(namespace, name, &args, ack, out),
    }
    Ok(args.attachments)
}

/// ACK (or BINARY_ACK) of the event that had this id.
pub fn encode_ack(
    parser: Parser,
    namespace: &str,
    id: u64,
    args: &Args,
    out: &mut Vec<u8>,
) -> Result<Attachments, EncodeError> {
    check_namespace(parser, namespace)?;
    let args = args.to_parser(parser)?;
    match parser {
        Parser::Json => json::packet_write::write_ack(namespace, id, &args, out),
        Parser::MsgPack => msgpack::packet_write::write_ack(namespace, id, &args, out),
    }
    Ok(args.attachments)
}

/// CONNECT with a payload, an object: `{"sid":...}` from a server, which sends none to a client of revision 4, or the auth of
/// a client.
pub fn encode_connect(
    parser: Parser,
    namespace: &str,
    payload: Option<&RawValue>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    write_bare(parser, PacketType::Connect, namespace, payload, out)
}

/// CONNECT_ERROR: `{"message":...,"data":...}`, and in revision 4 (ERROR) only the data if there is any, else the message.
pub fn encode_connect_error(
    parser: Parser,
    revision: Revision,
    namespace: &str,
    message: &str,
    data: Option<&RawValue>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    #[derive(serde::Serialize)]
    struct Refusal<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a RawValue>,
    }
    let payload = match (revision, data) {
        (Revision::V5, data) => serde_json::value::to_raw_value(&Refusal { message, data }),
        (Revision::V4, Some(data)) => Ok(data.to_owned()),
        (Revision::V4, None) => serde_json::value::to_raw_value(message),
    }
    .map_err(|error| EncodeError::Data(error.to_string()))?;
    write_bare(parser, PacketType::ConnectError, namespace, Some(&payload), out)
}

/// DISCONNECT.
pub fn encode_disconnect(parser: Parser, namespace: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write_bare(parser, PacketType::Disconnect, namespace, None, out)
}

/// Room for what a packet has beside its names and arguments.
pub(crate) const OVERHEAD: usize = 50;

/// The types of packets, as both parsers number them. The JSON parser has two more for those with attachments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PacketType {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
}

/// A packet without arguments.
fn write_bare(
    parser: Parser,
    kind: PacketType,
    namespace: &str,
    payload: Option<&RawValue>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_namespace(parser, namespace)?;
    let payload = match payload {
        Some(payload) => Some(Args::from_payload(payload.get())?.to_parser(parser)?),
        None => None,
    };
    match parser {
        Parser::Json => json::packet_write::write_bare(kind, namespace, payload.as_ref(), out),
        Parser::MsgPack => msgpack::packet_write::write_bare(kind, namespace, payload.as_ref(), out),
    }
    Ok(())
}

/// In text a comma would be the end of the namespace.
fn check_namespace(parser: Parser, namespace: &str) -> Result<(), EncodeError> {
    if namespace.starts_with('/') && (parser == Parser::MsgPack || !namespace.contains(',')) {
        Ok(())
    } else {
        Err(EncodeError::InvalidNamespace(namespace.to_owned()))
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;

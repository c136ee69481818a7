//! Reads the map of a packet: `type`, `nsp`, `id`, `data`, and what clients add (`options`), in any order.

use bytes::Bytes;
use bytestring::ByteString;

use super::super::json::packet_read::{MAX_ACK_ID, number_as_name, split_query};
use super::super::list::List;
use super::super::packet::reserved_event;
use super::super::{Args, DecodeError, DecodeLimits, Packet, PacketBody, Revision};
use super::extension::Extension;
use super::scan;
use super::token::{Token, token};

/// Decodes a packet, which is all of `data`.
pub(crate) fn decode(data: &Bytes, revision: Revision, limits: &DecodeLimits) -> Result<Packet, DecodeError> {
    let fields = Fields::read(data, limits.max_depth)?;
    let (namespace, query) = fields.namespace(data, revision)?;
    let id = fields.id()?;
    let body = match fields.kind.and_then(integer) {
        Some(0) => PacketBody::Connect {
            auth: match fields.payload {
                Payload::Absent => Args::default(),
                Payload::Map(start, end) => single(data, start, end)?,
                _ => return Err(DecodeError::InvalidPayload("CONNECT carries an object or nothing")),
            },
        },
        Some(1) => match fields.payload {
            Payload::Absent => PacketBody::Disconnect,
            _ => return Err(DecodeError::InvalidPayload("DISCONNECT carries nothing")),
        },
        Some(2) => {
            let Payload::Array(list) = fields.payload else {
                return Err(DecodeError::InvalidPayload(
                    "EVENT carries an array that begins with the name of the event",
                ));
            };
            let name = event_name(data, &list)?;
            let args = Args::from_msgpack_list(data, &list, 1)?;
            PacketBody::Event { name, args, ack: id }
        }
        Some(3) => {
            let Payload::Array(list) = fields.payload else {
                return Err(DecodeError::InvalidPayload("ACK carries an array"));
            };
            let id = id.ok_or(DecodeError::InvalidAckId)?;
            let args = Args::from_msgpack_list(data, &list, 0)?;
            PacketBody::Ack { id, args }
        }
        Some(4) => match fields.payload {
            Payload::Map(start, end) | Payload::Str(start, end) => {
                PacketBody::ConnectError { data: single(data, start, end)? }
            }
            _ => return Err(DecodeError::InvalidPayload("CONNECT_ERROR carries an object or a string")),
        },
        _ => return Err(DecodeError::UnknownPacketType),
    };
    Ok(Packet { namespace, query, body })
}

/// The entries of the map that matter. Of several with the same name the last one counts.
struct Fields<'a> {
    kind: Option<Token<'a>>,
    namespace: Option<Token<'a>>,
    id: Option<Token<'a>>,
    payload: Payload,
}

/// What `data` is, and where.
enum Payload {
    /// Not there, `undefined` or nil (some clients write what is not there).
    Absent,
    Array(List),
    Map(usize, usize),
    Str(usize, usize),
    Other,
}

impl<'a> Fields<'a> {
    /// Checks the whole message on the way.
    fn read(bytes: &'a [u8], max_depth: u8) -> Result<Self, DecodeError> {
        let Some((Token::Map(length), mut at)) = token(bytes, 0) else {
            return Err(DecodeError::InvalidMsgPack { position: 0 });
        };
        let mut fields = Fields { kind: None, namespace: None, id: None, payload: Payload::Absent };
        for _ in 0..length {
            let Some((Token::Str(key), start)) = token(bytes, at) else {
                return Err(DecodeError::InvalidMsgPack { position: at });
            };
            let Some((value, behind)) = token(bytes, start) else {
                return Err(DecodeError::InvalidMsgPack { position: start });
            };
            if let (b"data", Token::Array(count)) = (key, value) {
                let list = scan::scan_elements(bytes, behind, count, max_depth)?;
                at = list.end;
                fields.payload = Payload::Array(list);
                continue;
            }
            // A payload that is not a list has one level less, as it becomes the argument of one.
            at = scan::scan_value(bytes, start, max_depth.saturating_sub(1))?;
            match key {
                b"type" => fields.kind = Some(value),
                b"nsp" => fields.namespace = Some(value),
                b"id" => fields.id = Some(value).filter(|id| !is_absent(*id)),
                b"data" => {
                    fields.payload = match value {
                        value if is_absent(value) => Payload::Absent,
                        Token::Map(_) => Payload::Map(start, at),
                        Token::Str(_) => Payload::Str(start, at),
                        _ => Payload::Other,
                    }
                }
                _ => {}
            }
        }
        if at == bytes.len() { Ok(fields) } else { Err(DecodeError::InvalidMsgPack { position: at }) }
    }

    fn namespace(
        &self,
        data: &Bytes,
        revision: Revision,
    ) -> Result<(ByteString, Option<ByteString>), DecodeError> {
        let Some(Token::Str(given)) = self.namespace else { return Err(DecodeError::InvalidNamespace) };
        if given == b"/" {
            return Ok((ByteString::from_static("/"), None));
        }
        let given = text(data, given).map_err(|_| DecodeError::InvalidNamespace)?;
        if !given.starts_with('/') {
            return Err(DecodeError::InvalidNamespace);
        }
        let (name, query) = split_query(&given, revision);
        let name = if name == "/" { ByteString::from_static("/") } else { given.slice_ref(name) };
        Ok((name, query.map(|query| given.slice_ref(query))))
    }

    fn id(&self) -> Result<Option<u64>, DecodeError> {
        match self.id {
            None => Ok(None),
            Some(id) => integer(id).filter(|id| *id <= MAX_ACK_ID).map(Some).ok_or(DecodeError::InvalidAckId),
        }
    }
}

/// Whether a value stands for one that is not there.
fn is_absent(value: Token<'_>) -> bool {
    match value {
        Token::Nil => true,
        Token::Ext { kind, data, fixed } => Extension::new(kind, data, fixed) == Extension::Undefined,
        _ => false,
    }
}

fn integer(token: Token<'_>) -> Option<u64> {
    match token {
        Token::Unsigned(number) => Some(number),
        Token::Signed(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

fn text(data: &Bytes, text: &[u8]) -> Result<ByteString, std::str::Utf8Error> {
    ByteString::try_from(data.slice_ref(text))
}

/// The value that was found from `start` to `end`, as a list of one argument.
fn single(data: &Bytes, start: usize, end: usize) -> Result<Args, DecodeError> {
    let mut list = List::starting_at(start);
    list.push(end);
    Args::from_msgpack_list(data, &list, 0)
}

fn event_name(data: &Bytes, list: &List) -> Result<ByteString, DecodeError> {
    if list.count == 0 {
        return Err(DecodeError::InvalidPayload("EVENT without a name"));
    }
    let invalid = DecodeError::InvalidPayload("the name of an event is a string or a number");
    let name = match token(data, list.start) {
        Some((Token::Str(name), _)) => text(data, name).map_err(|_| invalid)?,
        Some((Token::Unsigned(number), _)) => number.to_string().into(),
        Some((Token::Signed(number), _)) => number.to_string().into(),
        Some((Token::Float32(number), _)) => number_as_name(number.into()).into(),
        Some((Token::Float64(number), _)) => number_as_name(number).into(),
        _ => return Err(invalid),
    };
    match reserved_event(&name) {
        Some(reserved) => Err(DecodeError::ReservedEvent(reserved)),
        None => Ok(name),
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;

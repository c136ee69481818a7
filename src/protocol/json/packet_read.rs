//! Reads the text of a packet: `<type>[<attachments>-][<namespace>,][<ack id>][<payload>]`.

use bytestring::ByteString;

use super::super::data::Data;
use super::super::list::List;
use super::super::packet::reserved_event;
use super::super::{Args, Attachments, DecodeError, DecodeLimits, Packet, PacketBody, Revision};
use super::placeholder::Finder;
use super::scan;

/// The largest acknowledgement id: what a client in JavaScript can count to.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// Decodes the text of a packet; also tells how many attachments follow.
pub(crate) fn decode(
    text: &ByteString,
    revision: Revision,
    limits: &DecodeLimits,
) -> Result<(Packet, usize), DecodeError> {
    let kind = text.as_bytes().first().copied().ok_or(DecodeError::UnknownPacketType)?;
    let mut rest = Cursor { text, at: 1 };
    let attachments = match kind {
        b'0'..=b'4' => None,
        b'5' | b'6' => Some(rest.attachments(limits.max_attachments)?),
        _ => return Err(DecodeError::UnknownPacketType),
    };
    let (namespace, query) = rest.namespace(revision);
    let id = rest.ack_id()?;
    let payload = Payload { text, start: rest.at, max_depth: limits.max_depth };
    let body = match kind {
        b'0' => PacketBody::Connect { auth: payload.object_or_nothing()? },
        b'1' if payload.is_absent() => PacketBody::Disconnect,
        b'1' => return Err(DecodeError::InvalidPayload("DISCONNECT carries nothing")),
        b'2' | b'5' => {
            let (name, args) = payload.event(attachments)?;
            PacketBody::Event { name, args, ack: id }
        }
        b'3' | b'6' => {
            let id = id.ok_or(DecodeError::InvalidAckId)?;
            PacketBody::Ack { id, args: payload.answer(attachments)? }
        }
        _ => PacketBody::ConnectError { data: payload.error()? },
    };
    Ok((Packet { namespace, query, body }, attachments.unwrap_or(0)))
}

/// Reads what comes before the payload.
struct Cursor<'a> {
    text: &'a ByteString,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Digits up to `max`; `None` if there are none, an error if there are too many.
    fn number(&mut self, max: u64) -> Result<Option<u64>, ()> {
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Ok(None);
        }
        self.at += length;
        match rest.get(..length).unwrap_or_default().parse() {
            Ok(number) if number <= max => Ok(Some(number)),
            _ => Err(()),
        }
    }

    fn attachments(&mut self, limit: u32) -> Result<usize, DecodeError> {
        let Ok(Some(count)) = self.number(u64::MAX) else { return Err(DecodeError::InvalidAttachmentCount) };
        if !self.rest().starts_with('-') {
            return Err(DecodeError::InvalidAttachmentCount);
        }
        self.at += 1;
        if count > u64::from(limit) {
            return Err(DecodeError::TooManyAttachments { count, limit });
        }
        usize::try_from(count).map_err(|_| DecodeError::InvalidAttachmentCount)
    }

    /// The namespace, and in revision 4 the query behind it.
    fn namespace(&mut self, revision: Revision) -> (ByteString, Option<ByteString>) {
        let rest = self.rest();
        if !rest.starts_with('/') {
            return (ByteString::from_static("/"), None);
        }
        let given = match rest.split_once(',') {
            Some((given, _)) => {
                self.at += given.len() + 1;
                given
            }
            None => {
                self.at += rest.len();
                rest
            }
        };
        let (name, query) = split_query(given, revision);
        let name = if name == "/" { ByteString::from_static("/") } else { self.text.slice_ref(name) };
        (name, query.map(|query| self.text.slice_ref(query)))
    }

    fn ack_id(&mut self) -> Result<Option<u64>, DecodeError> {
        self.number(MAX_ACK_ID).map_err(|()| DecodeError::InvalidAckId)
    }
}

/// Clients of revision 4 append a query to the namespace that they connect to.
pub(crate) fn split_query(given: &str, revision: Revision) -> (&str, Option<&str>) {
    match (revision, given.split_once('?')) {
        (Revision::V4, Some((name, query))) => (name, Some(query)),
        _ => (given, None),
    }
}

/// The JSON behind the header.
struct Payload<'a> {
    text: &'a ByteString,
    start: usize,
    max_depth: u8,
}

impl Payload<'_> {
    fn is_absent(&self) -> bool {
        self.start == self.text.len()
    }

    /// CONNECT: an object, or nothing.
    fn object_or_nothing(&self) -> Result<Args, DecodeError> {
        if self.is_absent() {
            return Ok(Args::default());
        }
        self.single(b"{", "CONNECT carries an object or nothing")
    }

    /// CONNECT_ERROR: an object or a string.
    fn error(&self) -> Result<Args, DecodeError> {
        self.single(b"{\"", "CONNECT_ERROR carries an object or a string")
    }

    /// One value that starts with one of these characters, as a list of one argument.
    fn single(&self, starts: &[u8], expected: &'static str) -> Result<Args, DecodeError> {
        let text = self.text.as_bytes();
        let first = text.get(scan::skip_whitespace(text, self.start));
        if !first.is_some_and(|first| starts.contains(first)) {
            return Err(DecodeError::InvalidPayload(expected));
        }
        let max_depth = self.max_depth.saturating_sub(1);
        scan::scan_value(text, self.start, max_depth, &mut scan::Ignore)
            .and_then(|end| scan::end_of_text(text, end))
            .map_err(|error| error.into_decode_error(self.start, self.max_depth))?;
        let value = self.text.slice_ref(self.text.get(self.start..).unwrap_or_default());
        Args::from_values(Data::Json(value), 1, Attachments::default())
            .map_err(|_| DecodeError::TooLarge { limit: u32::MAX as usize })
    }

    /// EVENT: an array that begins with the name.
    fn event(&self, attachments: Option<usize>) -> Result<(ByteString, Args), DecodeError> {
        let list = self.list(attachments, "EVENT carries an array that begins with the name of the event")?;
        let [end, ..] = list.ends() else {
            return Err(DecodeError::InvalidPayload("EVENT without a name"));
        };
        let name = self.event_name(self.text.get(list.start..*end).unwrap_or_default().trim_ascii())?;
        if let Some(reserved) = reserved_event(&name) {
            return Err(DecodeError::ReservedEvent(reserved));
        }
        Ok((name, Args::from_json_list(self.text, &list, 1, Attachments::default())?))
    }

    /// ACK: an array.
    fn answer(&self, attachments: Option<usize>) -> Result<Args, DecodeError> {
        let list = self.list(attachments, "ACK carries an array")?;
        Args::from_json_list(self.text, &list, 0, Attachments::default())
    }

    fn list(&self, attachments: Option<usize>, expected: &'static str) -> Result<List, DecodeError> {
        let text = self.text.as_bytes();
        if text.get(scan::skip_whitespace(text, self.start)) != Some(&b'[') {
            return Err(DecodeError::InvalidPayload(expected));
        }
        match attachments {
            None => scan::scan_list(text, self.start, self.max_depth, &mut scan::Ignore),
            Some(count) => scan::scan_list(text, self.start, self.max_depth, &mut Finder::new(count)),
        }
        .map_err(|error| error.into_decode_error(self.start, self.max_depth))
    }

    /// A string or a number, well-formed already.
    fn event_name(&self, json: &str) -> Result<ByteString, DecodeError> {
        let invalid = DecodeError::InvalidPayload("the name of an event is a string or a number");
        match json.as_bytes() {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => {
                Ok(self.text.slice_ref(json.get(1..json.len() - 1).unwrap_or_default()))
            }
            [b'"', ..] => match serde_json::from_str::<String>(json) {
                Ok(name) => Ok(name.into()),
                Err(_) => Err(DecodeError::InvalidPayload("the name of an event is not Unicode")),
            },
            [b'-' | b'0'..=b'9', ..] => match json.parse::<f64>() {
                Ok(number) => Ok(number_as_name(number).into()),
                Err(_) => Err(invalid),
            },
            _ => Err(invalid),
        }
    }
}

/// A number as JavaScript would turn it into the key of a listener, as far as anybody uses it: integers have no fraction.
pub(crate) fn number_as_name(number: f64) -> String {
    // Not "-0".
    (number + 0.0).to_string()
}

//! The arguments of an event or an acknowledgement, kept as the bytes they came in or go out as.
//!
//! Made by the decoder and by [`ToArgs`](super::ToArgs), read by [`FromArgs`](super::FromArgs) and by the encoders. Nothing here
//! builds a value tree: what was received is passed on byte by byte, so numbers, key order and foreign msgpack types survive.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::data::{Data, JSON_SEPARATOR};
use super::json::placeholder::{Finder, Placeholder, renumber};
use super::json::scan;
use super::list::{LOCATED, List};
use super::{Attachments, DecodeError, EncodeError, MAX_DEPTH, Parser, msgpack};

/// A list of arguments: checked, immutable and cheap to clone.
///
/// It is in the representation of one of the parsers and is written without a copy of its values when it leaves through the
/// same. The default is the empty list.
///
/// `Args` is not `Serialize`: it is [`ToArgs`](super::ToArgs) and [`FromArgs`](super::FromArgs) itself, so a handler can take
/// and send it like any other data.
#[derive(Clone, Default)]
pub struct Args {
    pub(super) data: Data,
    count: u32,
    /// Where the first arguments end in `data`; later ones are looked for when they are needed.
    ends: [u32; LOCATED],
    pub(super) attachments: Attachments,
}

impl Args {
    /// The text of a JSON array, each element an argument. With attachments, the placeholders in the text are checked; without,
    /// objects that look like one are plain data.
    pub fn from_json(text: impl Into<ByteString>, attachments: Vec<Bytes>) -> Result<Args, DecodeError> {
        let text = text.into();
        if attachments.is_empty() {
            scan::scan_list(text.as_bytes(), 0, MAX_DEPTH, &mut scan::Ignore)
        } else {
            scan::scan_list(text.as_bytes(), 0, MAX_DEPTH, &mut Finder::new(attachments.len()))
        }
        .map_err(|error| error.into_decode_error(0, MAX_DEPTH))
        .and_then(|list| Args::from_json_list(&text, &list, 0, attachments.into()))
    }

    /// The elements of a list that was scanned in `text`, the first `skip` (at most one) left out.
    pub(super) fn from_json_list(
        text: &ByteString,
        list: &List,
        skip: usize,
        attachments: Attachments,
    ) -> Result<Args, DecodeError> {
        let slice = |range| Data::Json(text.slice_ref(text.get(range).unwrap_or_default()));
        Args::from_list(slice, JSON_SEPARATOR, list, skip, attachments)
    }

    /// The elements of a list that was scanned in `bytes`, the first `skip` (at most one) left out.
    pub(super) fn from_msgpack_list(bytes: &Bytes, list: &List, skip: usize) -> Result<Args, DecodeError> {
        let slice = |range| Data::MsgPack(bytes.slice_ref(bytes.get(range).unwrap_or_default()));
        Args::from_list(slice, 0, list, skip, Attachments::default())
    }

    fn from_list(
        slice: impl FnOnce(Range<usize>) -> Data,
        separator: usize,
        list: &List,
        skip: usize,
        attachments: Attachments,
    ) -> Result<Args, DecodeError> {
        let too_large = |_| DecodeError::TooLarge { limit: u32::MAX as usize };
        let (start, located) = match (skip, list.ends()) {
            (1, [first, rest @ ..]) => (first + separator, rest),
            (_, all) => (list.start, all),
        };
        let count = list.count.saturating_sub(skip);
        if count == 0 {
            return Ok(Args { data: slice(list.end..list.end), attachments, ..Args::default() });
        }
        u32::try_from(list.end).map_err(too_large)?;
        let mut ends = [0; LOCATED];
        for (slot, end) in ends.iter_mut().zip(located) {
            *slot = u32::try_from(end.saturating_sub(start)).map_err(too_large)?;
        }
        let count = u32::try_from(count).map_err(too_large)?;
        Ok(Args { data: slice(start..list.end), count, ends, attachments })
    }

    /// One value, which is checked here, as a list of one argument.
    pub(super) fn from_payload(json: &str) -> Result<Args, EncodeError> {
        let text = json.as_bytes();
        scan::scan_value(text, 0, MAX_DEPTH - 1, &mut scan::Ignore)
            .and_then(|end| scan::end_of_text(text, end))
            .map_err(|error| match error {
                scan::ScanError::TooDeep => EncodeError::TooDeep,
                _ => EncodeError::Data("payload is not JSON".to_owned()),
            })?;
        Args::from_values(Data::Json(json.into()), 1, Attachments::default())
    }

    /// `count` values that are known to be well-formed.
    pub(super) fn from_values(
        data: Data,
        count: usize,
        attachments: Attachments,
    ) -> Result<Args, EncodeError> {
        if count == 0 {
            return Ok(Args { data: data.slice(0..0), attachments, ..Args::default() });
        }
        u32::try_from(data.bytes().len()).map_err(|_| EncodeError::TooLarge)?;
        let count = u32::try_from(count).map_err(|_| EncodeError::TooLarge)?;
        let mut args = Args { data, count, ends: [0; LOCATED], attachments };
        let mut start = 0;
        for index in 0..LOCATED.min(args.len()) {
            let last = index + 1 == count as usize;
            let end = if last { args.data.bytes().len() } else { args.data.value_end(start) };
            if let Some(slot) = args.ends.get_mut(index) {
                *slot = u32::try_from(end).map_err(|_| EncodeError::TooLarge)?;
            }
            start = end + args.data.separator();
        }
        Ok(args)
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the arguments and their attachments take, for bounds on what is queued.
    pub fn size(&self) -> usize {
        self.data.bytes().len() + self.attachments.size()
    }

    /// The attachments that placeholders in the JSON text refer to. Empty for arguments in msgpack, whose binary is inside;
    /// [`Args::binaries`] gives it for both.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// All binary in the arguments, in order: the attachments, or with msgpack what is inside. No binary is copied.
    pub fn binaries(&self) -> Vec<Bytes> {
        match &self.data {
            Data::Json(_) => self.attachments.to_vec(),
            Data::MsgPack(bytes) => msgpack::scan::binaries(bytes),
        }
    }

    /// The parser in whose representation the arguments are.
    pub fn parser(&self) -> Parser {
        match self.data {
            Data::Json(_) => Parser::Json,
            Data::MsgPack(_) => Parser::MsgPack,
        }
    }

    /// The argument at `index` as a list of its own, with the attachments that it refers to.
    pub fn get(&self, index: usize) -> Option<Args> {
        let range = self.ranges().nth(index)?;
        Some(self.part(range, 1))
    }

    /// Everything behind the first `n` arguments, with the attachments that it refers to.
    pub fn skip(&self, n: usize) -> Args {
        if n == 0 {
            return self.clone();
        }
        let end = self.data.bytes().len();
        match self.ranges().nth(n) {
            Some(range) => self.part(range.start..end, self.len() - n),
            None => Args { data: self.data.slice(end..end), ..Args::default() },
        }
    }

    /// These arguments, followed by the others.
    pub fn concat(&self, other: &Args) -> Result<Args, EncodeError> {
        if other.is_empty() {
            return Ok(self.clone());
        }
        if self.is_empty() {
            return Ok(other.clone());
        }
        let other = other.to_parser(self.parser())?;
        let count = self.len() + other.len();
        let (left, right) = match (&self.data, &other.data) {
            (Data::Json(left), Data::Json(right)) => (left, right),
            (left, right) => {
                let data = [left.bytes(), right.bytes()].concat();
                return Args::from_values(Data::MsgPack(data.into()), count, Attachments::default());
            }
        };
        let mut text = String::with_capacity(left.len() + right.len() + 1);
        text.push_str(left);
        text.push(',');
        let mut attachments = self.attachments.to_vec();
        if other.attachments.is_empty() {
            text.push_str(right);
        } else {
            let (renumbered, more) =
                renumber(right, &other.placeholders()?, &other.attachments, attachments.len());
            text.push_str(&renumbered);
            attachments.extend(more);
        }
        let args = Args::from_values(Data::Json(text.into()), count, attachments.into())?;
        args.check_placeholders()?;
        Ok(args)
    }

    /// A copy that does not keep the message in memory that the arguments came in, for data that is kept for long.
    pub fn detached(&self) -> Args {
        let data = match &self.data {
            Data::Json(text) => Data::Json(ByteString::from(&**text)),
            Data::MsgPack(bytes) => Data::MsgPack(Bytes::copy_from_slice(bytes)),
        };
        let attachments: Vec<_> = self.attachments.iter().map(|data| Bytes::copy_from_slice(data)).collect();
        Args { data, attachments: attachments.into(), ..*self }
    }

    /// The text of the JSON array of the arguments, and the attachments that its placeholders refer to.
    pub fn to_json(&self) -> Result<(ByteString, Attachments), EncodeError> {
        let args = self.to_parser(Parser::Json)?;
        let values = match &args.data {
            Data::Json(values) => values.as_ref(),
            Data::MsgPack(_) => "",
        };
        Ok((format!("[{values}]").into(), args.attachments))
    }

    /// The arguments in the representation of a parser: a cheap clone if they are in it already.
    pub fn to_parser(&self, parser: Parser) -> Result<Args, EncodeError> {
        if self.parser() == parser {
            return Ok(self.clone());
        }
        match &self.data {
            Data::Json(text) => msgpack::from_json::transcode(text, self),
            Data::MsgPack(bytes) => msgpack::to_json::transcode(bytes, self),
        }
    }

    /// Refuses arguments whose text refers to attachments that they do not have. To be called where text from elsewhere was
    /// joined with attachments; without attachments there is no placeholder, only data.
    pub(super) fn check_placeholders(&self) -> Result<(), EncodeError> {
        if !self.attachments.is_empty() {
            self.placeholders()?;
        }
        Ok(())
    }

    fn placeholders(&self) -> Result<Vec<Placeholder>, EncodeError> {
        let mut finder = Finder::new(self.attachments.len());
        for range in self.ranges() {
            scan::scan_value(self.data.bytes(), range.start, MAX_DEPTH - 1, &mut finder)
                .map_err(|_| EncodeError::ForgedPlaceholder)?;
        }
        Ok(finder.finish())
    }

    /// Where each argument is in the data.
    pub(super) fn ranges(&self) -> Ranges<'_> {
        Ranges { args: self, index: 0, start: 0 }
    }

    /// `count` arguments that are at `range`.
    fn part(&self, range: Range<usize>, count: usize) -> Args {
        let plain = Args::from_values(self.data.slice(range), count, self.attachments.clone());
        // A part is not larger than the whole, so neither call can fail.
        plain.and_then(Args::without_unused_attachments).unwrap_or_default()
    }

    /// Leaves out the attachments that nothing refers to.
    fn without_unused_attachments(self) -> Result<Args, EncodeError> {
        let Data::Json(text) = &self.data else { return Ok(self) };
        if self.attachments.is_empty() {
            return Ok(self);
        }
        let (text, attachments) = renumber(text, &self.placeholders()?, &self.attachments, 0);
        Args::from_values(Data::Json(text.into()), self.len(), attachments.into())
    }
}

impl PartialEq for Args {
    /// Byte by byte; the same data in another representation, or spelled differently, is not equal.
    fn eq(&self, other: &Self) -> bool {
        let same_data = self.data == other.data || (self.is_empty() && other.is_empty());
        same_data && self.attachments == other.attachments
    }
}

impl fmt::Debug for Args {
    /// Without the data, which does not belong into logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Args")
            .field("parser", &self.parser())
            .field("len", &self.len())
            .field("bytes", &self.data.bytes().len())
            .field("attachments", &self.attachments.len())
            .finish()
    }
}

/// Iterates over the places of the arguments, from the first on.
pub(super) struct Ranges<'a> {
    args: &'a Args,
    index: usize,
    start: usize,
}

impl Iterator for Ranges<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.index == self.args.len() {
            return None;
        }
        let end = match self.args.ends.get(self.index) {
            Some(end) => *end as usize,
            None => self.args.data.value_end(self.start),
        };
        let range = self.start..end;
        self.index += 1;
        self.start = end + self.args.data.separator();
        Some(range)
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;

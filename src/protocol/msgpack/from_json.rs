//! JSON text into msgpack: what a msgpack client gets of data that came, or was written, as JSON. Placeholders become binary.
//!
//! A container's length comes before its elements, so the text is gone through twice: to count, then to write. Iterative.

use bytes::Bytes;
use bytestring::ByteString;

use super::super::data::Data;
use super::super::json::placeholder::{Finder, Placeholder};
use super::super::json::scan::{self, Scalar, ScanError, Sink};
use super::super::{Args, Attachments, EncodeError, MAX_DEPTH};
use super::put;

/// The arguments `args`, whose text is `text`, as msgpack.
pub(crate) fn transcode(text: &ByteString, args: &Args) -> Result<Args, EncodeError> {
    let mut out = Vec::with_capacity(args.size());
    for range in args.ranges() {
        write_value(text.get(range).unwrap_or_default(), &args.attachments, MAX_DEPTH - 1, &mut out)?;
    }
    Args::from_values(Data::MsgPack(out.into()), args.len(), Attachments::default())
}

/// Appends one JSON value. Its placeholders name `attachments`; where there are none, what looks like one is data.
pub(crate) fn write_value(
    json: &str,
    attachments: &[Bytes],
    max_depth: u8,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let text = json.as_bytes();
    let mut placeholders = Vec::new();
    if !attachments.is_empty() {
        let mut finder = Finder::new(attachments.len());
        scan(text, max_depth, &mut finder)?;
        placeholders = finder.finish();
    }
    let mut counter = Counter::default();
    scan(text, max_depth, &mut counter)?;
    let mut writer =
        Writer { out, attachments, placeholders: &placeholders, lengths: &counter.lengths, skip_to: 0 };
    scan(text, max_depth, &mut writer)
}

fn scan<S: Sink>(text: &[u8], max_depth: u8, sink: &mut S) -> Result<(), EncodeError> {
    scan::scan_value(text, 0, max_depth, sink).and_then(|end| scan::end_of_text(text, end)).map_err(|error| {
        match error {
            ScanError::TooDeep => EncodeError::TooDeep,
            ScanError::Placeholder => EncodeError::ForgedPlaceholder,
            ScanError::Syntax(_) => EncodeError::Data("raw value is not JSON".to_owned()),
        }
    })
}

/// Counts what is in each array and object, in the order in which they begin.
#[derive(Default)]
struct Counter {
    lengths: Vec<u32>,
    /// Those that are open, outermost first: their place in `lengths`, and whether it is an object, whose keys are counted.
    open: Vec<(usize, bool)>,
}

impl Counter {
    fn count(&mut self, is_key: bool) {
        if let Some((index, object)) = self.open.last()
            && *object == is_key
            && let Some(length) = self.lengths.get_mut(*index)
        {
            *length = length.saturating_add(1);
        }
    }
}

impl Sink for Counter {
    fn open(&mut self, object: bool, _position: usize) -> Result<(), ScanError> {
        self.count(false);
        self.open.push((self.lengths.len(), object));
        self.lengths.push(0);
        Ok(())
    }

    fn key(&mut self, _text: &[u8], _start: usize, _end: usize) -> Result<(), ScanError> {
        self.count(true);
        Ok(())
    }

    fn scalar(&mut self, _kind: Scalar, _text: &[u8], _start: usize, _end: usize) -> Result<(), ScanError> {
        self.count(false);
        Ok(())
    }

    fn close(&mut self, _text: &[u8], _end: usize) -> Result<(), ScanError> {
        self.open.pop();
        Ok(())
    }
}

/// Writes what the scan reports.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    attachments: &'a [Bytes],
    /// Those still to come.
    placeholders: &'a [Placeholder],
    /// The lengths of the arrays and objects still to come.
    lengths: &'a [u32],
    /// Up to here everything belongs to a placeholder.
    skip_to: usize,
}

impl Sink for Writer<'_> {
    fn open(&mut self, object: bool, position: usize) -> Result<(), ScanError> {
        let (length, rest) = self.lengths.split_first().unwrap_or((&0, &[]));
        self.lengths = rest;
        if position < self.skip_to {
            return Ok(());
        }
        if let Some((placeholder, rest)) = self.placeholders.split_first()
            && placeholder.object.start == position
        {
            self.placeholders = rest;
            self.skip_to = placeholder.object.end;
            put::binary(self.attachments.get(placeholder.number).map_or(&[][..], |data| data), self.out);
            return Ok(());
        }
        let length = *length as usize;
        if object {
            put::map(length, self.out)
        } else {
            put::array(length, self.out)
        }
        Ok(())
    }

    fn key(&mut self, text: &[u8], start: usize, end: usize) -> Result<(), ScanError> {
        self.scalar(Scalar::String, text, start, end)
    }

    fn scalar(&mut self, kind: Scalar, text: &[u8], start: usize, end: usize) -> Result<(), ScanError> {
        if start < self.skip_to {
            return Ok(());
        }
        let token = text.get(start..end).unwrap_or_default();
        match kind {
            Scalar::Null => put::nil(self.out),
            Scalar::True => put::bool(true, self.out),
            Scalar::False => put::bool(false, self.out),
            Scalar::Number => number(token, self.out),
            Scalar::String => string(token, self.out),
        }
        Ok(())
    }
}

/// Integers stay integers as long as they fit in 64 bits; everything else is what JavaScript would read.
fn number(token: &[u8], out: &mut Vec<u8>) {
    let digits = std::str::from_utf8(token).unwrap_or("0");
    if let Ok(number) = digits.parse() {
        put::unsigned(number, out);
    } else if let Ok(number @ ..0) = digits.parse() {
        put::signed(number, out);
    } else {
        put::float64(digits.parse().unwrap_or(f64::NAN), out);
    }
}

/// A string with its quotes. Half a surrogate pair, which JSON can spell and UTF-8 cannot, is replaced.
fn string(token: &[u8], out: &mut Vec<u8>) {
    let plain = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    match std::str::from_utf8(plain) {
        Ok(plain) if !plain.contains('\\') => put::string(plain, out),
        _ => {
            let unescaped: Bytes = serde_json::from_slice(token).unwrap_or_default();
            put::string(&String::from_utf8_lossy(&unescaped), out);
        }
    }
}

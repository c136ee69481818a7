//! msgpack into JSON text: what a JSON client, or a type that asks for raw JSON, gets of data that came as msgpack. Binary becomes
//! attachments. What JSON cannot say is written as `JSON.stringify` would: dates as text, `undefined` and NaN as null.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use smallvec::SmallVec;

use super::super::data::Data;
use super::super::{Args, EncodeError};
use super::extension::{Extension, iso_date};
use super::token::{Token, token};

/// The arguments `args`, whose msgpack is `bytes`, as JSON.
pub(crate) fn transcode(bytes: &Bytes, args: &Args) -> Result<Args, EncodeError> {
    let mut writer = Writer::new(0);
    let mut at = 0;
    for index in 0..args.len() {
        if index > 0 {
            writer.text.push(b',');
        }
        at = writer.value(bytes, at);
    }
    let (text, binaries) = writer.finish();
    let attachments: Vec<_> = binaries.into_iter().map(|data| bytes.slice_ref(data)).collect();
    let args = Args::from_values(Data::Json(text), args.len(), attachments.into())?;
    args.check_placeholders()?;
    Ok(args)
}

/// Writes values that were checked before.
pub(crate) struct Writer<'a> {
    text: Vec<u8>,
    /// What the placeholders stand for.
    binaries: Vec<&'a [u8]>,
    /// The number of the first placeholder.
    first: usize,
}

/// An array or map that is open.
struct Open {
    /// Elements, or keys and values, still to come.
    left: u64,
    is_map: bool,
    is_empty: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(first: usize) -> Self {
        Writer { text: Vec::new(), binaries: Vec::new(), first }
    }

    /// The text, and what its placeholders stand for.
    pub(crate) fn finish(self) -> (ByteString, Vec<&'a [u8]>) {
        // Everything written is UTF-8: JSON of `serde_json`, and punctuation.
        (ByteString::try_from(self.text).unwrap_or_default(), self.binaries)
    }

    /// Writes the value at `at`, and returns the position behind it. Iterative; its depth was bounded when it was checked.
    pub(crate) fn value(&mut self, bytes: &'a [u8], at: usize) -> usize {
        let mut open = SmallVec::<[Open; 8]>::new();
        let mut at = at;
        loop {
            let Some((token, next)) = token(bytes, at) else { return bytes.len() };
            at = next;
            let is_key = open.last_mut().is_some_and(|container| self.separate(container));
            match token {
                Token::Array(length) => {
                    self.text.push(b'[');
                    open.push(Open { left: length.into(), is_map: false, is_empty: true });
                }
                Token::Map(length) => {
                    self.text.push(b'{');
                    open.push(Open { left: 2 * u64::from(length), is_map: true, is_empty: true });
                }
                token if is_key => self.json(&key_text(token)),
                token => self.scalar(token),
            }
            while let Some(Open { left: 0, is_map, .. }) = open.last() {
                self.text.push(if *is_map { b'}' } else { b']' });
                open.pop();
            }
            if open.is_empty() {
                return at;
            }
        }
    }

    /// What comes before the next value of a container; tells whether it is a key.
    fn separate(&mut self, container: &mut Open) -> bool {
        let is_key = container.is_map && container.left.is_multiple_of(2);
        if container.is_map && !is_key {
            self.text.push(b':');
        } else if !container.is_empty {
            self.text.push(b',');
        }
        container.is_empty = false;
        container.left -= 1;
        is_key
    }

    fn scalar(&mut self, token: Token<'a>) {
        match token {
            Token::Bool(value) => self.json(&value),
            Token::Unsigned(value) => self.json(&value),
            Token::Signed(value) => self.json(&value),
            Token::Float32(value) => self.json(&f64::from(value)),
            Token::Float64(value) => self.json(&value),
            Token::Str(text) => self.json(&String::from_utf8_lossy(text)),
            Token::Bin(data) => self.binary(data),
            Token::Ext { kind, data, fixed } => match Extension::new(kind, data, fixed) {
                Extension::Undefined => self.json(&()),
                Extension::Date(milliseconds) => self.json(&iso_date(milliseconds)),
                Extension::Binary(data) => self.binary(data),
                Extension::Unknown(kind, data) => {
                    self.text.push(b'[');
                    self.json(&kind);
                    self.text.push(b',');
                    self.binary(data);
                    self.text.push(b']');
                }
            },
            Token::Nil | Token::Array(_) | Token::Map(_) => self.json(&()),
        }
    }

    fn binary(&mut self, data: &'a [u8]) {
        self.text.extend_from_slice(br#"{"_placeholder":true,"num":"#);
        self.json(&(self.first + self.binaries.len()));
        self.text.push(b'}');
        self.binaries.push(data);
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Neither a Vec nor these values can fail.
        let _ = serde_json::to_writer(&mut self.text, value);
    }
}

/// The key that JavaScript makes of a scalar.
pub(crate) fn key_text(token: Token<'_>) -> std::borrow::Cow<'_, str> {
    match token {
        Token::Str(text) => String::from_utf8_lossy(text),
        Token::Bool(value) => value.to_string().into(),
        Token::Unsigned(value) => value.to_string().into(),
        Token::Signed(value) => value.to_string().into(),
        Token::Float32(value) => f64::from(value).to_string().into(),
        Token::Float64(value) => value.to_string().into(),
        _ => "null".into(),
    }
}

#[cfg(test)]
#[path = "transcode_tests.rs"]
mod tests;

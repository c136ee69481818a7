//! Deserializes msgpack that was checked before, so that a handler gets the same as from the JSON parser: dates are text, keys of
//! maps may be numbers in text, enums are as `serde_json` reads them, `RawValue` is the data as JSON.
//!
//! Binary goes to types that ask for bytes; for those that take anything (`serde_json::Value`) it is an error.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::super::error::BINARY_IS_READ_BY;
use super::super::json::RAW_VALUE;
use super::extension::{Extension, NOTEPACK, iso_date};
use super::piece::{KeyDeserializer, Piece};
use super::scan;
use super::to_json::{self, key_text};
use super::token::{Token, token};

/// What a missing argument is.
const NIL: &[u8] = &[0xc0];

/// Why data is not of the type asked for.
#[derive(Debug)]
pub(crate) struct ReadError(String);

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

impl Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        ReadError(message.to_string())
    }
}

/// Reads one value after the other.
pub(crate) struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    /// How much binary there is up to some position, to number placeholders with.
    counted: (usize, usize),
}

impl<'de> Reader<'de> {
    /// Reads the value at `start`; nil if there is none.
    pub(crate) fn new(bytes: &'de [u8], start: Option<usize>) -> Self {
        match start {
            Some(at) => Reader { bytes, at, counted: (0, 0) },
            None => Reader { bytes: NIL, at: 0, counted: (0, 0) },
        }
    }

    /// The next token, without taking it.
    fn peek(&self) -> Result<(Token<'de>, usize), ReadError> {
        token(self.bytes, self.at).ok_or_else(|| ReadError("unexpected end of data".to_owned()))
    }

    fn take(&mut self) -> Result<Token<'de>, ReadError> {
        let (token, next) = self.peek()?;
        self.at = next;
        Ok(token)
    }

    fn is_null(&self) -> Result<bool, ReadError> {
        Ok(match self.peek()?.0 {
            Token::Nil => true,
            Token::Ext { kind, data, fixed } => Extension::new(kind, data, fixed) == Extension::Undefined,
            _ => false,
        })
    }

    /// How much binary there is before the current position.
    fn count_binaries(&mut self) -> usize {
        let (position, count) = self.counted;
        let added = scan::count_binaries(self.bytes.get(position..self.at).unwrap_or_default());
        self.counted = (self.at, count + added);
        count + added
    }

    fn visit_extension<V: Visitor<'de>>(
        &mut self,
        extension: Extension<'de>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match extension {
            Extension::Undefined => visitor.visit_unit(),
            Extension::Date(milliseconds) => match iso_date(milliseconds) {
                Some(text) => visitor.visit_string(text),
                None => visitor.visit_unit(),
            },
            Extension::Binary(_) => Err(ReadError::custom(BINARY_IS_READ_BY)),
            Extension::Unknown(kind, data) => {
                let pieces = [Piece::Kind(kind), Piece::Binary(data)];
                visitor.visit_seq(SeqDeserializer::new(pieces.into_iter()))
            }
        }
    }

    /// Lets a visitor take the elements of an array or map, all of them.
    fn visit_elements<V: Visitor<'de>>(
        &mut self,
        left: u32,
        is_map: bool,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let mut elements = Elements { reader: self, left };
        let value =
            if is_map { visitor.visit_map(&mut elements)? } else { visitor.visit_seq(&mut elements)? };
        match elements.left {
            0 => Ok(value),
            _ => Err(ReadError::custom("more elements than expected")),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.take()? {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Signed(value) => visitor.visit_i64(value),
            Token::Float32(value) => visitor.visit_f32(value),
            Token::Float64(value) => visitor.visit_f64(value),
            Token::Str(text) => match std::str::from_utf8(text) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => Err(ReadError::invalid_value(Unexpected::Bytes(text), &visitor)),
            },
            Token::Bin(_) => Err(ReadError::custom(BINARY_IS_READ_BY)),
            Token::Ext { kind, data, fixed } => {
                self.visit_extension(Extension::new(kind, data, fixed), visitor)
            }
            Token::Array(length) => self.visit_elements(length, false, visitor),
            Token::Map(length) => self.visit_elements(length, true, visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (token, next) = self.peek()?;
        let data = match token {
            Token::Bin(data) | Token::Ext { kind: NOTEPACK, data, fixed: false } => data,
            _ => return self.deserialize_any(visitor),
        };
        self.at = next;
        visitor.visit_borrowed_bytes(data)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.is_null()? {
            self.take()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name != RAW_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        let mut json = to_json::Writer::new(self.count_binaries());
        self.at = json.value(self.bytes, self.at);
        let (text, _) = json.finish();
        visitor.visit_map(MapDeserializer::new(std::iter::once((RAW_VALUE, String::from(&*text)))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.peek()?.0 {
            Token::Map(1) => {
                self.take()?;
                visitor.visit_enum(Variant(self))
            }
            Token::Str(text) => {
                self.take()?;
                visitor.visit_enum(String::from_utf8_lossy(text).into_deserializer())
            }
            _ => Err(ReadError::custom("expected a string or a map of one entry")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.at = scan::value_end(self.bytes, self.at);
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}

/// What is left of an array or map.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    /// Elements, or pairs of key and value.
    left: u32,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    /// True, as the length was checked: no more elements than bytes.
    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(KeyDeserializer(key_text(self.reader.take()?))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// An enum's variant that has data: the key and the value of a map of one entry.
struct Variant<'a, 'de>(&'a mut Reader<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let variant = seed.deserialize(KeyDeserializer(key_text(self.0.take()?)))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.0.deserialize_map(visitor)
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;

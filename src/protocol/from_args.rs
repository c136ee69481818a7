//! Arguments into the types of handlers, by serde.
//!
//! A type that asks for a tuple (or tuple struct) takes the whole list, `()` takes nothing, anything else takes the first
//! argument. Knows nothing of packets.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::ArgsError;
use super::args::{Args, Ranges};
use super::data::Data;
use super::error::BINARY_IS_READ_BY;
use super::json::read::{Reading, WithAttachments};
use super::msgpack::read::Reader;

/// What arguments can be read into: [`Args`] itself, and everything that is `Deserialize`.
///
/// | asked for | is read from |
/// |---|---|
/// | a tuple, a tuple struct, an array `[T; N]` | all arguments, one for each element; additional ones are ignored |
/// | `()` | nothing |
/// | anything else (`String`, `Vec<T>`, a struct, a newtype, `Option<T>`, ...) | the first argument |
///
/// An argument that is not there reads as `null`: an `Option` is `None`, for other types it is an
/// [`ArgsError::Missing`].
///
/// Binary goes into types that ask serde for bytes (`bytes::Bytes`, `serde_bytes::ByteBuf`). What takes anything but bytes
/// (`serde_json::Value`) cannot read it, which is an [`ArgsError::Invalid`]; nor can what serde keeps for later, the fields of
/// `#[serde(flatten)]` and of enums that are untagged or tagged within, whether they are used then or not.
pub trait FromArgs: Sized {
    /// Reads the arguments.
    fn from_args(args: &Args) -> Result<Self, ArgsError>;
}

impl FromArgs for Args {
    fn from_args(args: &Args) -> Result<Self, ArgsError> {
        Ok(args.clone())
    }
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(args: &Args) -> Result<Self, ArgsError> {
        args.deserialize()
    }
}

impl Args {
    /// Reads the arguments into a type, see [`FromArgs`] for what goes where.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        T::deserialize(ArgsDeserializer(self))
    }
}

/// Gives the concrete deserializer of the argument that starts at `$range` (`None`: a missing one, which is null) to `$use`.
macro_rules! with_deserializer {
    ($args:expr, $range:expr, $index:expr, $deserializer:ident => $use:expr) => {{
        let (args, range, index): (&Args, Option<std::ops::Range<usize>>, usize) = ($args, $range, $index);
        let invalid = |source: &dyn std::fmt::Display| match range {
            Some(_) => ArgsError::invalid(index, source),
            None => ArgsError::Missing { index },
        };
        match &args.data {
            Data::Json(text) => {
                let text = range.clone().map_or("null", |range| text.get(range).unwrap_or_default());
                let mut json = serde_json::Deserializer::from_str(text);
                if args.attachments.is_empty() {
                    let $deserializer = &mut json;
                    $use.map_err(|error| invalid(&error))
                } else {
                    let reading = Reading::new(&args.attachments);
                    let $deserializer = WithAttachments::new(&mut json, &reading);
                    $use.map_err(|error| invalid(&with_hint(&error)))
                }
            }
            Data::MsgPack(bytes) => {
                let mut msgpack = Reader::new(bytes, range.as_ref().map(|range| range.start));
                let $deserializer = &mut msgpack;
                $use.map_err(|error| invalid(&error))
            }
        }
    }};
}

/// Whoever asks for something else than an object may have got a placeholder.
fn with_hint(error: &serde_json::Error) -> String {
    let error = error.to_string();
    let hint = if error.starts_with("invalid type: map") { BINARY_IS_READ_BY } else { "" };
    if hint.is_empty() { error } else { format!("{error} ({hint})") }
}

/// The whole list, as serde sees it.
struct ArgsDeserializer<'a>(&'a Args);

/// Methods that read the first argument.
macro_rules! read_first {
    ($($method:ident($($argument:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, ArgsError> {
            with_deserializer!(self.0, self.0.ranges().next(), 0, de => de.$method($($argument,)* visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for ArgsDeserializer<'de> {
    type Error = ArgsError;

    read_first! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_seq()
        deserialize_newtype_struct(name: &'static str)
        deserialize_map() deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ArgsError> {
        visitor.visit_seq(EachArgument { args: self.0, ranges: self.0.ranges(), index: 0, wanted: len })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ArgsError> {
        self.deserialize_tuple(len, visitor)
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// One argument after the other, and null for those that are wanted but not there.
struct EachArgument<'a> {
    args: &'a Args,
    ranges: Ranges<'a>,
    index: usize,
    wanted: usize,
}

impl<'de> SeqAccess<'de> for EachArgument<'de> {
    type Error = ArgsError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ArgsError> {
        let range = self.ranges.next();
        let index = self.index;
        if range.is_none() && index >= self.wanted {
            return Ok(None);
        }
        self.index += 1;
        with_deserializer!(self.args, range, index, de => seed.deserialize(de)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.wanted.max(self.args.len()).saturating_sub(self.index))
    }
}

#[cfg(test)]
#[path = "from_args_tests.rs"]
mod tests;

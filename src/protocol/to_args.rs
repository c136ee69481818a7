//! What users send into arguments, by serde.
//!
//! A tuple (or tuple struct) becomes one argument per element, `()` none, anything else one. Knows nothing of packets.

use std::cell::Cell;

use bytestring::ByteString;
use serde::Serialize;
use serde::ser::{Error, SerializeTuple, SerializeTupleStruct, Serializer};

use super::args::Args;
use super::data::Data;
use super::json::write as json;
use super::msgpack::write as msgpack;
use super::{Attachments, EncodeError, Parser};

/// Room for the text of a small event; larger ones grow.
const INITIAL_CAPACITY: usize = 128;

/// What can be sent as arguments: [`Args`] itself, and everything that is `Serialize`.
///
/// | sent | arguments |
/// |---|---|
/// | a tuple, a tuple struct, an array `[T; N]` | its elements |
/// | `()`, a unit struct | none |
/// | anything else (`&str`, `Vec<T>`, a slice, a struct, a newtype, `Option<T>`, ...) | the value |
///
/// What serializes as bytes (`bytes::Bytes`, `serde_bytes`) is sent as binary, wherever it is in the data. `serde_json`'s
/// `RawValue` and `Value` work with either parser.
pub trait ToArgs {
    /// The arguments in the representation of the parser.
    fn to_args(&self, parser: Parser) -> Result<Args, EncodeError>;
}

impl ToArgs for Args {
    fn to_args(&self, parser: Parser) -> Result<Args, EncodeError> {
        self.to_parser(parser)
    }
}

impl<T: Serialize + ?Sized> ToArgs for T {
    fn to_args(&self, parser: Parser) -> Result<Args, EncodeError> {
        match parser {
            Parser::Json => to_json(self),
            Parser::MsgPack => to_msgpack(self),
        }
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Args, EncodeError> {
    let list = List::new(json::Output::with_capacity(INITIAL_CAPACITY));
    let mut whole = list.output.serializer();
    value
        .serialize(ListSerializer { whole: &mut whole, list: &list })
        .map_err(|error| list.output.error(&error))?;
    let count = list.count();
    let (text, attachments) = list.output.into_parts();
    let text = ByteString::try_from(text).map_err(EncodeError::custom)?;
    let args = Args::from_values(Data::Json(text), count, attachments.into())?;
    args.check_placeholders()?;
    Ok(args)
}

fn to_msgpack<T: Serialize + ?Sized>(value: &T) -> Result<Args, EncodeError> {
    let list = List::new(msgpack::Output::with_capacity(INITIAL_CAPACITY));
    value.serialize(ListSerializer { whole: list.output.serializer(), list: &list })?;
    let count = list.count();
    Args::from_values(Data::MsgPack(list.output.into_bytes().into()), count, Attachments::default())
}

/// Where the elements of a list are written.
trait Elements {
    type Error: Error;

    /// Writes an element behind those that are there, `first` if there is none.
    fn push<T: Serialize + ?Sized>(&self, value: &T, first: bool) -> Result<(), Self::Error>;
}

impl Elements for json::Output {
    type Error = serde_json::Error;

    fn push<T: Serialize + ?Sized>(&self, value: &T, first: bool) -> Result<(), serde_json::Error> {
        if !first {
            self.push_comma();
        }
        self.push_value(value)
    }
}

impl Elements for msgpack::Output {
    type Error = EncodeError;

    fn push<T: Serialize + ?Sized>(&self, value: &T, _first: bool) -> Result<(), EncodeError> {
        value.serialize(self.serializer())
    }
}

/// The list that is being written.
struct List<O> {
    output: O,
    /// The elements of a tuple so far; `None` as long as it is not known to be one.
    spread: Cell<Option<usize>>,
}

impl<O: Elements> List<O> {
    fn new(output: O) -> Self {
        List { output, spread: Cell::new(None) }
    }

    /// How many arguments were written, once all is.
    fn count(&self) -> usize {
        self.spread.get().unwrap_or(1)
    }

    fn push<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), O::Error> {
        let count = self.spread.get().unwrap_or(0);
        self.output.push(value, count == 0)?;
        self.spread.set(Some(count + 1));
        Ok(())
    }
}

/// Serializes the data as a whole: hands the elements of a tuple to the list, everything else to the serializer of a value.
struct ListSerializer<'a, S, O> {
    whole: S,
    list: &'a List<O>,
}

/// Methods of data that is one argument.
macro_rules! one_argument {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $($argument: $kind),*) -> Result<$result, S::Error> {
            self.whole.$method($($argument),*)
        }
    )*};
}

impl<'a, S, O> Serializer for ListSerializer<'a, S, O>
where
    S: Serializer<Ok = ()>,
    O: Elements<Error = S::Error>,
{
    type Ok = ();
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = Spread<'a, O>;
    type SerializeTupleStruct = Spread<'a, O>;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    one_argument! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> ();
        serialize_i16(value: i16) -> ();
        serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> ();
        serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> ();
        serialize_u16(value: u16) -> ();
        serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> ();
        serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> S::SerializeSeq;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> S::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        self.whole.serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.whole.serialize_newtype_struct(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.whole.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        self.whole.collect_str(value)
    }

    fn serialize_unit(self) -> Result<(), S::Error> {
        self.list.spread.set(Some(0));
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), S::Error> {
        self.serialize_unit()
    }

    fn serialize_tuple(self, _: usize) -> Result<Spread<'a, O>, S::Error> {
        self.list.spread.set(Some(0));
        Ok(Spread(self.list))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Spread<'a, O>, S::Error> {
        self.serialize_tuple(len)
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// A tuple whose elements become arguments.
struct Spread<'a, O>(&'a List<O>);

impl<O: Elements> SerializeTuple for Spread<'_, O> {
    type Ok = ();
    type Error = O::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), O::Error> {
        self.0.push(value)
    }

    fn end(self) -> Result<(), O::Error> {
        Ok(())
    }
}

impl<O: Elements> SerializeTupleStruct for Spread<'_, O> {
    type Ok = ();
    type Error = O::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), O::Error> {
        self.0.push(value)
    }

    fn end(self) -> Result<(), O::Error> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "to_args_tests.rs"]
mod tests;

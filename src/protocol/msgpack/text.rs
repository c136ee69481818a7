//! Takes the text of what can be the key of a JSON object: strings, and scalars in their decimal form, as `serde_json` does.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use super::super::EncodeError;

/// Gives the text to a function; everything that has none is an error.
pub(crate) struct TextSerializer<F>(pub(crate) F);

/// What the error of `serde_json` says, too.
fn no_text<T>() -> Result<T, EncodeError> {
    Err(EncodeError::Data("key must be a string".to_owned()))
}

macro_rules! decimals {
    ($($method:ident($kind:ty))*) => {$(
        fn $method(self, value: $kind) -> Result<(), EncodeError> {
            self.collect_str(&value)
        }
    )*};
}

macro_rules! without_text {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, EncodeError> {
            no_text()
        }
    )*};
}

type No = Impossible<(), EncodeError>;

impl<F: FnOnce(&str) -> Result<(), EncodeError>> Serializer for TextSerializer<F> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    decimals! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
    }

    without_text! {
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct(&'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_str(self, text: &str) -> Result<(), EncodeError> {
        (self.0)(text)
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        match serde_json::to_string(&value) {
            Ok(text) if value.is_finite() => self.serialize_str(&text),
            _ => Err(EncodeError::Data("float key must be finite (got NaN or +/-inf)".to_owned())),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        match serde_json::to_string(&value) {
            Ok(text) if value.is_finite() => self.serialize_str(&text),
            _ => Err(EncodeError::Data("float key must be finite (got NaN or +/-inf)".to_owned())),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), EncodeError> {
        no_text()
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.serialize_str(&value.to_string())
    }
}

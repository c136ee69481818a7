//! Serializes into msgpack, so that a client gets the same data as through the JSON parser: structs are maps, enums are as
//! `serde_json` writes them, keys are strings, a `RawValue` is what its text says. Bytes are written as binary.

use std::cell::RefCell;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::super::json::{RAW_NUMBER, RAW_VALUE};
use super::super::{EncodeError, MAX_DEPTH};
use super::text::TextSerializer;
use super::{from_json, put};

/// The most levels in one argument: the list that holds it is one more.
const ARGUMENT_DEPTH: u8 = MAX_DEPTH - 1;

/// What is being written.
pub(crate) struct Output(RefCell<Vec<u8>>);

impl Output {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Output(RefCell::new(Vec::with_capacity(capacity)))
    }

    /// A serializer of one more value behind what is there.
    pub(crate) fn serializer(&self) -> Serializer<'_> {
        Serializer { out: &self.0, depth: 0 }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner()
    }
}

/// Writes one value that is inside of `depth` others.
#[derive(Clone, Copy)]
pub(crate) struct Serializer<'a> {
    out: &'a RefCell<Vec<u8>>,
    depth: u8,
}

impl<'a> Serializer<'a> {
    fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out.borrow_mut());
    }

    /// A map of one entry, whose value is still to be written: how enums are written that have data.
    fn variant(self, variant: &'static str) -> Result<Self, EncodeError> {
        let inner = self.deeper()?;
        self.put(|out| {
            put::map(1, out);
            put::string(variant, out);
        });
        Ok(inner)
    }

    fn deeper(self) -> Result<Self, EncodeError> {
        if self.depth >= ARGUMENT_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        Ok(Serializer { out: self.out, depth: self.depth + 1 })
    }

    fn container(self, kind: Kind, length: Option<usize>) -> Result<Container<'a>, EncodeError> {
        let inner = self.deeper()?;
        let start = self.out.borrow().len();
        let header = kind.header(length.unwrap_or(0));
        self.put(|out| out.extend_from_slice(header.as_slice()));
        Ok(Container { inner, kind, start, header_length: header.as_slice().len(), count: 0 })
    }
}

/// Methods that write a token for a value.
macro_rules! scalars {
    ($($method:ident($kind:ty): $put:ident;)*) => {$(
        fn $method(self, value: $kind) -> Result<(), EncodeError> {
            self.put(|out| put::$put(value.into(), out));
            Ok(())
        }
    )*};
}

impl<'a> serde::Serializer for Serializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Container<'a>;
    type SerializeTuple = Container<'a>;
    type SerializeTupleStruct = Container<'a>;
    type SerializeTupleVariant = Container<'a>;
    type SerializeMap = Container<'a>;
    type SerializeStruct = StructWriter<'a>;
    type SerializeStructVariant = Container<'a>;

    scalars! {
        serialize_bool(bool): bool;
        serialize_i8(i8): signed;
        serialize_i16(i16): signed;
        serialize_i32(i32): signed;
        serialize_i64(i64): signed;
        serialize_u8(u8): unsigned;
        serialize_u16(u16): unsigned;
        serialize_u32(u32): unsigned;
        serialize_u64(u64): unsigned;
        serialize_f32(f32): float32;
        serialize_f64(f64): float64;
        serialize_str(&str): string;
        serialize_bytes(&[u8]): binary;
    }

    /// Beyond 64 bits there is only the floating-point number, which is what JavaScript would make of it anyway.
    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.serialize_u64(value),
            (_, Ok(value)) => self.serialize_i64(value),
            _ => self.serialize_f64(value as f64),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => self.serialize_f64(value as f64),
        }
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.put(put::nil);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
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
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Container<'a>, EncodeError> {
        self.container(Kind::Array, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Container<'a>, EncodeError> {
        self.container(Kind::Array, Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Container<'a>, EncodeError> {
        self.container(Kind::Array, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, EncodeError> {
        self.variant(variant)?.container(Kind::Array, Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Container<'a>, EncodeError> {
        self.container(Kind::Map, length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<StructWriter<'a>, EncodeError> {
        if name == RAW_VALUE || name == RAW_NUMBER {
            return Ok(StructWriter::RawValue(self));
        }
        self.container(Kind::Map, Some(length)).map(StructWriter::Map)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, EncodeError> {
        self.variant(variant)?.container(Kind::Map, Some(length))
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Array,
    Map,
}

impl Kind {
    fn header(self, length: usize) -> put::Header {
        match self {
            Kind::Array => put::container(0x90, 0xdc, length),
            Kind::Map => put::container(0x80, 0xde, length),
        }
    }
}

/// An array or map whose header is already there, for the length that was announced.
pub(crate) struct Container<'a> {
    /// For what is inside.
    inner: Serializer<'a>,
    kind: Kind,
    /// Where the header is.
    start: usize,
    header_length: usize,
    count: usize,
}

impl Container<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.count += 1;
        value.serialize(self.inner)
    }

    fn entry<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        self.inner.put(|out| put::string(key, out));
        self.element(value)
    }

    /// Corrects the header, if the length was unknown or not the truth.
    fn finish(self) -> Result<(), EncodeError> {
        let header = self.kind.header(self.count);
        let mut out = self.inner.out.borrow_mut();
        let announced = self.start..self.start + self.header_length;
        if out.get(announced.clone()) != Some(header.as_slice()) {
            out.splice(announced, header.as_slice().iter().copied());
        }
        Ok(())
    }
}

/// Implements the traits of containers whose elements are values without a key.
macro_rules! sequences {
    ($($name:ident: $method:ident;)*) => {$(
        impl $name for Container<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.element(value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )*};
}

sequences! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

impl SerializeMap for Container<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let inner = self.inner;
        key.serialize(TextSerializer(|key: &str| {
            inner.put(|out| put::string(key, out));
            Ok(())
        }))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.element(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

impl SerializeStructVariant for Container<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.entry(key, value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

/// A struct, or the one with which `serde_json` passes on text that is JSON already.
pub(crate) enum StructWriter<'a> {
    Map(Container<'a>),
    RawValue(Serializer<'a>),
}

impl SerializeStruct for StructWriter<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        match self {
            StructWriter::Map(container) => container.entry(key, value),
            StructWriter::RawValue(serializer) => {
                let max_depth = ARGUMENT_DEPTH - serializer.depth;
                value.serialize(TextSerializer(|json: &str| {
                    from_json::write_value(json, &[], max_depth, &mut serializer.out.borrow_mut())
                }))
            }
        }
    }

    fn end(self) -> Result<(), EncodeError> {
        match self {
            StructWriter::Map(container) => container.finish(),
            StructWriter::RawValue(_) => Ok(()),
        }
    }
}

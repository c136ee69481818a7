//! Deserializes JSON text that has placeholders: where a type asks for bytes and the text has a placeholder, it gets the
//! attachment. Everything else is as `serde_json` does it, but for one thing: a type that takes objects (`serde_json::Value`, a struct, a
//! map) would take the placeholder for one, and whoever sends that on would send an object. It is an error, as it is with msgpack.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::super::error::BINARY_IS_READ_BY;
use super::RAW_VALUE;

/// What is known of a text while it is read.
pub(crate) struct Reading<'a> {
    attachments: &'a [Bytes],
    at: Cell<At>,
}

/// Where in an object the reader is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// At a key.
    Key,
    /// At the value of `_placeholder`, which makes a placeholder of the object if it is true.
    Flag,
    Elsewhere,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(attachments: &'a [Bytes]) -> Self {
        Reading { attachments, at: Cell::new(At::Elsewhere) }
    }

    /// Notes the key that has been read, if it is one.
    fn read(&self, text: &str) {
        let is_flag = self.at.get() == At::Key && text == "_placeholder";
        self.at.set(if is_flag { At::Flag } else { At::Elsewhere });
    }

    fn is_elsewhere(&self) {
        self.at.set(At::Elsewhere);
    }
}

/// Something of serde (a deserializer, a visitor, an access) together with what is known of the text.
pub(crate) struct WithAttachments<'a, T> {
    inner: T,
    reading: &'a Reading<'a>,
}

impl<'a, T> WithAttachments<'a, T> {
    pub(crate) fn new(inner: T, reading: &'a Reading<'a>) -> Self {
        WithAttachments { inner, reading }
    }
}

/// Methods of [`Deserializer`] that only pass the attachments on to the visitor.
macro_rules! pass_on {
    ($($method:ident($($argument:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* WithAttachments::new(visitor, self.reading))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithAttachments<'_, D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_option() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map() deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.reading.at.get() == At::Flag {
            // Who ignores that it is one has taken it for an object.
            return self.inner.deserialize_any(WithAttachments::new(visitor, self.reading));
        }
        self.inner.deserialize_ignored_any(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(BytesVisitor(WithAttachments::new(visitor, self.reading)))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == RAW_VALUE {
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        self.inner.deserialize_newtype_struct(name, WithAttachments::new(visitor, self.reading))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Methods of [`Visitor`] that take a plain value, for a wrapper whose `$visitor` is the visitor proper.
macro_rules! visit_plain {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for WithAttachments<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    visit_plain! {
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64)
        visit_char(char)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        if value && self.reading.at.get() == At::Flag {
            return Err(E::custom(BINARY_IS_READ_BY));
        }
        self.inner.visit_bool(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.reading.read(value);
        self.inner.visit_str(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.reading.read(value);
        self.inner.visit_borrowed_str(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        self.reading.read(&value);
        self.inner.visit_string(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(WithAttachments::new(deserializer, self.reading))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(WithAttachments::new(deserializer, self.reading))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(WithAttachments::new(access, self.reading))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(WithAttachments::new(access, self.reading))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(WithAttachments::new(access, self.reading))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for WithAttachments<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(WithAttachments::new(deserializer, self.reading))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.reading.is_elsewhere();
        self.inner.next_element_seed(WithAttachments::new(seed, self.reading))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.reading.at.set(At::Key);
        self.inner.next_key_seed(WithAttachments::new(seed, self.reading))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(WithAttachments::new(seed, self.reading))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for WithAttachments<'a, A> {
    type Error = A::Error;
    type Variant = WithAttachments<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, WithAttachments::new(variant, self.reading)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(WithAttachments::new(seed, self.reading))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, WithAttachments::new(visitor, self.reading))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, WithAttachments::new(visitor, self.reading))
    }
}

/// Gives a visitor that asked for bytes the attachment that a placeholder names; what else may stand for bytes (a string, an
/// array of numbers) it gets as it is.
struct BytesVisitor<'a, V>(WithAttachments<'a, V>);

macro_rules! visit_instead_of_bytes {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for BytesVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.inner.expecting(formatter)
    }

    visit_instead_of_bytes! {
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.inner.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(access)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let mut flagged = false;
        let mut number = None;
        while let Some(key) = access.next_key::<String>()? {
            match key.as_str() {
                "_placeholder" => flagged = access.next_value()?,
                "num" => number = Some(access.next_value::<usize>()?),
                _ => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        match number.and_then(|number| self.0.reading.attachments.get(number)) {
            Some(attachment) if flagged => self.0.inner.visit_bytes(attachment),
            _ => Err(A::Error::custom("expected binary, found an object that is no placeholder")),
        }
    }
}

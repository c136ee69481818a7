//! The bytes of a list of values, in the representation of either parser: what [`Args`](super::Args) is made of. Knows where a
//! value ends, and nothing of what it says.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::json::scan;
use super::msgpack;

/// Bytes between two JSON values: the comma.
pub(super) const JSON_SEPARATOR: usize = 1;

/// Values one behind the other.
#[derive(Clone, PartialEq)]
pub(super) enum Data {
    /// JSON values with a comma between them, without the brackets.
    Json(ByteString),
    /// msgpack values, without the header of the array.
    MsgPack(Bytes),
}

impl Default for Data {
    fn default() -> Self {
        Data::Json(ByteString::new())
    }
}

impl Data {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Data::Json(text) => text.as_bytes(),
            Data::MsgPack(bytes) => bytes,
        }
    }

    /// A part of it; nothing if there is no such part.
    pub(super) fn slice(&self, range: Range<usize>) -> Data {
        match self {
            Data::Json(text) => Data::Json(text.slice_ref(text.get(range).unwrap_or_default())),
            Data::MsgPack(bytes) => Data::MsgPack(bytes.slice_ref(bytes.get(range).unwrap_or_default())),
        }
    }

    /// Bytes between two values.
    pub(super) fn separator(&self) -> usize {
        match self {
            Data::Json(_) => JSON_SEPARATOR,
            Data::MsgPack(_) => 0,
        }
    }

    /// The end of the value that starts at `start`.
    pub(super) fn value_end(&self, start: usize) -> usize {
        match self {
            Data::Json(text) => scan::element_end(text.as_bytes(), start),
            Data::MsgPack(bytes) => msgpack::scan::value_end(bytes, start),
        }
    }
}

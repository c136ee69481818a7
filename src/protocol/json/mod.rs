//! The JSON parser. One pass checks text ([`scan`]) and finds its placeholders ([`placeholder`]); serde goes in both directions
//! with binary taken out and put in ([`read`], [`mod@write`]); on top of them packets ([`packet_read`], [`packet_write`]).

pub(super) mod packet_read;
pub(super) mod packet_write;
pub(super) mod placeholder;
pub(super) mod read;
pub(super) mod scan;
pub(super) mod write;

/// The name under which `serde_json` passes a `RawValue` through serde; the msgpack side has to know it too.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// The same for its numbers, if some crate of the build turns its feature `arbitrary_precision` on.
pub(super) const RAW_NUMBER: &str = "$serde_json::private::Number";

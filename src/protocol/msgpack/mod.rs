//! The msgpack parser, as `socket.io-msgpack-parser` (notepack) writes and reads it. Single tokens ([`token`], [`put`]), what
//! notepack's extensions mean ([`extension`]), one pass that checks bytes ([`scan`]), serde in both directions ([`read`],
//! [`mod@write`]), arguments from and to JSON ([`from_json`], [`to_json`]); on top of them packets ([`packet_read`],
//! [`packet_write`]).

pub(super) mod extension;
pub(super) mod from_json;
pub(super) mod packet_read;
pub(super) mod packet_write;
mod piece;
pub(super) mod put;
pub(super) mod read;
pub(super) mod scan;
mod text;
pub(super) mod to_json;
pub(super) mod token;
pub(super) mod write;

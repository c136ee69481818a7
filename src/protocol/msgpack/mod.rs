//! The msgpack parser, as `socket.io-msgpack-parser` (notepack) writes and reads it. One pass checks the bytes ([`scan`]), on top
//! of single tokens ([`token`]); on top of them packets ([`packet_read`], [`packet_write`]).

pub(super) mod packet_read;
pub(super) mod packet_write;
pub(super) mod scan;
pub(super) mod token;

//! Reads the map of a packet: `type`, `nsp`, `id`, `data`, and what clients add (`options`).

use bytes::Bytes;

use super::super::{DecodeError, DecodeLimits, Packet, Revision};

pub(crate) fn decode(
    _data: &Bytes,
    _revision: Revision,
    _limits: &DecodeLimits,
) -> Result<Packet, DecodeError> {
    Err(DecodeError::InvalidMsgPack { position: 0 })
}

//! The base64 of Engine.IO's text transports: standard alphabet, padding optional on the way in.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes behind `text`; none if it is not base64.
pub(super) fn decode(text: &str) -> Option<Bytes> {
    ENGINE.decode(text).ok().map(Bytes::from)
}

/// Appends `bytes` as base64 to `out`.
pub(super) fn encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let Some(length) = base64::encoded_len(bytes.len(), true) else { return };
    out.resize(start + length, 0);
    // The slice is exactly as long as the encoding, so this cannot be short.
    let written = ENGINE.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

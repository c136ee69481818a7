//! Arguments from one representation into the other.

use super::{Args, EncodeError};

pub(super) fn transcode(_args: &Args) -> Result<Args, EncodeError> {
    Err(EncodeError::Data("msgpack is not supported yet".to_owned()))
}

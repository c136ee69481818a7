//! Checks msgpack without building anything from it: that it is complete, its strings UTF-8, its keys scalars, its depth.
//!
//! Iterative, so that no input can exhaust the stack. A declared length is only ever counted down, nothing is allocated for it.

use smallvec::SmallVec;

use super::super::{DecodeError, MAX_DEPTH};
use super::token::{Token, token};

/// Values still to come in the containers that are open, outermost first; whether it is a map.
type Open = SmallVec<[(u64, bool); 8]>;

/// Checks the value at `at` and returns the position behind it.
pub(crate) fn scan_value(bytes: &[u8], at: usize, max_depth: u8) -> Result<usize, DecodeError> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut open = Open::new();
    let mut at = at;
    loop {
        let invalid = DecodeError::InvalidMsgPack { position: at };
        let Some((token, next)) = token(bytes, at) else { return Err(invalid) };
        // Key and value alternate, so an even number is left before a key.
        let is_key = matches!(open.last(), Some((left, true)) if left % 2 == 0);
        let contained = match token {
            Token::Array(length) => Some((u64::from(length), false)),
            Token::Map(length) => Some((2 * u64::from(length), true)),
            Token::Str(text) if std::str::from_utf8(text).is_err() => return Err(invalid),
            _ => None,
        };
        if is_key && (contained.is_some() || matches!(token, Token::Bin(_) | Token::Ext(..))) {
            return Err(invalid);
        }
        at = next;
        if let Some((left, is_map)) = contained {
            if open.len() == usize::from(max_depth) {
                return Err(DecodeError::TooDeep { limit: max_depth });
            }
            // Each value takes a byte at least.
            if left > bytes.len().saturating_sub(at) as u64 {
                return Err(invalid);
            }
            open.push((left, is_map));
        } else {
            count_down(&mut open);
        }
        while let Some((0, _)) = open.last() {
            open.pop();
            count_down(&mut open);
        }
        if open.is_empty() {
            return Ok(at);
        }
    }
}

/// A value of the innermost container is complete.
fn count_down(open: &mut Open) {
    if let Some((left, _)) = open.last_mut() {
        *left = left.saturating_sub(1);
    }
}

/// The end of a value that was checked before.
pub(crate) fn value_end(bytes: &[u8], at: usize) -> usize {
    scan_value(bytes, at, MAX_DEPTH).unwrap_or(bytes.len())
}

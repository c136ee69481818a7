//! Checks msgpack without building anything from it: that it is complete, its strings UTF-8, its keys scalars, its depth.
//!
//! Iterative, so that no input can exhaust the stack. A declared length is only ever counted down, nothing is allocated for it.

use bytes::Bytes;
use smallvec::SmallVec;

use super::super::list::List;
use super::super::{DecodeError, MAX_DEPTH};
use super::extension::binary;
use super::token::{Token, token};

/// Values still to come in the containers that are open, outermost first; whether it is a map.
type Open = SmallVec<[(u64, bool); 8]>;

/// Checks the value at `at`, that has at most `max_depth` levels; returns the position behind it.
pub(crate) fn scan_value(bytes: &[u8], at: usize, max_depth: u8) -> Result<usize, DecodeError> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut open = Open::new();
    let mut at = at;
    loop {
        let invalid = DecodeError::InvalidMsgPack { position: at };
        let Some((token, next)) = token(bytes, at) else { return Err(invalid) };
        // Key and value alternate, so an even number is left before a key.
        let is_key = matches!(open.last(), Some((left, true)) if left % 2 == 0);
        let container = match token {
            Token::Array(length) => Some((u64::from(length), false)),
            Token::Map(length) => Some((2 * u64::from(length), true)),
            Token::Str(text) if std::str::from_utf8(text).is_err() => return Err(invalid),
            _ => None,
        };
        if is_key && (container.is_some() || matches!(token, Token::Bin(_) | Token::Ext { .. })) {
            return Err(invalid);
        }
        at = next;
        match container {
            Some(_) if open.len() == usize::from(max_depth) => {
                return Err(DecodeError::TooDeep { limit: max_depth });
            }
            // Each value takes a byte at least.
            Some((left, _)) if left > bytes.len().saturating_sub(at) as u64 => return Err(invalid),
            Some(container) => open.push(container),
            None => count_down(&mut open),
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

/// Checks the elements of an array with so many of them, that begin at `at`.
pub(crate) fn scan_elements(bytes: &[u8], at: usize, count: u32, max_depth: u8) -> Result<List, DecodeError> {
    let Some(element_depth) = max_depth.min(MAX_DEPTH).checked_sub(1) else {
        return Err(DecodeError::TooDeep { limit: max_depth });
    };
    let mut list = List::starting_at(at);
    for _ in 0..count {
        let end = scan_value(bytes, list.end, element_depth).map_err(|error| match error {
            DecodeError::TooDeep { .. } => DecodeError::TooDeep { limit: max_depth.min(MAX_DEPTH) },
            error => error,
        })?;
        list.push(end);
    }
    Ok(list)
}

/// A value of the innermost container is complete.
fn count_down(open: &mut Open) {
    if let Some((left, _)) = open.last_mut() {
        *left = left.saturating_sub(1);
    }
}

/// The end of a value that was checked before.
pub(crate) fn value_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at;
    let mut left = 1_u64;
    while left > 0 {
        let Some((token, next)) = token(bytes, at) else { return bytes.len() };
        left -= 1;
        match token {
            Token::Array(length) => left += u64::from(length),
            Token::Map(length) => left += 2 * u64::from(length),
            _ => {}
        }
        at = next;
    }
    at
}

/// All binary in values that were checked before, in order.
pub(crate) fn binaries(bytes: &Bytes) -> Vec<Bytes> {
    Binaries { bytes, at: 0 }.map(|data| bytes.slice_ref(data)).collect()
}

/// How much binary there is in values that were checked before.
pub(crate) fn count_binaries(bytes: &[u8]) -> usize {
    Binaries { bytes, at: 0 }.count()
}

struct Binaries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Binaries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (token, next) = token(self.bytes, self.at)?;
            self.at = next;
            if let Some(data) = binary(token) {
                return Some(data);
            }
        }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

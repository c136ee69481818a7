//! Checks JSON text without building anything from it: the grammar, the depth, and where the elements of a list end.
//!
//! Iterative, so that no input can exhaust the stack; nothing is allocated. The text has to be UTF-8 already.
//! [`Sink`] is how others (placeholders, transcoding) look at the same pass.

use super::super::{DecodeError, MAX_DEPTH};

/// How many elements of a list are located while it is checked. The others are found again when they are asked for.
pub(crate) const LOCATED: usize = 4;

/// Why text is not acceptable JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScanError {
    /// Not JSON, from this byte on.
    Syntax(usize),
    /// Nested too deeply.
    TooDeep,
    /// An object that claims to be a placeholder and is not one.
    Placeholder,
}

impl ScanError {
    /// The error of the decoder, for a payload that starts at `base` and was given `limit` levels.
    pub(crate) fn into_decode_error(self, base: usize, limit: u8) -> DecodeError {
        match self {
            ScanError::Syntax(position) => {
                DecodeError::InvalidJson { position: position.saturating_sub(base) }
            }
            ScanError::TooDeep => DecodeError::TooDeep { limit: limit.min(MAX_DEPTH) },
            ScanError::Placeholder => DecodeError::InvalidPlaceholder,
        }
    }
}

/// What a scanned scalar is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scalar {
    Null,
    True,
    False,
    Number,
    String,
}

/// Sees the parts of the text while it is checked. Ranges are byte positions; those of strings include the quotes.
pub(crate) trait Sink {
    /// An array or object begins at `position`.
    fn open(&mut self, _object: bool, _position: usize) -> Result<(), ScanError> {
        Ok(())
    }
    /// The key of an object's next entry.
    fn key(&mut self, _text: &[u8], _start: usize, _end: usize) -> Result<(), ScanError> {
        Ok(())
    }
    /// A value that is neither array nor object.
    fn scalar(&mut self, _kind: Scalar, _text: &[u8], _start: usize, _end: usize) -> Result<(), ScanError> {
        Ok(())
    }
    /// The array or object opened last is complete; `end` is behind its bracket.
    fn close(&mut self, _text: &[u8], _end: usize) -> Result<(), ScanError> {
        Ok(())
    }
}

/// Looks at nothing.
pub(crate) struct Ignore;

impl Sink for Ignore {}

/// Where the elements of a checked list are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct List {
    /// How many there are.
    pub(crate) count: usize,
    /// For the first ones, the byte behind each: that of the comma or of the closing bracket. One more than [`LOCATED`],
    /// as the first element of an event is its name.
    pub(crate) ends: [usize; LOCATED + 1],
    /// The opening bracket.
    pub(crate) open: usize,
    /// The closing bracket.
    pub(crate) close: usize,
}

/// Checks an array that is all of the text from `position` on.
pub(crate) fn scan_list<S: Sink>(
    text: &[u8],
    position: usize,
    max_depth: u8,
    sink: &mut S,
) -> Result<List, ScanError> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut at = skip_whitespace(text, position);
    if text.get(at) != Some(&b'[') {
        return Err(ScanError::Syntax(at));
    }
    let Some(inner_depth) = max_depth.checked_sub(1) else { return Err(ScanError::TooDeep) };
    let mut list = List { open: at, ..List::default() };
    at = skip_whitespace(text, at + 1);
    if text.get(at) == Some(&b']') {
        list.close = at;
        end_of_text(text, at + 1)?;
        return Ok(list);
    }
    loop {
        at = skip_whitespace(text, scan_value(text, at, inner_depth, sink)?);
        if let Some(end) = list.ends.get_mut(list.count) {
            *end = at;
        }
        list.count += 1;
        match text.get(at) {
            Some(b',') => at += 1,
            Some(b']') => break,
            _ => return Err(ScanError::Syntax(at)),
        }
    }
    list.close = at;
    end_of_text(text, at + 1)?;
    Ok(list)
}

/// Checks that nothing but whitespace follows.
pub(crate) fn end_of_text(text: &[u8], position: usize) -> Result<(), ScanError> {
    let at = skip_whitespace(text, position);
    if at == text.len() { Ok(()) } else { Err(ScanError::Syntax(at)) }
}

/// Checks one value that starts at `position`, whitespace before it allowed; returns the position behind it.
pub(crate) fn scan_value<S: Sink>(
    text: &[u8],
    position: usize,
    max_depth: u8,
    sink: &mut S,
) -> Result<usize, ScanError> {
    let max_depth = u32::from(max_depth.min(MAX_DEPTH));
    let mut at = position;
    let mut depth = 0;
    // One bit per open level, the innermost the lowest: set for an object.
    let mut objects = 0_u128;
    loop {
        at = skip_whitespace(text, at);
        let start = at;
        match text.get(at) {
            Some(bracket @ (b'{' | b'[')) => {
                if depth == max_depth {
                    return Err(ScanError::TooDeep);
                }
                let object = *bracket == b'{';
                sink.open(object, at)?;
                depth += 1;
                objects = (objects << 1) | u128::from(object);
                at = skip_whitespace(text, at + 1);
                match text.get(at) {
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    Some(b'"') if object => {
                        at = scan_key(text, at, sink)?;
                        continue;
                    }
                    _ if object => return Err(ScanError::Syntax(at)),
                    _ => continue,
                }
            }
            Some(b'"') => {
                at = scan_string(text, at)?;
                sink.scalar(Scalar::String, text, start, at)?;
            }
            Some(b'-' | b'0'..=b'9') => {
                at = scan_number(text, at)?;
                sink.scalar(Scalar::Number, text, start, at)?;
            }
            Some(b't') => {
                at = scan_literal(text, at, b"true")?;
                sink.scalar(Scalar::True, text, start, at)?;
            }
            Some(b'f') => {
                at = scan_literal(text, at, b"false")?;
                sink.scalar(Scalar::False, text, start, at)?;
            }
            Some(b'n') => {
                at = scan_literal(text, at, b"null")?;
                sink.scalar(Scalar::Null, text, start, at)?;
            }
            _ => return Err(ScanError::Syntax(at)),
        }
        // A value is complete, or an empty array or object is about to be closed: leave all levels that end here.
        loop {
            if depth == 0 {
                return Ok(at);
            }
            let object = objects & 1 == 1;
            at = skip_whitespace(text, at);
            match text.get(at) {
                Some(b',') if object => {
                    at = skip_whitespace(text, at + 1);
                    if text.get(at) != Some(&b'"') {
                        return Err(ScanError::Syntax(at));
                    }
                    at = scan_key(text, at, sink)?;
                    break;
                }
                Some(b',') => {
                    at += 1;
                    break;
                }
                Some(b'}') if object => at += 1,
                Some(b']') if !object => at += 1,
                _ => return Err(ScanError::Syntax(at)),
            }
            sink.close(text, at)?;
            depth -= 1;
            objects >>= 1;
        }
    }
}

/// Finds the end of an element in a list that was checked before: the position of the comma behind it, or of the end.
pub(crate) fn element_end(text: &[u8], position: usize) -> usize {
    let mut at = position;
    let mut depth = 0_u32;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = scan_string(text, at).unwrap_or(text.len());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

pub(crate) fn skip_whitespace(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// A key and its colon.
fn scan_key<S: Sink>(text: &[u8], start: usize, sink: &mut S) -> Result<usize, ScanError> {
    let end = scan_string(text, start)?;
    sink.key(text, start, end)?;
    let at = skip_whitespace(text, end);
    if text.get(at) == Some(&b':') { Ok(at + 1) } else { Err(ScanError::Syntax(at)) }
}

/// `start` is the opening quote; returns the position behind the closing one.
fn scan_string(text: &[u8], start: usize) -> Result<usize, ScanError> {
    let mut at = start + 1;
    loop {
        at += plain_prefix(text.get(at..).unwrap_or_default());
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => {
                    let hex = text.get(at + 2..at + 6).ok_or(ScanError::Syntax(at))?;
                    if !hex.iter().all(u8::is_ascii_hexdigit) {
                        return Err(ScanError::Syntax(at));
                    }
                    at += 6;
                }
                _ => return Err(ScanError::Syntax(at)),
            },
            _ => return Err(ScanError::Syntax(at)),
        }
    }
}

/// How many bytes at the start of `text` stand for themselves in a string, looked at eight at a time.
fn plain_prefix(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut length = 0;
    for chunk in text.chunks_exact(8) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        // The high bit of a byte is set where a zero byte is (quote, backslash), or where it is below 0x20 (control).
        // A borrow can set bits above the first hit only, and only the first is used.
        let hits = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if hits != 0 {
            return length + hits.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = text.get(length..).unwrap_or_default();
    length + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

fn scan_number(text: &[u8], start: usize) -> Result<usize, ScanError> {
    let mut at = start;
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => skip_digits(text, at),
        _ => return Err(ScanError::Syntax(at)),
    };
    if text.get(at) == Some(&b'.') {
        at = some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = some_digits(text, at)?;
    }
    Ok(at)
}

fn some_digits(text: &[u8], start: usize) -> Result<usize, ScanError> {
    let end = skip_digits(text, start);
    if end == start { Err(ScanError::Syntax(start)) } else { Ok(end) }
}

fn skip_digits(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

fn scan_literal(text: &[u8], start: usize, literal: &[u8]) -> Result<usize, ScanError> {
    let end = start + literal.len();
    if text.get(start..end) == Some(literal) { Ok(end) } else { Err(ScanError::Syntax(start)) }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

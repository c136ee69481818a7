//! Fields of a message out of its bytes. Used by the codec only.

use std::sync::Arc;

use bytes::Bytes;

use super::{DecodeError, MAX_ITEMS};

/// Reads the fields in order; what it returns shares the message's memory where it can.
pub(super) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    /// Items that the rest of the message may have.
    items: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0, items: MAX_ITEMS }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::Unknown { what: "flag", value }),
        }
    }

    /// Exactly `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        let taken = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        Ok(taken)
    }

    pub(super) fn rest(&mut self) -> Bytes {
        let rest = self.bytes.slice(self.at..);
        self.at = self.bytes.len();
        rest
    }

    pub(super) fn fixed_u64(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for _ in 0..8 {
            number = number << 8 | u64::from(self.byte()?);
        }
        Ok(number)
    }

    /// LEB128, at most 64 bits, no longer than needed.
    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for index in 0..10 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if index == 9 && byte > 1 {
                return Err(DecodeError::Number);
            }
            number |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return if byte == 0 && index > 0 { Err(DecodeError::Number) } else { Ok(number) };
            }
        }
        Err(DecodeError::Number)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| DecodeError::Truncated)?)
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, DecodeError> {
        let bytes = self.bytes()?;
        Ok(std::str::from_utf8(&bytes).map_err(|_| DecodeError::Utf8)?.into())
    }

    /// A list whose items take at least `min_size` bytes each: a count that cannot be true is refused at once. Memory grows
    /// as items are read, not as the count promises.
    pub(super) fn list<T>(
        &mut self,
        min_size: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.number()?;
        if count > (self.remaining() / min_size) as u64 {
            return Err(DecodeError::Truncated);
        }
        let count = count as usize;
        self.items = self.items.checked_sub(count).ok_or(DecodeError::TooMany)?;
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

//! Bytes of a message, one field after the other. Used by the codec only.

use bytes::{BufMut, Bytes, BytesMut};

/// Writes the fields.
#[derive(Default)]
pub(super) struct Writer {
    out: BytesMut,
    items: usize,
}

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.out.put_u8(byte);
    }

    /// LEB128: seven bits per byte, the lowest first, the top bit set on all but the last byte.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.put_u8(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.put_u8(number as u8);
    }

    /// Its length as a number, then the bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.put_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Their count as a number, then one after the other.
    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        self.items += items.len();
        for item in items {
            write(self, item);
        }
    }

    /// Bytes without their length.
    pub(super) fn rest(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// How many items all lists have.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    pub(super) fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

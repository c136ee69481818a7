//! Appends single msgpack tokens, each in the shortest form there is, as notepack does.

pub(crate) fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

pub(crate) fn bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

pub(crate) fn unsigned(value: u64, out: &mut Vec<u8>) {
    if let Ok(value) = u8::try_from(value) {
        if value >= 0x80 {
            out.push(0xcc);
        }
        out.push(value);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(0xcd);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(0xce);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn signed(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = u64::try_from(value) {
        unsigned(value, out);
    } else if let Ok(value) = i8::try_from(value) {
        if value < -0x20 {
            out.push(0xd0);
        }
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xd1);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(0xd2);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn float32(value: f32, out: &mut Vec<u8>) {
    out.push(0xca);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn float64(value: f64, out: &mut Vec<u8>) {
    out.push(0xcb);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Longer than 4 GiB has no form; callers bound sizes far below.
pub(crate) fn string(value: &str, out: &mut Vec<u8>) {
    match value.len() {
        length @ 0..0x20 => out.push(0xa0 | length as u8),
        length => sized(0xd9, length, out),
    }
    out.extend_from_slice(value.as_bytes());
}

/// As [`string`].
pub(crate) fn binary(value: &[u8], out: &mut Vec<u8>) {
    sized(0xc4, value.len(), out);
    out.extend_from_slice(value);
}

/// The header of an array with so many elements.
pub(crate) fn array(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(container(0x90, 0xdc, length).as_slice());
}

/// The header of a map with so many pairs.
pub(crate) fn map(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(container(0x80, 0xde, length).as_slice());
}

/// A header of one, three or five bytes.
pub(crate) struct Header {
    bytes: [u8; 5],
    length: usize,
}

impl Header {
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The header of an array (`short` 0x90, `long` 0xdc) or map (0x80, 0xde).
pub(crate) fn container(short: u8, long: u8, length: usize) -> Header {
    if length < 0x10 {
        return Header { bytes: [short | length as u8, 0, 0, 0, 0], length: 1 };
    }
    match u16::try_from(length) {
        Ok(length) => {
            let [high, low] = length.to_be_bytes();
            Header { bytes: [long, high, low, 0, 0], length: 3 }
        }
        Err(_) => {
            let [a, b, c, d] = (length as u32).to_be_bytes();
            Header { bytes: [long + 1, a, b, c, d], length: 5 }
        }
    }
}

/// A marker for a length of one byte, or one of the two that follow it for longer ones, and the length.
fn sized(marker: u8, length: usize, out: &mut Vec<u8>) {
    if let Ok(length) = u8::try_from(length) {
        out.extend_from_slice(&[marker, length]);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(marker + 1);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(marker + 2);
        out.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

//! Reads single msgpack tokens, never beyond the end of the input.

/// A scalar, or the start of a container.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float32(f32),
    Float64(f64),
    /// Not checked to be UTF-8.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Ext(i8, &'a [u8]),
    /// So many elements follow.
    Array(u32),
    /// So many pairs of key and value follow.
    Map(u32),
}

/// The token at `at` and the position behind it; `None` if there is none that is complete.
pub(crate) fn token(bytes: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let mut reader = Reader { bytes, at };
    let marker = reader.u8()?;
    let token = match marker {
        0x00..=0x7f => Token::Unsigned(marker.into()),
        0x80..=0x8f => Token::Map(u32::from(marker & 0x0f)),
        0x90..=0x9f => Token::Array(u32::from(marker & 0x0f)),
        0xa0..=0xbf => Token::Str(reader.slice(u32::from(marker & 0x1f))?),
        0xc0 => Token::Nil,
        0xc1 => return None,
        0xc2 => Token::Bool(false),
        0xc3 => Token::Bool(true),
        0xc4..=0xc6 => {
            let length = reader.length(marker - 0xc4)?;
            Token::Bin(reader.slice(length)?)
        }
        0xc7..=0xc9 => {
            let length = reader.length(marker - 0xc7)?;
            reader.ext(length)?
        }
        0xca => Token::Float32(f32::from_be_bytes(reader.array()?)),
        0xcb => Token::Float64(f64::from_be_bytes(reader.array()?)),
        0xcc => Token::Unsigned(reader.u8()?.into()),
        0xcd => Token::Unsigned(u16::from_be_bytes(reader.array()?).into()),
        0xce => Token::Unsigned(u32::from_be_bytes(reader.array()?).into()),
        0xcf => Token::Unsigned(u64::from_be_bytes(reader.array()?)),
        0xd0 => Token::Signed(i8::from_be_bytes(reader.array()?).into()),
        0xd1 => Token::Signed(i16::from_be_bytes(reader.array()?).into()),
        0xd2 => Token::Signed(i32::from_be_bytes(reader.array()?).into()),
        0xd3 => Token::Signed(i64::from_be_bytes(reader.array()?)),
        0xd4..=0xd8 => reader.ext(1 << (marker - 0xd4))?,
        0xd9..=0xdb => {
            let length = reader.length(marker - 0xd9)?;
            Token::Str(reader.slice(length)?)
        }
        0xdc..=0xdd => Token::Array(reader.length(marker - 0xdc + 1)?),
        0xde..=0xdf => Token::Map(reader.length(marker - 0xde + 1)?),
        0xe0..=0xff => Token::Signed(i8::from_be_bytes([marker]).into()),
    };
    Some((token, reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn u8(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N)?;
        let array = self.bytes.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(array)
    }

    /// A length of 1, 2 or 4 bytes.
    fn length(&mut self, width: u8) -> Option<u32> {
        match width {
            0 => self.u8().map(u32::from),
            1 => self.array().map(u16::from_be_bytes).map(u32::from),
            _ => self.array().map(u32::from_be_bytes),
        }
    }

    fn slice(&mut self, length: u32) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length as usize)?;
        let slice = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(slice)
    }

    fn ext(&mut self, length: u32) -> Option<Token<'a>> {
        let kind = i8::from_be_bytes([self.u8()?]);
        Some(Token::Ext(kind, self.slice(length)?))
    }
}

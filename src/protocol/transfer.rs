//! Arguments as bytes of their own, for the way to another node: one array, and the attachments beside it.
//!
//! What is received is checked again: it may come from anybody who can write to the broker.

use bytes::Bytes;
use bytestring::ByteString;

use super::data::Data;
use super::msgpack::token::{Token, token};
use super::msgpack::{put, scan};
use super::{Args, DecodeError, MAX_DEPTH, Parser};

impl Args {
    /// The array of the arguments in the representation they are in.
    pub(crate) fn to_array(&self) -> Bytes {
        match &self.data {
            Data::Json(values) => {
                let mut array = Vec::with_capacity(values.len() + 2);
                array.push(b'[');
                array.extend_from_slice(values.as_bytes());
                array.push(b']');
                array.into()
            }
            Data::MsgPack(values) => {
                let mut array = Vec::with_capacity(values.len() + 5);
                put::array(self.len(), &mut array);
                array.extend_from_slice(values);
                array.into()
            }
        }
    }

    /// The arguments of an array in the representation of `parser`.
    pub(crate) fn from_array(
        parser: Parser,
        array: Bytes,
        attachments: Vec<Bytes>,
    ) -> Result<Args, DecodeError> {
        match parser {
            Parser::Json => {
                let text = ByteString::try_from(array).map_err(|_| DecodeError::InvalidUtf8)?;
                Args::from_json(text, attachments)
            }
            Parser::MsgPack => {
                let Some((Token::Array(count), start)) = token(&array, 0) else {
                    return Err(DecodeError::InvalidMsgPack { position: 0 });
                };
                let list = scan::scan_elements(&array, start, count, MAX_DEPTH)?;
                if list.end != array.len() {
                    return Err(DecodeError::InvalidMsgPack { position: list.end });
                }
                Args::from_msgpack_list(&array, &list, 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_arrive_as_they_were_sent() {
        let args = [
            Args::default(),
            Args::from_json(r#"[1.0,{"b":2,"a":[]},"é"]"#, vec![]).expect("JSON"),
            Args::from_json(r#"[{"_placeholder":true,"num":0}]"#, vec![Bytes::from_static(b"x")])
                .expect("JSON"),
        ];
        for args in args {
            let sent = Args::from_array(Parser::Json, args.to_array(), args.attachments().to_vec());
            assert_eq!(sent, Ok(args.clone()));
            let packed = args.to_parser(Parser::MsgPack).expect("transcodes");
            assert_eq!(Args::from_array(Parser::MsgPack, packed.to_array(), vec![]), Ok(packed));
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in ["", "{}", "[", "[1] ]", "1", "[1,]", "\u{0}"] {
            assert!(Args::from_array(Parser::Json, text.into(), vec![]).is_err(), "{text}");
        }
        for bytes in [&b""[..], b"\x80", b"\x91", b"\x90\x00", b"\xdd\xff\xff\xff\xff"] {
            assert!(
                Args::from_array(Parser::MsgPack, Bytes::from_static(bytes), vec![]).is_err(),
                "{bytes:?}"
            );
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(Args::from_array(Parser::Json, deep.into(), vec![]).is_err());
    }
}

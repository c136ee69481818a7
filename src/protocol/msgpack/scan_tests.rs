use super::*;

fn scan(bytes: &[u8]) -> Result<usize, DecodeError> {
    scan_value(bytes, 0, MAX_DEPTH)
}

#[test]
fn accepts_every_form() {
    let forms: &[&[u8]] = &[
        &[0x00],
        &[0x7f],
        &[0xff],
        &[0xe0],
        &[0xc0],
        &[0xc2],
        &[0xc3],
        &[0xa0],
        &[0xa1, b'a'],
        &[0x80],
        &[0x90],
        &[0xcc, 1],
        &[0xcd, 1, 2],
        &[0xce, 1, 2, 3, 4],
        &[0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xd0, 1],
        &[0xd1, 1, 2],
        &[0xd2, 1, 2, 3, 4],
        &[0xd3, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xca, 1, 2, 3, 4],
        &[0xcb, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xc4, 1, 0xff],
        &[0xc5, 0, 1, 0xff],
        &[0xc6, 0, 0, 0, 1, 0xff],
        &[0xd9, 1, b'a'],
        &[0xda, 0, 1, b'a'],
        &[0xdb, 0, 0, 0, 1, b'a'],
        &[0xd4, 9, 1],
        &[0xd5, 9, 1, 2],
        &[0xd6, 9, 1, 2, 3, 4],
        &[0xd7, 9, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xd8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xc7, 1, 9, 0],
        &[0xc8, 0, 1, 9, 0],
        &[0xc9, 0, 0, 0, 1, 9, 0],
        &[0xdc, 0, 1, 5],
        &[0xdd, 0, 0, 0, 1, 5],
        &[0xde, 0, 1, 5, 5],
        &[0xdf, 0, 0, 0, 1, 5, 5],
        &[0x92, 0x91, 0x90, 0x81, 0xa1, b'a', 0x92, 1, 2],
        &[0x83, 0xc0, 1, 0xc2, 2, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    ];
    for form in forms {
        assert_eq!(scan(form), Ok(form.len()), "{form:x?}");
        assert_eq!(value_end(form, 0), form.len(), "{form:x?}");
        for length in 0..form.len() {
            scan(&form[..length]).expect_err("incomplete");
        }
    }
}

#[test]
fn refuses_what_is_not_msgpack() {
    let not_utf8 = [0xa1, 0xff];
    let array_as_key = [0x81, 0x90, 0];
    let binary_as_key = [0x81, 0xc4, 0, 0];
    let extension_as_key = [0x81, 0xd4, 0, 0, 0];
    let key_of_second_pair = [0x82, 0, 0x90, 0x80, 0];
    for bytes in
        [&[0xc1][..], &not_utf8, &array_as_key, &binary_as_key, &extension_as_key, &key_of_second_pair]
    {
        assert!(matches!(scan(bytes), Err(DecodeError::InvalidMsgPack { .. })), "{bytes:x?}");
    }
}

#[test]
fn does_not_believe_a_length() {
    for bytes in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff, 0][..],
        &[0xdf, 0xff, 0xff, 0xff, 0xff, 0],
        &[0xc6, 0xff, 0xff, 0xff, 0xff, 0],
        &[0xdb, 0xff, 0xff, 0xff, 0xff, 0],
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 0, 0],
    ] {
        assert_eq!(scan(bytes), Err(DecodeError::InvalidMsgPack { position: 0 }));
    }
    scan_elements(&[0; 8], 0, u32::MAX, 9).unwrap_err();
}

#[test]
fn bounds_the_depth() {
    let nested = |levels: usize| [vec![0x91; levels - 1], vec![0x90]].concat();
    assert_eq!(scan_value(&nested(5), 0, 5), Ok(5));
    assert_eq!(scan_value(&nested(6), 0, 5), Err(DecodeError::TooDeep { limit: 5 }));
    assert_eq!(scan(&nested(128)), Ok(128));
    assert_eq!(scan(&nested(1_000_000)), Err(DecodeError::TooDeep { limit: 128 }));
    assert_eq!(value_end(&nested(1_000_000), 0), 1_000_000);
}

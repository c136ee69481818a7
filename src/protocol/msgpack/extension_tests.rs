use super::*;

#[test]
fn dates_are_written_as_javascript_does() {
    for (milliseconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
        (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
        (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
    ] {
        assert_eq!(iso_date(milliseconds).as_deref(), Some(text));
    }
    assert_eq!(iso_date(8_640_000_000_000_001), None);
    assert_eq!(iso_date(i64::MIN), None);
}

#[test]
fn extensions_of_notepack_and_timestamps() {
    assert_eq!(Extension::new(0, &[0], true), Extension::Undefined);
    assert_eq!(Extension::new(0, &[0], false), Extension::Binary(&[0]));
    assert_eq!(Extension::new(0, &(-5_i64).to_be_bytes(), true), Extension::Date(-5));
    assert_eq!(Extension::new(0, &[0; 8], false), Extension::Binary(&[0; 8]));
    assert_eq!(Extension::new(-1, &[0, 0, 0, 1], true), Extension::Date(1000));
    let packed = (5_000_000_u64 << 34) | 0x1_0000_0000;
    assert_eq!(Extension::new(-1, &packed.to_be_bytes(), true), Extension::Date(4_294_967_296_005));
    let mut long = 7_999_999_u32.to_be_bytes().to_vec();
    long.extend_from_slice(&(-2_i64).to_be_bytes());
    assert_eq!(Extension::new(-1, &long, false), Extension::Date(-1993));
    assert_eq!(Extension::new(5, &[1, 2], true), Extension::Unknown(5, &[1, 2]));
    assert_eq!(Extension::new(-1, &[1, 2], true), Extension::Unknown(-1, &[1, 2]));
}

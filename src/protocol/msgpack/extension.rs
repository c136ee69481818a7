//! What the extension types mean that notepack writes: `undefined`, dates, ArrayBuffers.

use super::token::Token;

/// An extension that JSON has a value for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Extension<'a> {
    /// `undefined`: read as null.
    Undefined,
    /// A date in milliseconds since 1970, read as its ISO 8601 text, which is what `JSON.stringify` makes of it.
    Date(i64),
    /// An ArrayBuffer of Node.js: binary like any other.
    Binary(&'a [u8]),
    /// Not known: notepack reads it as an array of the type and the bytes.
    Unknown(i8, &'a [u8]),
}

/// The type of extension that notepack uses for values of its own.
pub(crate) const NOTEPACK: i8 = 0;
/// The timestamps of msgpack.
const TIMESTAMP: i8 = -1;

impl<'a> Extension<'a> {
    /// `fixed` tells the forms with a fixed length from those that carry it, which mean different things for type 0.
    pub(crate) fn new(kind: i8, data: &'a [u8], fixed: bool) -> Self {
        match (kind, data) {
            (NOTEPACK, _) if !fixed => Extension::Binary(data),
            (NOTEPACK, [_]) => Extension::Undefined,
            (NOTEPACK, [a, b, c, d, e, f, g, h]) => {
                Extension::Date(i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (TIMESTAMP, [a, b, c, d]) => timestamp(u32::from_be_bytes([*a, *b, *c, *d]).into(), 0),
            (TIMESTAMP, [a, b, c, d, e, f, g, h]) => {
                let packed = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                timestamp((packed & 0x3_ffff_ffff) as i64, (packed >> 34) as u32)
            }
            (TIMESTAMP, [n0, n1, n2, n3, a, b, c, d, e, f, g, h]) => timestamp(
                i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                u32::from_be_bytes([*n0, *n1, *n2, *n3]),
            ),
            _ => Extension::Unknown(kind, data),
        }
    }
}

fn timestamp<'a>(seconds: i64, nanoseconds: u32) -> Extension<'a> {
    Extension::Date(seconds.saturating_mul(1000).saturating_add(i64::from(nanoseconds / 1_000_000)))
}

/// The binary that a token is or has, which is what becomes an attachment when it is written as JSON.
pub(crate) fn binary<'a>(token: Token<'a>) -> Option<&'a [u8]> {
    match token {
        Token::Bin(data) => Some(data),
        Token::Ext { kind, data, fixed } => match Extension::new(kind, data, fixed) {
            Extension::Binary(data) | Extension::Unknown(_, data) => Some(data),
            Extension::Undefined | Extension::Date(_) => None,
        },
        _ => None,
    }
}

/// A date as `JSON.stringify` writes it; `None` (null) beyond what a date can be.
pub(crate) fn iso_date(milliseconds: i64) -> Option<String> {
    /// 100 million days on either side of 1970.
    const LIMIT: i64 = 8_640_000_000_000_000;
    const DAY: i64 = 86_400_000;
    if !(-LIMIT..=LIMIT).contains(&milliseconds) {
        return None;
    }
    let (year, month, day) = civil_date(milliseconds.div_euclid(DAY));
    let time = milliseconds.rem_euclid(DAY);
    let (hours, minutes) = (time / 3_600_000, time / 60_000 % 60);
    let (seconds, fraction) = (time / 1000 % 60, time % 1000);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{fraction:03}Z"))
}

/// Year, month and day of the Gregorian calendar, for a number of days since 1970.
///
/// Counted in years that begin in March, so that the day that may be missing is the last one of its year, and in eras of 400
/// years, which all have the same number of days.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_ERA: i64 = 146_097;
    /// From the first of March of the year 0 to the beginning of 1970.
    const EPOCH: i64 = 719_468;
    let days = days + EPOCH;
    let era = days.div_euclid(DAYS_OF_ERA);
    let day_of_era = days.rem_euclid(DAYS_OF_ERA);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, twice: 153 days for five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[path = "extension_tests.rs"]
mod tests;

//! Headers for the collector, as one text has them.

use actix_web::http::header::{HeaderName, HeaderValue};

/// `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it.
pub(super) fn headers_of(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decoded(value.trim())?;
            let is_header =
                HeaderName::try_from(name.trim()).is_ok() && HeaderValue::try_from(&value).is_ok();
            is_header.then(|| (name.trim().to_owned(), value))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_a_list() {
        let read = headers_of("authorization=Basic%20eA==, x-key = a%2Cb,").expect("headers");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("authorization", "Basic eA=="), pair("x-key", "a,b")]);
        for odd in ["x", "=y", "a b=c", "a=%0A", "a=%", "a=%zz", "a=%ff"] {
            assert_eq!(headers_of(odd), None, "{odd}");
        }
    }
}

//! The answer to a poll or a POST as a value: made where the session is, sent from wherever its client is.
//!
//! Used by `polling` and `relay`.

use std::borrow::Cow;
use std::io::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Empty: none.
    pub(super) content_type: Cow<'static, str>,
    /// Empty: none.
    pub(super) content_encoding: Cow<'static, str>,
    /// Whether it depends on `accept-encoding`.
    pub(super) varies: bool,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn ok(content_type: &'static str, body: Bytes) -> Self {
        let (content_type, content_encoding) = (content_type.into(), "".into());
        Self { status: 200, content_type, content_encoding, varies: false, body }
    }

    /// An answer with nothing but its status.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..Self::ok("", Bytes::new()) }
    }

    pub(super) fn bad_request() -> Self {
        Self::empty(StatusCode::BAD_REQUEST)
    }

    /// A large one compressed as the client accepts it: gzip before deflate, as the reference does.
    pub(super) fn compressed(mut self, threshold: usize, accepted: &str) -> Self {
        if self.body.len() < threshold {
            return self;
        }
        self.varies = true;
        if let Some((encoding, body)) = compress(accepted, &self.body) {
            (self.content_encoding, self.body) = (encoding.into(), body.into());
        }
        self
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        if let Some(content_type) = header_value(self.content_type) {
            response
                .insert_header((header::CONTENT_TYPE, content_type))
                .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        }
        if self.varies {
            response.insert_header((header::VARY, HeaderValue::from_static("accept-encoding")));
        }
        if let Some(encoding) = header_value(self.content_encoding) {
            response.insert_header((header::CONTENT_ENCODING, encoding));
        }
        if self.body.is_empty() { response.finish() } else { response.body(self.body) }
    }
}

fn header_value(text: Cow<'static, str>) -> Option<HeaderValue> {
    match text {
        text if text.is_empty() => None,
        Cow::Borrowed(text) => Some(HeaderValue::from_static(text)),
        Cow::Owned(text) => HeaderValue::try_from(text).ok(),
    }
}

fn compress(accepted: &str, body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let accepts = |coding: &str| {
        accepted.split(',').any(|entry| {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let is_refused = parameters.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            name.trim().eq_ignore_ascii_case(coding) && !is_refused
        })
    };
    // Writing to a Vec cannot fail; if it did, the body would go out as it is.
    if accepts("gzip") {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
        encoder.write_all(body).ok()?;
        Some(("gzip", encoder.finish().ok()?))
    } else if accepts("deflate") {
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
        encoder.write_all(body).ok()?;
        Some(("deflate", encoder.finish().ok()?))
    } else {
        None
    }
}

//! Query strings.

use std::borrow::Cow;

/// The parameters of a query string, percent-decoded, in order.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}

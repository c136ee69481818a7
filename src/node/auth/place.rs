//! Where the token of a client is.

use std::borrow::Cow;

use actix_socketio::Handshake;
use serde_json::Value;

use super::options::AuthOptions;

/// The first that there is: in the auth payload, the header, the cookie, the query. One that is empty is none.
pub(super) fn find<'a>(
    options: &AuthOptions,
    handshake: &'a Handshake,
    auth: &'a Value,
) -> Option<Cow<'a, str>> {
    let payload = || auth.get(&options.payload)?.as_str().map(Cow::Borrowed);
    let header = || {
        let (scheme, token) =
            handshake.header("authorization").filter(|_| options.header)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Cow::Borrowed(token.trim()))
    };
    let cookie = || handshake.cookie(options.cookie.as_ref()?).map(Cow::Borrowed);
    let query = || handshake.query(options.query.as_ref()?);
    let is_there = |token: &Cow<'_, str>| !token.is_empty();
    payload()
        .filter(is_there)
        .or_else(|| header().filter(is_there))
        .or_else(|| cookie().filter(is_there))
        .or_else(|| query().filter(is_there))
}

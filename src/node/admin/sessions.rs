//! Sessions of the admin UI: what a browser shows instead of the password until they end.
//!
//! Nothing is stored. A session is its end and a code over it, under a key that comes from name and password hash: every node with the
//! same configuration takes it, and none does any more when the password was changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// Makes and checks sessions.
pub(super) struct Sessions(hmac::Key);

impl Sessions {
    pub(super) fn new(username: &str, password_hash: &str) -> Self {
        let purpose = hmac::Key::new(hmac::HMAC_SHA256, password_hash.as_bytes());
        let key = hmac::sign(&purpose, format!("session of the admin UI for {username}").as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// A session that ends at that time, in seconds since 1970.
    pub(super) fn begin(&self, end: u64) -> String {
        let code = hmac::sign(&self.0, &end.to_be_bytes());
        format!("{end:x}.{}", URL_SAFE_NO_PAD.encode(code))
    }

    /// Whether it is one that has not ended.
    pub(super) fn is_valid(&self, session: &str, now: u64) -> bool {
        let Some((end, code)) = session.split_once('.') else { return false };
        let Ok(end) = u64::from_str_radix(end, 16) else { return false };
        let Ok(code) = URL_SAFE_NO_PAD.decode(code) else { return false };
        // Compares in constant time.
        hmac::verify(&self.0, &end.to_be_bytes(), &code).is_ok() && end > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_good_on_every_node_until_it_ends() {
        let session = Sessions::new("admin", "hash").begin(1000);
        let elsewhere = Sessions::new("admin", "hash");
        assert!(elsewhere.is_valid(&session, 999));
        assert!(!elsewhere.is_valid(&session, 1000), "it has ended");
        assert!(!Sessions::new("admin", "other").is_valid(&session, 999), "the password was changed");
        assert!(!Sessions::new("root", "hash").is_valid(&session, 999));
        let (_, code) = session.split_once('.').expect("two parts");
        for forged in
            ["", ".", "ffff", &format!("ffff.{code}"), &session[..session.len() - 1], "3e8.", "x.AAAA"]
        {
            assert!(!elsewhere.is_valid(forged, 999), "{forged}");
        }
    }
}

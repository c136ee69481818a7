//! How the server behind a webhook knows that a request is ours: HMAC-SHA256 over the time and the body.

use ring::hmac;

/// The key of one webhook.
pub(super) struct Key(hmac::Key);

impl Key {
    pub(super) fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// `v1=` and the code of `<timestamp>.<body>` in hexadecimal.
    pub(super) fn sign(&self, timestamp: u64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(timestamp.to_string().as_bytes());
        context.update(b".");
        context.update(body.as_bytes());
        let code = context.sign();
        let digits = code.as_ref().iter().map(|byte| format!("{byte:02x}"));
        std::iter::once("v1=".to_owned()).chain(digits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
    #[test]
    fn anybody_can_compute_it() {
        let signature = Key::new("secret").sign(1_700_000_000, r#"{"a":1}"#);
        assert_eq!(signature, "v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686");
    }
}

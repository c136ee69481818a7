//! One token: whether it counts, and what it claims.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::jwks::Jwks;
use super::keys::{Key, KeyError};
use super::options::AuthOptions;
use super::refused::Refused;

/// Where the keys are.
enum Keys {
    One(Box<Key>),
    Set(std::sync::Arc<Jwks>),
}

/// What tokens are held against.
pub(super) struct Verifier {
    keys: Keys,
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Duration,
    is_eternal_good: bool,
    max_token: usize,
}

/// The claims of a token that counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    pub(super) claims: Map<String, Value>,
    /// When it ends, if it does.
    pub(super) expires: Option<SystemTime>,
}

impl Verifier {
    /// As configured; none if there is no key. Reads files and fetches what has to be fetched.
    pub(super) async fn new(options: &AuthOptions) -> Result<Option<Self>, KeyError> {
        let key = {
            let options = options.clone();
            actix_web::web::block(move || Key::configured(&options)).await
        };
        let key = key.unwrap_or_else(|error| Err(KeyError::Fetch(error.to_string())))?;
        let keys = match (key, Jwks::new(options)) {
            (Some(key), _) => Keys::One(Box::new(key)),
            (None, Some(set)) => {
                set.start(options.jwks_refresh.into()).await?;
                Keys::Set(set)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Self {
            keys,
            issuers: options.issuers.clone(),
            audiences: options.audiences.clone(),
            leeway: options.leeway.into(),
            is_eternal_good: options.eternal,
            max_token: options.max_token.bytes(),
        }))
    }

    /// Whether these options make one, as far as that is known without a network. Blocks for as long as reading small files does.
    pub(super) fn check(options: &AuthOptions) -> Result<(), KeyError> {
        if let Some(file) = &options.jwks_file {
            return Jwks::check(file);
        }
        Key::configured(options).map(|_| ())
    }

    /// Whether there are keys at all.
    pub(super) fn has_keys(&self) -> bool {
        match &self.keys {
            Keys::One(_) => true,
            Keys::Set(set) => !set.is_empty(),
        }
    }

    /// Whether the token counts now.
    pub(super) async fn verify(&self, token: &str) -> Result<Token, Refused> {
        if token.len() > self.max_token {
            return Err(Refused::Invalid);
        }
        let header = decode_header(token).map_err(|_| Refused::Invalid)?;
        // What it says is critical is not understood here (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(Refused::Invalid);
        }
        match &self.keys {
            Keys::One(key) => self.verify_with(key, token),
            Keys::Set(set) => {
                let keys = set.find(header.kid.as_deref()).await;
                if keys.is_empty() && set.is_empty() {
                    return Err(Refused::Unavailable);
                }
                let mut error = Refused::Invalid;
                for key in keys.iter().filter(|key| key.algorithm == header.alg) {
                    match self.verify_with(key, token) {
                        Ok(token) => return Ok(token),
                        Err(Refused::Invalid) => {}
                        Err(other) => error = other,
                    }
                }
                Err(error)
            }
        }
    }

    fn verify_with(&self, key: &Key, token: &str) -> Result<Token, Refused> {
        let mut validation = Validation::new(key.algorithm);
        let mut required = Vec::new();
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        if !self.is_eternal_good {
            required.push("exp");
        }
        if !self.issuers.is_empty() {
            validation.set_issuer(&self.issuers);
            required.push("iss");
        }
        if self.audiences.is_empty() {
            validation.validate_aud = false;
        } else {
            validation.set_audience(&self.audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        let token = decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|error| {
            tracing::debug!(%error, "token refused");
            match error.kind() {
                ErrorKind::ExpiredSignature => Refused::Expired,
                _ => Refused::Invalid,
            }
        })?;
        let expires = token.claims.get("exp").and_then(Value::as_f64).and_then(time);
        Ok(Token { claims: token.claims, expires })
    }
}

/// Seconds since 1970. None: never, or too far away to matter.
fn time(seconds: f64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

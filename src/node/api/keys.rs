//! Who may do what: the keys of the internal listener.
//!
//! A key is a bearer token. Without any key whoever reaches the address may do everything; then the address is loopback, and the
//! request must be for an address, so that no page of a browser on this machine gets here by a name of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::options::{ApiOptions, Scope};
use super::problem::Problem;
use super::state::ApiState;
use crate::node::config::SecretError;
use crate::node::config::secret::Secret;
use crate::node::warning::Warning;

/// A key shorter than that can be guessed.
const MIN_SECRET: usize = 16;

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum KeyError {
    #[error("the key {0:?} is shorter than {MIN_SECRET} bytes")]
    Short(String),
    #[error("the key {0:?} is not plain: printable ASCII without spaces")]
    NotPlain(String),
    #[error("the keys {0:?} and {1:?} are the same")]
    Same(String, String),
    #[error("the key {name:?}: {source}")]
    Unread { name: String, source: SecretError },
}

struct Key {
    name: Arc<str>,
    digest: [u8; SHA256_OUTPUT_LEN],
    /// None: everything.
    scopes: Option<Vec<Scope>>,
}

/// The keys that are known.
pub(super) struct Keys {
    keys: Vec<Key>,
    warning: Warning,
}

impl Keys {
    /// Reads the secrets. Blocks for as long as that takes.
    pub(super) fn read(options: &ApiOptions) -> Result<Self, KeyError> {
        let mut keys = Self { keys: Vec::new(), warning: Warning::every(Duration::from_secs(1)) };
        let read = |name: &str, secret: &Secret| {
            secret.read().map_err(|source| KeyError::Unread { name: name.to_owned(), source })
        };
        if let Some(secret) = &options.key {
            keys.add("api.key", &read("api.key", secret)?, None)?;
        }
        for key in &options.keys {
            keys.add(&key.name, &read(&key.name, &key.secret)?, Some(key.scopes.clone()))?;
        }
        Ok(keys)
    }

    fn add(&mut self, name: &str, secret: &str, scopes: Option<Vec<Scope>>) -> Result<(), KeyError> {
        if secret.len() < MIN_SECRET {
            return Err(KeyError::Short(name.to_owned()));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::NotPlain(name.to_owned()));
        }
        let digest = digest_of(secret.as_bytes());
        if let Some(other) = self.keys.iter().find(|key| key.digest == digest) {
            return Err(KeyError::Same(other.name.to_string(), name.to_owned()));
        }
        self.keys.push(Key { name: name.into(), digest, scopes });
        Ok(())
    }

    /// Whether anybody may do anything.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a request carries. Takes the same time whichever it is, and whether it is one.
    fn find(&self, secret: &[u8]) -> Option<&Key> {
        let digest = digest_of(secret);
        let mut found = u32::MAX;
        for (index, key) in (0_u32..).zip(&self.keys) {
            let is_it: Choice = key.digest.ct_eq(&digest);
            found.conditional_assign(&index, is_it);
        }
        self.keys.get(found as usize)
    }

    /// Who makes a request.
    fn caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        if self.is_empty() {
            return match is_for_an_address(request.headers()) {
                true => Ok(Caller { name: None, scopes: None }),
                false => Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "without keys only an address or localhost is served",
                )),
            };
        }
        let Some(secret) = bearer(request.headers()) else {
            return Err(Problem::unauthorized("a key is needed: Authorization: Bearer <key>"));
        };
        match self.find(secret) {
            Some(key) => Ok(Caller { name: Some(key.name.clone()), scopes: key.scopes.clone() }),
            None => {
                let from = request.peer_addr().map(|peer| peer.ip());
                self.warning.give(|suppressed| {
                    tracing::warn!(?from, suppressed, "a request with an unknown API key was refused");
                });
                Err(Problem::unauthorized("the key is unknown"))
            }
        }
    }
}

fn digest_of(secret: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, secret).as_ref());
    bytes
}

/// The token of `Authorization: Bearer <token>`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// Whether the host of a request is an address or `localhost`, not a name that others can let point here.
fn is_for_an_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Who makes a request. As an extractor it refuses who is nobody, before the body is read.
pub(super) struct Caller {
    name: Option<Arc<str>>,
    /// None: everything.
    scopes: Option<Vec<Scope>>,
}

impl Caller {
    /// An error unless the caller may do it.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        match &self.scopes {
            Some(scopes) if !scopes.contains(&scope) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                format_args!("the key lacks the scope {:?}", scope.name()),
            )),
            _ => Ok(()),
        }
    }

    /// Its name, for the log.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("anybody")
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(match request.app_data::<web::Data<ApiState>>() {
            Some(state) => state.keys().caller(request),
            None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no keys are configured here")),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn keys<const COUNT: usize>(secrets: [(&str, &str); COUNT]) -> Result<Keys, KeyError> {
        let mut keys = Keys { keys: Vec::new(), warning: Warning::every(Duration::ZERO) };
        secrets.iter().try_for_each(|(name, secret)| keys.add(name, secret, Some(vec![Scope::Read])))?;
        Ok(keys)
    }

    #[test]
    fn keys_are_found_by_their_secret_only() {
        let keys = keys([("a", "aaaaaaaaaaaaaaaa"), ("b", "bbbbbbbbbbbbbbbb")]).expect("good keys");
        let name = |secret: &str| keys.find(secret.as_bytes()).map(|key| key.name.to_string());
        assert_eq!(name("aaaaaaaaaaaaaaaa").as_deref(), Some("a"));
        assert_eq!(name("bbbbbbbbbbbbbbbb").as_deref(), Some("b"));
        assert_eq!(name("aaaaaaaaaaaaaaab"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(matches!(keys([("a", "short")]), Err(KeyError::Short(_))));
        assert!(matches!(keys([("a", "with a space in it")]), Err(KeyError::NotPlain(_))));
        let same = keys([("a", "aaaaaaaaaaaaaaaa"), ("b", "aaaaaaaaaaaaaaaa")]);
        assert!(matches!(same, Err(KeyError::Same(..))));
    }

    #[test]
    fn only_addresses_are_hosts_without_keys() {
        let is = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
            is_for_an_address(&headers)
        };
        for good in ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]:80"] {
            assert!(is(good), "{good}");
        }
        for bad in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert!(!is(bad), "{bad}");
        }
        assert!(!is_for_an_address(&HeaderMap::new()));
    }
}

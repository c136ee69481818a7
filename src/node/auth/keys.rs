//! The keys that verify tokens, each with the one algorithm that it is for.

use std::path::PathBuf;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::options::{Algorithm as Configured, AuthOptions};
use crate::node::config::SecretError;

/// A key, and what it is good for.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    /// In a JWK set.
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum KeyError {
    #[error("auth.secret: {0}")]
    Secret(#[from] SecretError),
    #[error("auth.secret: {algorithm:?} needs at least {bytes} bytes")]
    Short { algorithm: Algorithm, bytes: usize },
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{} has no public key for {algorithm:?} (PEM)", .file.display())]
    Pem { file: PathBuf, algorithm: Algorithm },
    #[error("{0} has no key that can be used")]
    NoKeys(String),
    #[error("auth.jwks_url: {0}")]
    Fetch(String),
}

impl Key {
    /// The configured one; none if it is in a JWK set. Blocks for as long as reading a small file does.
    pub(super) fn configured(options: &AuthOptions) -> Result<Option<Self>, KeyError> {
        let Some(configured) = options.algorithm else { return Ok(None) };
        let algorithm = Algorithm::from(configured);
        if let Some(secret) = &options.secret {
            let secret = secret.read()?;
            // RFC 7518, section 3.2: at least as long as the hash.
            let bytes = match configured {
                Configured::HS256 => 32,
                Configured::HS384 => 48,
                _ => 64,
            };
            if secret.len() < bytes {
                return Err(KeyError::Short { algorithm, bytes });
            }
            return Ok(Some(Self { algorithm, id: None, key: DecodingKey::from_secret(secret.as_bytes()) }));
        }
        let Some(file) = &options.public_key else { return Ok(None) };
        let pem = std::fs::read(file).map_err(|source| KeyError::File { file: file.clone(), source })?;
        let key = match configured {
            Configured::EdDSA => DecodingKey::from_ed_pem(&pem),
            Configured::ES256 | Configured::ES384 => DecodingKey::from_ec_pem(&pem),
            _ => DecodingKey::from_rsa_pem(&pem),
        };
        match key {
            Ok(key) if fits(algorithm, &key) => Ok(Some(Self { algorithm, id: None, key })),
            _ => Err(KeyError::Pem { file: file.clone(), algorithm }),
        }
    }

    /// One of a JWK set; none if it does not verify signatures of a kind that is known here. A secret does not belong there.
    pub(super) fn of_set(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|what| *what != PublicKeyUse::Signature) {
            return None;
        }
        let by_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let algorithm = match jwk.common.key_algorithm {
            Some(algorithm) => Algorithm::try_from(algorithm).ok()?,
            None => by_kind,
        };
        // All of an RSA key's algorithms are its own; of any other kind it has one.
        if algorithm.family() != by_kind.family() || (algorithm != by_kind && by_kind != Algorithm::RS256) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        fits(algorithm, &key).then_some(Self { algorithm, id: jwk.common.key_id.clone(), key })
    }
}

/// Whether an elliptic curve's point has the size that the algorithm wants.
fn fits(algorithm: Algorithm, key: &DecodingKey) -> bool {
    let size = match algorithm {
        Algorithm::ES256 => 65,
        Algorithm::ES384 => 97,
        Algorithm::EdDSA => 32,
        _ => return true,
    };
    key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() == size)
}

//! Tokens as an issuer makes them, and as others forge them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// 64 bytes, good for every HMAC.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Seconds since 1970, and so many more or less.
pub(crate) fn seconds(more: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + more
}

/// Header and claims, as they are signed.
fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn with(message: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{message}.{}", BASE64.encode(signature))
}

/// Whatever the header says, signed with HMAC-SHA256.
pub(crate) fn forged(header: &Value, claims: &Value, key: &[u8]) -> String {
    let message = message(header, claims);
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    with(&message, signature)
}

/// HS256, as it should be.
pub(crate) fn token(claims: &Value) -> String {
    forged(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET.as_bytes())
}

/// A token that nobody has signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.", message(&json!({"alg": "none"}), claims))
}

pub(crate) fn hmac_token(algorithm: hmac::Algorithm, name: &str, claims: &Value) -> String {
    let message = message(&json!({"alg": name}), claims);
    let signature = hmac::sign(&hmac::Key::new(algorithm, SECRET.as_bytes()), message.as_bytes());
    with(&message, signature)
}

/// The keys of an issuer that has one of each kind.
pub(crate) struct Issuer {
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

/// What signs nothing but these tests: 2,048 bits, PKCS#8.
const RSA: &[u8] = include_bytes!("rsa.der");

impl Issuer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let ec = |algorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
        };
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            rsa: RsaKeyPair::from_pkcs8(RSA).unwrap(),
        }
    }

    /// Its JWK set, each key with its algorithm in lower case as its id.
    pub(crate) fn set(&self) -> Value {
        let ec = |pair: &EcdsaKeyPair, curve: &str, id: &str| {
            let (x, y) = pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
            json!({"kty": "EC", "crv": curve, "kid": id, "x": BASE64.encode(x), "y": BASE64.encode(y)})
        };
        let RsaPublicKeyComponents::<Vec<u8>> { n, e } = self.rsa.public().into();
        let rsa = |id: &str, algorithm: Value| json!({"kty": "RSA", "use": "sig", "kid": id, "alg": algorithm, "n": BASE64.encode(&n), "e": BASE64.encode(&e)});
        json!({"keys": [
            {"kty": "oct", "kid": "hs256", "k": BASE64.encode(SECRET)},
            {"kty": "something", "kid": "new"},
            ec(&self.p256, "P-256", "es256"),
            ec(&self.p384, "P-384", "es384"),
            {"kty": "OKP", "crv": "Ed25519", "kid": "eddsa", "x": BASE64.encode(self.ed.public_key().as_ref())},
            rsa("rs256", "RS256".into()),
            rsa("ps512", "PS512".into()),
        ]})
    }

    /// A token of that algorithm, with the id of its key.
    pub(crate) fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.token_of(algorithm, &algorithm.to_lowercase(), claims)
    }

    /// The same, whatever key it says it is of.
    pub(crate) fn token_of(&self, algorithm: &str, id: &str, claims: &Value) -> String {
        let message = message(&json!({"alg": algorithm, "kid": id}), claims);
        let random = SystemRandom::new();
        let bytes = message.as_bytes();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(padding, &random, bytes, &mut signature).unwrap();
            signature
        };
        let signature = match algorithm {
            "ES256" => self.p256.sign(&random, bytes).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, bytes).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(bytes).as_ref().to_vec(),
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS512" => rsa(&RSA_PSS_SHA512),
            other => panic!("{other}"),
        };
        with(&message, signature)
    }
}

/// The public part of an RSA key, as a file has it, and a token of it.
pub(crate) const RSA_PUBLIC: &str = include_str!("rsa.pem");

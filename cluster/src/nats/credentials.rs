//! How a client proves who it is, by value or by file. Used by whoever makes [`NatsOptions`](super::NatsOptions).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;

use super::ConnectError;

/// Something that is not to be printed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// The secret itself.
    Value(String),
    /// The file that it is in. White space around it does not belong to it. Read whenever a connection is made, the first time and after each
    /// outage, so that a secret may change.
    File(PathBuf),
}

impl Secret {
    /// A secret in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    async fn read(&self) -> Result<String, ConnectError> {
        let secret = match self {
            Self::Value(secret) => secret.clone(),
            Self::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(secret) => secret.trim().to_owned(),
                Err(error) => return Err(ConnectError::File(path.clone(), error)),
            },
        };
        match self {
            _ if !secret.is_empty() => Ok(secret),
            Self::File(path) => Err(ConnectError::File(path.clone(), io::Error::other("it is empty"))),
            Self::Value(_) => Err(ConnectError::Credentials(io::Error::other("a secret is empty"))),
        }
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::Value(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::Value(secret.to_owned())
    }
}

impl From<&Path> for Secret {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

impl fmt::Debug for Secret {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// How a client proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all, or by what is in the addresses, or by its certificate.
    #[default]
    None,
    /// A token.
    Token(Secret),
    /// A user and the password.
    UserAndPassword(String, Secret),
    /// The seed of an nkey (`SU…`).
    NKey(Secret),
    /// What is in a credentials file: a user's JWT and seed.
    Jwt(Secret),
}

impl Credentials {
    /// Options with which each connection is made with what the files hold by then. What is wrong with them now is an error now.
    pub(super) async fn into_client_options(self) -> Result<ConnectOptions, ConnectError> {
        if self == Self::None {
            return Ok(ConnectOptions::new());
        }
        self.proof(&[]).await?;
        let state = Arc::new((self, AtomicBool::new(false)));
        Ok(ConnectOptions::with_auth_callback(move |nonce| {
            let state = state.clone();
            async move {
                let (credentials, is_said) = &*state;
                let proof = credentials.proof(&nonce).await;
                // Once, however often it is tried.
                let was_said = is_said.swap(proof.is_err(), Ordering::Relaxed);
                proof.map_err(|error| {
                    if !was_said {
                        tracing::error!(%error, "no login for NATS");
                    }
                    AuthError::new(error)
                })
            }
        }))
    }

    /// What the server is told, which has asked for a signature of `nonce`.
    async fn proof(&self, nonce: &[u8]) -> Result<Auth, ConnectError> {
        let mut proof = Auth::new();
        match self {
            Self::None => {}
            Self::Token(token) => proof.token = Some(token.read().await?),
            Self::UserAndPassword(user, password) => {
                (proof.username, proof.password) = (Some(user.clone()), Some(password.read().await?));
            }
            Self::NKey(seed) => {
                let key = key(&seed.read().await?)?;
                proof.nkey = Some(key.public_key());
                proof.signature = Some(key.sign(nonce).map_err(unusable)?);
            }
            Self::Jwt(text) => {
                let text = text.read().await?;
                let [jwt, seed] = blocks(&text).ok_or_else(|| unusable("a JWT and a seed are not there"))?;
                proof.signature = Some(key(seed)?.sign(nonce).map_err(unusable)?);
                proof.jwt = Some(jwt.to_owned());
            }
        }
        Ok(proof)
    }
}

fn key(seed: &str) -> Result<KeyPair, ConnectError> {
    KeyPair::from_seed(seed).map_err(unusable)
}

fn unusable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
    ConnectError::Credentials(io::Error::other(why))
}

/// The first two blocks of a credentials file, which are lines between `-----BEGIN …-----` and `------END …------`: the JWT and the seed.
fn blocks(text: &str) -> Option<[&str; 2]> {
    let mut lines = text.lines().map(str::trim);
    let mut block = || {
        lines.find(|line| line.starts_with("---") && line.contains("BEGIN"))?;
        lines.next().filter(|line| !line.is_empty())
    };
    Some([block()?, block()?])
}

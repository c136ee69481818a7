//! How a client proves who it is, by value or by file. Used by whoever makes [`NatsOptions`](super::NatsOptions).

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;

use super::ConnectError;

/// Something that is not to be printed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// The secret itself.
    Value(String),
    /// The file that it is in. White space around it does not belong to it. Read once, when the connection is made.
    File(PathBuf),
}

impl Secret {
    /// A secret in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    async fn read(self) -> Result<String, ConnectError> {
        let (secret, file) = match self {
            Self::Value(secret) => (secret, None),
            Self::File(path) => match tokio::fs::read_to_string(&path).await {
                Ok(secret) => (secret.trim().to_owned(), Some(path)),
                Err(error) => return Err(ConnectError::File(path, error)),
            },
        };
        match file {
            _ if !secret.is_empty() => Ok(secret),
            Some(path) => Err(ConnectError::File(path, std::io::Error::other("it is empty"))),
            None => Err(ConnectError::Credentials(std::io::Error::other("a secret is empty"))),
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
    pub(super) async fn apply(self, options: ConnectOptions) -> Result<ConnectOptions, ConnectError> {
        Ok(match self {
            Self::None => options,
            Self::Token(token) => options.token(token.read().await?),
            Self::UserAndPassword(user, password) => options.user_and_password(user, password.read().await?),
            Self::NKey(seed) => options.nkey(seed.read().await?),
            Self::Jwt(text) => {
                // The client wants each of its lines to end.
                let text = format!("{}\n", text.read().await?);
                options.credentials(&text).map_err(ConnectError::Credentials)?
            }
        })
    }
}

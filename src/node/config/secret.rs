//! Where a secret is: in a file or in an environment variable, never in the configuration itself.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// What the schema calls it: its environment variable has the secret itself.
pub(super) const FORMAT: &str = "secret";

/// The place of a secret. It never holds the secret, so it can be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Secret {
    /// The file that it is in; white space around it does not belong to it.
    File(PathBuf),
    /// The environment variable that it is in.
    Env(String),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("the environment variable {0} is not set")]
    Unset(String),
    #[error("{0} has an empty secret")]
    Empty(String),
}

impl Secret {
    /// The secret. Blocks for as long as reading a small file does.
    pub(crate) fn read(&self) -> Result<String, SecretError> {
        let (secret, place) = match self {
            Self::File(file) => {
                let secret = std::fs::read_to_string(file)
                    .map_err(|source| SecretError::File { file: file.clone(), source })?;
                (secret.trim().to_owned(), file.display().to_string())
            }
            Self::Env(variable) => {
                let secret = std::env::var(variable).map_err(|_| SecretError::Unset(variable.clone()))?;
                (secret, variable.clone())
            }
        };
        if secret.is_empty() { Err(SecretError::Empty(place)) } else { Ok(secret) }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Place)
    }
}

struct Place;

impl<'de> de::Visitor<'de> for Place {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place of a secret: { file = \"/path\" } or { env = \"VARIABLE\" }")
    }

    // Says nothing of what stands there.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(
            "a secret does not belong into the configuration: say where it is, { file = \"/path\" } or \
             { env = \"VARIABLE\" }",
        ))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let wrong = || de::Error::custom("a secret has either file or env, and nothing else");
        let Some((key, value)) = map.next_entry::<String, String>()? else { return Err(wrong()) };
        let secret = match &*key {
            "file" => Secret::File(value.into()),
            "env" => Secret::Env(value),
            _ => return Err(wrong()),
        };
        if map.next_key::<String>()?.is_some() { Err(wrong()) } else { Ok(secret) }
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "format": FORMAT, "examples": [{ "file": "/run/secrets/name" }] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_stands_elsewhere() {
        let read = serde_json::from_value::<Secret>;
        assert_eq!(read(json!({ "file": "/x" })).expect("a place"), Secret::File("/x".into()));
        assert_eq!(read(json!({ "env": "X" })).expect("a place"), Secret::Env("X".to_owned()));
        let complaint = read(json!("swordfish")).expect_err("inline").to_string();
        assert!(complaint.contains("{ file = ") && !complaint.contains("swordfish"), "{complaint}");
        for bad in [json!({}), json!({ "file": "x", "env": "y" }), json!({ "path": "x" })] {
            assert!(read(bad).is_err());
        }
    }
}

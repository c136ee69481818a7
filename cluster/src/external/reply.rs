//! The one answer to an external message that came with a reply subject. Written by nodes, read by the
//! [`Emitter`](crate::emitter::Emitter). Pure.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::node::NodeId;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// What became of an external message: `{"nodes":3,"sockets":12}` or `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was done.
    Done(Receipt),
    /// It was refused as a whole, and why.
    Refused(String),
}

/// Who took an external message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many nodes took it.
    pub nodes: u64,
    /// How many sockets it concerned, all those nodes together.
    pub sockets: u64,
    /// The nodes that are part of the cluster but did not say in time what they did with it.
    pub missing: Vec<NodeId>,
}

/// Why bytes are no [`Reply`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Not this JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Neither one form nor the other, or too large, or with a node that is none.
    #[error("the answer is neither a receipt nor an error")]
    Form,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nodes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sockets: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Reply {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &[u8]) -> Result<Self, ReplyError> {
        // A list with the fields in order would do for serde.
        if json.len() > MAX_BYTES || !json.trim_ascii_start().starts_with(b"{") {
            return Err(ReplyError::Form);
        }
        match serde_json::from_slice(json)? {
            Wire { nodes: Some(nodes), sockets: Some(sockets), missing, error: None } => {
                let missing = missing.unwrap_or_default();
                let missing: Result<_, _> = missing.iter().map(|id| NodeId::parse(id.as_bytes())).collect();
                Ok(Self::Done(Receipt { nodes, sockets, missing: missing.map_err(|_| ReplyError::Form)? }))
            }
            Wire { nodes: None, sockets: None, missing: None, error: Some(error) } => {
                Ok(Self::Refused(error))
            }
            _ => Err(ReplyError::Form),
        }
    }

    /// Writes it.
    pub fn write(&self) -> Bytes {
        let wire = match self {
            Self::Done(Receipt { nodes, sockets, missing }) => {
                let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let missing = if missing.is_empty() { None } else { Some(missing) };
                Wire { nodes: Some(*nodes), sockets: Some(*sockets), missing, error: None }
            }
            Self::Refused(error) => {
                Wire { nodes: None, sockets: None, missing: None, error: Some(error.clone()) }
            }
        };
        // Numbers and texts can always be written.
        serde_json::to_vec(&wire).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_documented_and_read_back() {
        let node = NodeId::parse(b"abcdefgh").expect("an id");
        let done = |missing| Reply::Done(Receipt { nodes: 3, sockets: 12, missing });
        for (reply, json) in [
            (done(vec![]), r#"{"nodes":3,"sockets":12}"#),
            (done(vec![node]), r#"{"nodes":3,"sockets":12,"missing":["abcdefgh"]}"#),
            (Reply::Refused("\"x\" is\nwrong".to_owned()), r#"{"error":"\"x\" is\nwrong"}"#),
        ] {
            assert_eq!(reply.write(), json);
            assert_eq!(Reply::read(json.as_bytes()).expect("valid"), reply);
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        for json in [
            "",
            "null",
            "3",
            "[3,12,null,null]",
            "{}",
            r#"{"nodes":3}"#,
            r#"{"sockets":3}"#,
            r#"{"nodes":3,"sockets":-1}"#,
            r#"{"nodes":3,"sockets":1.5}"#,
            r#"{"nodes":3,"nodes":3,"sockets":1}"#,
            r#"{"nodes":3,"sockets":1,"more":1}"#,
            r#"{"nodes":3,"sockets":1,"error":"x"}"#,
            r#"{"error":"x","missing":[]}"#,
            r#"{"error":7}"#,
            r#"{"nodes":3,"sockets":1,"missing":["no id"]}"#,
            r#"{"nodes":3,"sockets":1} x"#,
        ] {
            assert!(Reply::read(json.as_bytes()).is_err(), "{json}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(MAX_BYTES));
        assert!(Reply::read(long.as_bytes()).is_err());
    }
}

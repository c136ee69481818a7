//! The one answer to an external message that came with a reply subject. Written by nodes, read by the
//! [`Emitter`](crate::emitter::Emitter). Pure.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::node::NodeId;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// What became of an external message: `{"nodes":3,"sockets":12}`, `{"members":[…]}` or `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// It was done.
    Done(Receipt),
    /// The nodes of the cluster, the one that answers first.
    Members(Vec<Member>),
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

/// A node, as another one knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id for as long as it runs: the end of the ids of its sockets.
    pub id: String,
    /// What people call it; empty for one that has not introduced itself yet.
    pub name: String,
    /// When it started, in milliseconds since 1970, as far as the clock of the node that answers tells.
    pub since: u64,
    /// How many sockets it has, as of its last sign of life.
    pub sockets: u64,
    /// How many rooms have members there, as of its last sign of life; without the sockets' own.
    pub rooms: u64,
    /// How many cores its process uses, as of its last sign of life: 0.5 is half of one.
    pub load: f64,
    /// Whether it was heard lately.
    pub reachable: bool,
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

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nodes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sockets: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Member>>,
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
            Wire { nodes: Some(nodes), sockets: Some(sockets), missing, members: None, error: None } => {
                let missing = missing.unwrap_or_default();
                let missing: Result<_, _> = missing.iter().map(|id| NodeId::parse(id.as_bytes())).collect();
                Ok(Self::Done(Receipt { nodes, sockets, missing: missing.map_err(|_| ReplyError::Form)? }))
            }
            Wire { nodes: None, sockets: None, missing: None, members: None, error: Some(error) } => {
                Ok(Self::Refused(error))
            }
            Wire { nodes: None, sockets: None, missing: None, members: Some(members), error: None } => {
                Ok(Self::Members(members))
            }
            _ => Err(ReplyError::Form),
        }
    }

    /// Writes it.
    pub fn write(&self) -> Bytes {
        let mut wire = Wire::default();
        match self {
            Self::Done(Receipt { nodes, sockets, missing }) => {
                (wire.nodes, wire.sockets) = (Some(*nodes), Some(*sockets));
                if !missing.is_empty() {
                    wire.missing = Some(missing.iter().map(ToString::to_string).collect());
                }
            }
            Self::Members(members) => wire.members = Some(members.clone()),
            Self::Refused(error) => wire.error = Some(error.clone()),
        }
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
        let member = Member {
            id: "abcdefgh".to_owned(),
            name: "n".to_owned(),
            since: 1,
            sockets: 2,
            rooms: 3,
            load: 0.5,
            reachable: true,
        };
        for (reply, json) in [
            (
                Reply::Members(vec![member]),
                r#"{"members":[{"id":"abcdefgh","name":"n","since":1,"sockets":2,"rooms":3,"load":0.5,"reachable":true}]}"#,
            ),
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
            r#"{"error":"x","members":[]}"#,
            r#"{"nodes":1,"sockets":1,"members":[]}"#,
            r#"{"members":[{"id":"abcdefgh"}]}"#,
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

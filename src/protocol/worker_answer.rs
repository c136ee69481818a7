//! The answer of a worker: JSON with data, or with an error. PROTOCOL.md describes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Args, DecodeError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    attachments: Option<Vec<String>>,
    #[serde(default)]
    error: Option<String>,
}

/// Why an answer is not one with data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerAnswerError {
    /// The worker says so.
    #[error("the worker refuses: {0}")]
    Refused(String),
    /// It is no JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is other JSON.
    #[error("it is neither {{\"data\":[…]}} nor {{\"error\":\"…\"}}")]
    Form,
    /// It has more attachments than a packet may have.
    #[error("more than {0} attachments")]
    TooManyAttachments(usize),
    /// An attachment, by its index, is not base64.
    #[error("attachment {0} is not base64")]
    Attachment(usize),
    /// The data is no list of arguments, or its placeholders do not fit to the attachments.
    #[error("\"data\": {0}")]
    Data(#[from] DecodeError),
}

/// The arguments that a worker answers with.
///
/// # Errors
/// When it answers with an error, or with what is no answer.
pub fn read(answer: &[u8], max_attachments: usize) -> Result<Args, WorkerAnswerError> {
    // A list with the fields in order would do for serde.
    if !answer.trim_ascii_start().starts_with(b"{") {
        return Err(WorkerAnswerError::Form);
    }
    let (data, attachments) = match serde_json::from_slice(answer)? {
        Done { data: Some(data), attachments, error: None } => (data, attachments.unwrap_or_default()),
        Done { data: None, attachments: None, error: Some(error) } => {
            return Err(WorkerAnswerError::Refused(error));
        }
        _ => return Err(WorkerAnswerError::Form),
    };
    if attachments.len() > max_attachments {
        return Err(WorkerAnswerError::TooManyAttachments(max_attachments));
    }
    let mut binaries = Vec::with_capacity(attachments.len());
    for (index, attachment) in attachments.iter().enumerate() {
        let bytes = STANDARD.decode(attachment).map_err(|_| WorkerAnswerError::Attachment(index))?;
        binaries.push(bytes.into());
    }
    Ok(Args::from_json(data.get(), binaries)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn answers_are_data_or_an_error() {
        let ok = |json: &str| read(json.as_bytes(), 2).expect(json);
        assert_eq!(ok(r#"{"data":[1,{"b":1,"a":12345678901234567890123}]}"#).len(), 2);
        assert!(ok(r#" {"data":[]}"#).is_empty());
        let binary = ok(r#"{"data":[{"_placeholder":true,"num":0}],"attachments":["AAEC"]}"#);
        assert_eq!(binary.attachments(), [Bytes::from_static(&[0, 1, 2])]);
        assert_eq!(ok(r#"{"data":[{"_placeholder":true,"num":0}]}"#).attachments().len(), 0, "plain data");
        let refused = read(br#"{"error":"no"}"#, 2);
        assert!(matches!(refused, Err(WorkerAnswerError::Refused(text)) if text == "no"));
    }

    #[test]
    fn anything_else_is_no_answer() {
        let deep = format!(r#"{{"data":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for json in [
            "",
            "null",
            "[[1],null,null]",
            "{}",
            r#"{"data":{"a":1}}"#,
            r#"{"data":null}"#,
            r#"{"data":[1],"error":"x"}"#,
            r#"{"data":[1],"more":1}"#,
            r#"{"data":[1],"data":[1]}"#,
            r#"{"data":[1],"attachments":["?"]}"#,
            r#"{"data":[1],"attachments":["AA==","AA==","AA=="]}"#,
            r#"{"data":[{"_placeholder":true,"num":1}],"attachments":["AA=="]}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"attachments":[]}"#,
            r#"{"data":[1]} x"#,
            &deep,
        ] {
            let read = read(json.as_bytes(), 2);
            assert!(!matches!(read, Ok(_) | Err(WorkerAnswerError::Refused(_))), "{json}");
        }
        assert!(read(b"{\"data\":[\"\xff\"]}", 2).is_err());
    }
}

//! What clients are answered: `{"ok": …}` or `{"error": "…"}`.

use serde::Serialize;

/// An acknowledgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::node) enum Answer<T> {
    Ok(T),
    Error(Problem),
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::node) enum Problem {
    /// No rule permits it to this client.
    #[serde(rename = "not permitted")]
    NotPermitted,
    /// The arguments are not those of this event.
    #[serde(rename = "invalid arguments")]
    Arguments,
    /// The name is empty, too long, or that of a socket.
    #[serde(rename = "invalid room")]
    Room,
    /// The name of the event is empty, reserved, or one that only the server sends.
    #[serde(rename = "invalid event")]
    Event,
    /// The client is in as many rooms as it may be.
    #[serde(rename = "too many rooms")]
    TooManyRooms,
    /// Too many are asking at this moment.
    #[serde(rename = "busy")]
    Busy,
    /// It cannot be done now.
    #[serde(rename = "unavailable")]
    Unavailable,
}

impl<T> From<Result<T, Problem>> for Answer<T> {
    fn from(result: Result<T, Problem>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(problem) => Self::Error(problem),
        }
    }
}

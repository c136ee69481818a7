//! Why a client is not let in: what it is told.

use actix_socketio::Refusal;
use serde_json::json;

/// A refusal, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::node) enum Refused {
    #[error("authentication required")]
    Missing,
    #[error("invalid token")]
    Invalid,
    #[error("token expired")]
    Expired,
    #[error("token revoked")]
    Revoked,
    #[error("another user")]
    OtherUser,
    #[error("not allowed")]
    Denied,
    #[error("authentication unavailable")]
    Unavailable,
}

impl Refused {
    /// What programs tell them apart by.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Invalid => "token_invalid",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            Self::OtherUser => "other_user",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::new(refused.to_string()).data(&json!({ "code": refused.code() }))
    }
}

//! `[cookie]`: the cookie that carries the session id, for load balancers that want one.

use actix_socketio::config::CookieConfig;
use actix_web::cookie;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;

/// A cookie with the session id, for load balancers that want one. No node needs it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cookie {
    /// Its name. Without it there is no cookie.
    #[schemars(example = &"io")]
    pub(crate) name: Option<String>,
    /// Its path; an empty one leaves the attribute out.
    pub(crate) path: String,
    /// Whether scripts cannot read it.
    pub(crate) http_only: bool,
    /// Its attribute SameSite: lax, strict or none.
    pub(crate) same_site: SameSite,
    /// Whether it is sent over TLS only.
    pub(crate) secure: bool,
    /// How long a browser keeps it. Without it: until the browser is closed.
    #[schemars(example = "24h")]
    pub(crate) max_age: Option<Period>,
}

/// The attribute SameSite.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum SameSite {
    Lax,
    Strict,
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        let cookie = CookieConfig::default();
        Self {
            name: None,
            path: cookie.path.unwrap_or_default(),
            http_only: cookie.http_only,
            same_site: SameSite::Lax,
            secure: cookie.secure,
            max_age: None,
        }
    }
}

impl Cookie {
    /// What the library is to send.
    pub(crate) fn to_library(&self) -> Option<CookieConfig> {
        Some(CookieConfig {
            name: self.name.clone()?,
            path: Some(self.path.clone()).filter(|path| !path.is_empty()),
            http_only: self.http_only,
            same_site: Some(match self.same_site {
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::None => cookie::SameSite::None,
            }),
            secure: self.secure,
            max_age: self.max_age.map(Into::into),
        })
    }
}

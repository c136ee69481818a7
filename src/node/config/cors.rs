//! `[cors]`: which web pages may use the node from a browser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;

/// Which web pages may use the node from a browser, by polling and by websocket alike. Programs that are no browsers send no
/// Origin and are not asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cors {
    /// Origins such as "https://example.com", or "*" for any. Without one: pages that this very server has served, and on loopback
    /// those that this machine has. SIGHUP reloads it.
    pub(crate) origins: Vec<String>,
    /// Whether requests may carry cookies.
    pub(crate) credentials: bool,
    /// Request headers that are allowed beyond the simple ones; without one, those that are asked for.
    pub(crate) allowed_headers: Vec<String>,
    /// How long a browser may remember the answer. Without it: as it likes.
    #[schemars(example = "1h")]
    pub(crate) max_age: Option<Period>,
}

impl Cors {
    /// Whether any page is allowed.
    pub(crate) fn is_any(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }

    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if self.is_any() && self.credentials {
            found.add("credentials", "cookies exclude the origin \"*\": list the origins");
        }
        if self.is_any() && self.origins.len() > 1 {
            found.add("origins", "\"*\" stands alone");
        }
        for origin in self.origins.iter().filter(|origin| *origin != "*") {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            if authority.is_none_or(|authority| authority.is_empty() || authority.contains(['/', '*', ' '])) {
                let hint =
                    "an origin is a scheme, a host and perhaps a port, such as \"https://example.com\"";
                found.add("origins", format!("{origin:?}: {hint}"));
            }
        }
    }
}

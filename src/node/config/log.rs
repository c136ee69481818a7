//! `[log]`: what is written to stderr, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::problem::Findings;

/// What is written to stderr, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Levels by module, such as "warn,actix_socketio=debug".
    #[schemars(extend("x-env" = "RUST_LOG"))]
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,actix_server=warn".to_owned() }
    }
}

impl Log {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            found.add("filter", error);
        }
    }
}

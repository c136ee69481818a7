//! `[log]`: what is written to stderr, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::problem::Findings;

/// What is written to stderr, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Levels by module, such as "warn,actix_socketio=debug". SIGHUP reloads it.
    #[schemars(extend("x-env" = "RUST_LOG"))]
    pub(crate) filter: String,
    /// text, or json: one object a line, with timestamp, level, target, message and the fields of the event.
    pub(crate) format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,actix_server=warn,async_nats=off".to_owned(), format: LogFormat::Text }
    }
}

impl Log {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            found.add("filter", error);
        }
    }
}

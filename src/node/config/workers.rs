//! `[workers]`: events that are handed to workers on NATS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;

/// Events that are handed to workers on NATS (cluster/PROTOCOL.md).
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Workers {
    /// How long a worker may take to answer.
    #[schemars(extend("x-env" = "SOCKETIO_WORKER_TIMEOUT"))]
    pub(crate) timeout: Period,
    /// The events.
    pub(crate) events: Vec<WorkerEvent>,
}

/// An event that workers handle.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkerEvent {
    /// The namespace, with its slash.
    #[schemars(example = "/")]
    pub(crate) namespace: String,
    /// The event's name.
    #[schemars(example = &"order")]
    pub(crate) event: String,
}

impl Default for Workers {
    fn default() -> Self {
        Self { timeout: Period::seconds(10), events: Vec::new() }
    }
}

impl Workers {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.is_not_zero("timeout", self.timeout.is_zero());
        for WorkerEvent { namespace, .. } in &self.events {
            if !namespace.starts_with('/') {
                found.add("events", format!("the namespace {namespace:?} does not begin with a slash"));
            }
        }
    }
}

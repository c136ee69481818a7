//! `[telemetry]`: where traces go.

use actix_web::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::Findings;
use crate::node::config::period::Period;
use crate::node::config::secret::Secret;

/// Traces, by OpenTelemetry (docs/tracing.md). Workers, webhooks and the backend are told which trace they act for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct TelemetryOptions {
    /// The collector, which takes OTLP over HTTP: its address, to which /v1/traces is added. Without it: nothing is traced.
    #[schemars(example = &"http://127.0.0.1:4318", extend("x-env" = "OTEL_EXPORTER_OTLP_ENDPOINT"))]
    pub(super) endpoint: Option<String>,
    /// Headers for the collector, such as a key: "name=value,name=value", with %XX for what is special. Without it: none.
    #[schemars(extend("x-env" = "OTEL_EXPORTER_OTLP_HEADERS"))]
    pub(super) headers: Option<Secret>,
    /// The part of the traces that is recorded, of those that begin here: from 0 to 1. What others began is recorded if they say so.
    pub(super) sampling: f64,
    /// What the node is called there.
    #[schemars(extend("x-env" = "OTEL_SERVICE_NAME"))]
    pub(super) service_name: String,
    /// How long the collector may take to answer.
    pub(super) timeout: Period,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            sampling: 1.0,
            service_name: "actix-socketio".to_owned(),
            timeout: Period::seconds(10),
        }
    }
}

impl TelemetryOptions {
    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        if let Some(endpoint) = &self.endpoint {
            let url = endpoint.parse::<Uri>().ok();
            let authority = url.as_ref().and_then(Uri::authority);
            let scheme = url.as_ref().and_then(Uri::scheme_str);
            if !matches!(scheme, Some("http" | "https")) {
                found.add("endpoint", "no http or https URL");
            } else if authority.is_some_and(|authority| authority.as_str().contains('@')) {
                found.add("endpoint", "a secret belongs into headers");
            } else if url.as_ref().and_then(Uri::query).is_some() {
                found.add("endpoint", "an address without a query: /v1/traces is added");
            }
            if cfg!(not(feature = "otel")) {
                found.add("endpoint", "this program was built without the feature otel: it cannot trace");
            }
        }
        if !(0.0..=1.0).contains(&self.sampling) {
            found.add("sampling", "a part is from 0 to 1");
        }
        found.is_not_zero("timeout", self.timeout.is_zero());
    }
}

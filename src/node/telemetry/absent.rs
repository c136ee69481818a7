//! In place of `otel` when the node is built without that feature: there are no spans, and the configuration refuses to have any.

use std::sync::Arc;
use std::time::Duration;

use actix_socketio::trace::{Operation, Parent, Span, TraceContext, Tracer};

use super::{SpanCounters, TelemetryError, TelemetryOptions, Value, Work};

/// There is none.
pub(super) enum Otel {}

/// There is none.
pub(super) enum Nobody {}

/// There is none.
pub(in crate::node) enum Recording {}

impl Otel {
    pub(super) fn start(
        _: &TelemetryOptions,
        _: &str,
        _: &Arc<SpanCounters>,
    ) -> Result<Option<Self>, TelemetryError> {
        Ok(None)
    }

    pub(super) fn tracer(self: &Arc<Self>) -> Nobody {
        match **self {}
    }

    pub(super) fn samples(&self) -> bool {
        match *self {}
    }

    pub(super) fn begin(&self, _: Work<'_>, _: Option<&TraceContext>) -> Recording {
        match *self {}
    }

    pub(super) async fn finish(&self, _: Duration) {
        match *self {}
    }
}

impl Tracer for Nobody {
    fn begin(&self, _: &Operation<'_>, _: Parent<'_>) -> Option<Box<dyn Span>> {
        match *self {}
    }
}

impl Recording {
    pub(in crate::node) fn context(&self) -> TraceContext {
        match *self {}
    }

    pub(in crate::node) fn set(&mut self, _: &'static str, _: Value<'_>) {
        match *self {}
    }

    pub(in crate::node) fn rename(&mut self, _: String) {
        match *self {}
    }

    pub(in crate::node) fn link(&mut self, _: &TraceContext) {
        match *self {}
    }

    pub(in crate::node) fn failed(&mut self, _: &str) {
        match *self {}
    }
}

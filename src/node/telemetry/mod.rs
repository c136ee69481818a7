//! Tracing: what the node does, as spans that a collector is told of (docs/tracing.md), and the context that goes out with requests.
//!
//! Off unless a collector is configured; then nothing of this costs anything. What an operation is part of is decided where it begins: one
//! that is not sampled makes no span at all. The rest of the node knows [`Telemetry`] only, whether the feature `otel` is there or not.

#![cfg_attr(not(feature = "otel"), allow(dead_code, unreachable_code, reason = "there are no spans then"))]

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod counted;
#[cfg(feature = "otel")]
mod courier;
#[cfg(feature = "otel")]
mod headers;
mod options;
#[cfg(feature = "otel")]
mod otel;
mod request;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use actix_socketio::SocketIoBuilder;
use actix_socketio::trace::TraceContext;

#[cfg(not(feature = "otel"))]
use self::absent as otel;
pub(in crate::node) use self::options::TelemetryOptions;
use self::otel::Otel;
pub(in crate::node) use self::otel::Recording;
pub(in crate::node) use self::request::traced;
use super::config::SecretError;

/// Why nothing can be traced.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum TelemetryError {
    #[error("telemetry.headers: {0}")]
    Secret(#[from] SecretError),
    #[error("telemetry.headers is not a list of name=value, with commas between them")]
    Headers,
    #[cfg(feature = "otel")]
    #[error("telemetry: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// How a span stands to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Kind {
    /// Asked for from outside.
    Server,
    /// Asks somebody outside.
    Client,
    /// Takes a message.
    Consumer,
    Internal,
}

/// What a span says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

/// What is to be a span.
#[derive(Clone, Debug)]
pub(in crate::node) struct Work<'a> {
    pub(in crate::node) name: &'static str,
    pub(in crate::node) kind: Kind,
    pub(in crate::node) attributes: Vec<(&'static str, Value<'a>)>,
}

/// What became of spans since the node started.
#[derive(Debug, Default)]
pub(in crate::node) struct SpanCounters {
    /// Those that the collector has yet to take.
    pub(in crate::node) waiting: AtomicUsize,
    /// Those that it took.
    pub(in crate::node) delivered: AtomicU64,
    /// Those that it did not take.
    pub(in crate::node) failed: AtomicU64,
    /// Those that did not fit into the queue.
    pub(in crate::node) overflowed: AtomicU64,
}

/// Who is told of spans, if anybody is. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::node) struct Telemetry {
    otel: Option<Arc<Otel>>,
    counters: Arc<SpanCounters>,
}

impl Telemetry {
    /// As configured. On the node's main thread; `node` is its name.
    pub(in crate::node) fn start(options: &TelemetryOptions, node: &str) -> Result<Self, TelemetryError> {
        let counters = Arc::default();
        Ok(Self { otel: Otel::start(options, node, &counters)?.map(Arc::new), counters })
    }

    /// Has the server tell what it does.
    pub(in crate::node) fn register(&self, builder: SocketIoBuilder) -> SocketIoBuilder {
        match &self.otel {
            Some(otel) => builder.tracer(otel.tracer()),
            None => builder,
        }
    }

    /// Whether anybody is told.
    pub(in crate::node) fn is_on(&self) -> bool {
        self.otel.is_some()
    }

    pub(in crate::node) fn counters(&self) -> &SpanCounters {
        &self.counters
    }

    /// Begins a span; none if it is not recorded. With a parent that decides, without one chance does.
    pub(in crate::node) fn begin<'a>(
        &self,
        parent: Option<&TraceContext>,
        work: impl FnOnce() -> Work<'a>,
    ) -> Option<Recording> {
        let otel = self.otel.as_ref()?;
        let is_recorded = parent.map_or_else(|| otel.samples(), TraceContext::is_sampled);
        is_recorded.then(|| otel.begin(work(), parent))
    }

    /// Tells what was not told yet, if that takes no longer than so.
    pub(in crate::node) async fn finish(&self, deadline: Duration) {
        if let Some(otel) = &self.otel {
            otel.finish(deadline).await;
        }
    }
}

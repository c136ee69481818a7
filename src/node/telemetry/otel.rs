//! Spans by OpenTelemetry: what is recorded waits in a bounded queue for a thread that tells the collector.
//!
//! What does not fit is lost. A span is made only for what is recorded, so that the rest costs a random number.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::trace::{Operation, Parent, Span, TraceContext, Tracer};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};

use super::counted::{MAX_WAITING, Told, Waiting};
use super::courier::Courier;
use super::headers::headers_of;
use super::{Kind, SpanCounters, TelemetryError, TelemetryOptions, Value, Work};

/// The longest text of an attribute: names come from clients.
const MAX_TEXT: usize = 256;

/// See the module's documentation.
pub(super) struct Otel {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Of how many random numbers below 2^32 a trace begins.
    threshold: u64,
}

thread_local! {
    static RANDOM: Cell<u64> = Cell::new(getrandom::u64().unwrap_or(1));
}

/// Good enough for a choice, and quick (SplitMix64).
fn random() -> u64 {
    RANDOM.with(|state| {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut mixed = state.get();
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

impl Otel {
    pub(super) fn start(
        options: &TelemetryOptions,
        node: &str,
        counters: &Arc<SpanCounters>,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = &options.endpoint else { return Ok(None) };
        let headers = match &options.headers {
            Some(headers) => headers_of(&headers.read()?).ok_or(TelemetryError::Headers)?,
            None => Vec::new(),
        };
        let timeout = options.timeout.into();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::start(timeout))
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(timeout)
            .with_headers(headers.into_iter().collect())
            .build()?;
        // With what OTEL_RESOURCE_ATTRIBUTES says.
        let resource = Resource::builder()
            .with_service_name(options.service_name.clone())
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
                KeyValue::new("socketio.node", node.to_owned()),
            ])
            .build();
        // With what OTEL_BSP_SCHEDULE_DELAY and OTEL_BSP_MAX_EXPORT_BATCH_SIZE say.
        let batches = BatchConfigBuilder::default().with_max_queue_size(2 * MAX_WAITING).build();
        let exporter = Told { exporter, counters: counters.clone() };
        let queue = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // Decided before.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(Waiting { queue, counters: counters.clone() })
            .build();
        tracing::info!(endpoint, sampling = options.sampling, "traces are told to a collector");
        let threshold = (options.sampling * 2_f64.powi(32)) as u64;
        Ok(Some(Self { tracer: provider.tracer("actix-socketio"), provider, threshold }))
    }

    pub(super) fn tracer(self: &Arc<Self>) -> impl Tracer + use<> {
        Server(self.clone())
    }

    /// Whether a trace that begins now is recorded.
    pub(super) fn samples(&self) -> bool {
        random() >> 32 < self.threshold
    }

    pub(super) fn begin(&self, work: Work<'_>, parent: Option<&TraceContext>) -> Recording {
        let kind = match work.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        };
        let attributes = work.attributes.into_iter().map(|(key, value)| attribute(key, value));
        let builder = self
            .tracer
            .span_builder(work.name)
            .with_kind(kind)
            .with_attributes(attributes.collect::<Vec<_>>());
        let within = match parent {
            Some(parent) => Context::new().with_remote_span_context(span_context(parent)),
            None => Context::new(),
        };
        Recording(self.tracer.build_with_context(builder, &within))
    }

    pub(super) async fn finish(&self, deadline: Duration) {
        let provider = self.provider.clone();
        // Waits for the thread, which waits for this one.
        let finished = actix_web::web::block(move || provider.shutdown_with_timeout(deadline));
        match tokio::time::timeout(deadline, finished).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the node ends before all spans were told"),
            _ => tracing::warn!("the node ends before all spans were told"),
        }
    }
}

/// What the server does.
struct Server(Arc<Otel>);

impl Tracer for Server {
    fn begin(&self, operation: &Operation<'_>, parent: Parent<'_>) -> Option<Box<dyn Span>> {
        let (is_recorded, parent) = match parent {
            Parent::None => (self.0.samples(), None),
            Parent::Unsampled => (false, None),
            Parent::Of(parent) => (parent.is_sampled(), Some(parent)),
        };
        is_recorded.then(|| -> Box<dyn Span> { Box::new(self.0.begin(work(operation), parent)) })
    }
}

fn work<'a>(operation: &Operation<'a>) -> Work<'a> {
    match *operation {
        Operation::Handshake { transport } => Work {
            name: "socketio handshake",
            kind: Kind::Server,
            attributes: vec![("socketio.transport", transport.into())],
        },
        Operation::Connect { namespace } => Work {
            name: "socketio connect",
            kind: Kind::Server,
            attributes: vec![("socketio.namespace", namespace.into())],
        },
        Operation::Event { namespace, event, sid } => {
            Work { name: "socketio event", kind: Kind::Server, attributes: of_event(namespace, event, sid) }
        }
        Operation::HandOver { namespace, event, sid } => {
            let mut attributes = of_event(namespace, event, sid);
            attributes.push(("messaging.system", "nats".into()));
            Work { name: "socketio hand over", kind: Kind::Client, attributes }
        }
        Operation::External { action, namespace } => Work {
            name: "socketio external",
            kind: Kind::Consumer,
            attributes: vec![
                ("socketio.action", action.into()),
                ("socketio.namespace", namespace.into()),
                ("messaging.system", "nats".into()),
            ],
        },
        _ => Work { name: "socketio", kind: Kind::Internal, attributes: Vec::new() },
    }
}

fn of_event<'a>(namespace: &'a str, event: &'a str, sid: &'a str) -> Vec<(&'static str, Value<'a>)> {
    vec![
        ("socketio.namespace", namespace.into()),
        ("socketio.event", event.into()),
        ("socketio.sid", sid.into()),
    ]
}

/// A span. It ends when it is dropped.
pub(in crate::node) struct Recording(opentelemetry_sdk::trace::Span);

impl Recording {
    /// What others continue.
    pub(in crate::node) fn context(&self) -> TraceContext {
        let context = self.0.span_context();
        let (trace, span) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
        // One that is recorded has ids.
        let made = TraceContext::new(trace, span, true).unwrap_or_else(TraceContext::unsampled);
        made.with_state(&context.trace_state().header())
    }

    pub(in crate::node) fn set(&mut self, key: &'static str, value: Value<'_>) {
        self.0.set_attribute(attribute(key, value));
    }

    pub(in crate::node) fn rename(&mut self, name: String) {
        self.0.update_name(name);
    }

    /// It belongs together with that one, too.
    pub(in crate::node) fn link(&mut self, other: &TraceContext) {
        self.0.add_link(span_context(other), Vec::new());
    }

    /// It could not be done.
    pub(in crate::node) fn failed(&mut self, why: &str) {
        self.0.set_status(Status::error(short(why).to_owned()));
    }
}

impl Span for Recording {
    fn context(&self) -> TraceContext {
        Self::context(self)
    }

    fn failed(&mut self, why: &str) {
        Self::failed(self, why);
    }
}

fn span_context(context: &TraceContext) -> SpanContext {
    let state = context.state().and_then(|state| state.parse::<TraceState>().ok());
    SpanContext::new(
        TraceId::from_bytes(context.trace_id()),
        SpanId::from_bytes(context.span_id()),
        if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() },
        true,
        state.unwrap_or_default(),
    )
}

fn attribute(key: &'static str, value: Value<'_>) -> KeyValue {
    match value {
        Value::Text(text) => KeyValue::new(key, short(&text).to_owned()),
        Value::Number(number) => KeyValue::new(key, number),
    }
}

fn short(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_recorded_is_about_what_was_asked_for() {
        let count = |part: f64| {
            let threshold = (part * 2_f64.powi(32)) as u64;
            (0..10_000).filter(|_| random() >> 32 < threshold).count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((800..1200).contains(&count(0.1)));
    }

    #[test]
    fn texts_are_short() {
        assert_eq!(short("ä"), "ä");
        assert_eq!(short(&"ä".repeat(1000)), "ä".repeat(128));
        assert_eq!(short(&format!("x{}", "ä".repeat(1000))).len(), 255);
    }
}

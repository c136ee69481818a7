//! What becomes of spans, counted: how many the collector took, how many were lost on the way, and how many wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use super::SpanCounters;

/// Spans that wait, those that are being told included. More are lost.
pub(super) const MAX_WAITING: usize = 2048;

/// An exporter whose batches are counted.
#[derive(Debug)]
pub(super) struct Told<E> {
    pub(super) exporter: E,
    pub(super) counters: Arc<SpanCounters>,
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let told = self.exporter.export(batch).await;
        self.counters.waiting.fetch_sub(count, Relaxed);
        let outcome = if told.is_ok() { &self.counters.delivered } else { &self.counters.failed };
        outcome.fetch_add(count as u64, Relaxed);
        told
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The queue before it: its own, which is larger, never overflows.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) queue: BatchSpanProcessor,
    pub(super) counters: Arc<SpanCounters>,
}

impl SpanProcessor for Waiting {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.counters.waiting.fetch_add(1, Relaxed) >= MAX_WAITING {
            self.counters.waiting.fetch_sub(1, Relaxed);
            self.counters.overflowed.fetch_add(1, Relaxed);
            return;
        }
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

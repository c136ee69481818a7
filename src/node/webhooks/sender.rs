//! Posts what waits for one webhook, one request at a time and in order, until its server has taken it.
//!
//! On the node's main thread; it ends when its queue is closed and empty.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_socketio::trace::TraceContext;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;

use super::backoff::Backoff;
use super::options::WebhookOptions;
use super::queue::{Batch, Counters};
use super::settings::Settings;
use super::webhook::Webhook;
use crate::node::telemetry::{Kind, Recording, Telemetry, Value, Work};

/// The time of the request, in seconds since 1970: part of what is signed.
const TIMESTAMP: &str = "X-SocketIO-Timestamp";
const SIGNATURE: &str = "X-SocketIO-Signature";
/// The same for every attempt to post one batch.
const DELIVERY: &str = "X-SocketIO-Delivery";
/// A failing webhook is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// See the module's documentation.
pub(super) struct Sender {
    pub(super) webhook: Arc<Webhook>,
    /// The id of this node.
    pub(super) node: String,
    pub(super) telemetry: Telemetry,
}

/// A request that is made until it is taken.
struct Delivery {
    /// Its id.
    id: String,
    body: String,
    count: usize,
    /// What the records in it belong to.
    traces: Vec<TraceContext>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum PostError {
    /// The server does not want it, now or later.
    #[error("answered {0}")]
    Refused(StatusCode),
    /// The server may take it later.
    #[error("answered {status}")]
    Busy { status: StatusCode, retry_after: Option<Duration> },
    #[error("{0}")]
    Unreachable(String),
}

impl Sender {
    pub(super) async fn run(self) {
        // Its time is that of the settings.
        let client = awc::Client::builder().disable_redirects().disable_timeout().finish();
        let queue = &self.webhook.queue;
        let mut number = 0_u64;
        let mut logged: Option<Instant> = None;
        while queue.has_some().await {
            let WebhookOptions { gather, batch, .. } = self.webhook.settings.load().options;
            // A timeout is what this usually ends with.
            let _ = tokio::time::timeout(gather.into(), queue.has(batch)).await;
            let Batch { records, count, traces } = queue.batch(batch);
            number += 1;
            let id = format!("{}-{number}", self.node);
            let body = format!(r#"{{"node":"{}","delivery":"{id}","records":[{records}]}}"#, self.node);
            drop(records);
            self.deliver(&client, &Delivery { id, body, count, traces }, &mut logged).await;
            queue.done();
        }
    }

    /// Returns when the batch needs not be posted again.
    async fn deliver(&self, client: &awc::Client, delivery: &Delivery, logged: &mut Option<Instant>) {
        let (begin, count, counters) = (Instant::now(), delivery.count, &self.webhook.counters);
        let mut failures = 0;
        loop {
            let settings = self.webhook.settings.load_full();
            let options = &settings.options;
            let error = match self.post(client, &settings, delivery).await {
                Ok(()) => {
                    if logged.take().is_some() {
                        tracing::info!(webhook = &*options.name, "the webhook takes events again");
                    }
                    return Counters::add(&counters.delivered, count);
                }
                Err(error) => error,
            };
            let log = |logged: &mut Option<Instant>, what: &'static str| {
                if logged.is_none_or(|at| at.elapsed() > LOG_EVERY) {
                    *logged = Some(Instant::now());
                    let waiting = self.webhook.queue.len();
                    tracing::warn!(webhook = &*options.name, %error, waiting, what);
                }
            };
            let retry_after = match &error {
                PostError::Refused(_) => {
                    log(logged, "the webhook refuses events: they are dropped");
                    return Counters::add(&counters.refused, count);
                }
                PostError::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
                PostError::Unreachable(_) => Duration::ZERO,
            };
            let max_backoff = options.max_backoff.into();
            let pause = Backoff::new(options.backoff.into(), max_backoff, failures).pause();
            let pause = pause.max(retry_after.min(max_backoff));
            failures += 1;
            if begin.elapsed() + pause > Duration::from(options.retry_for) {
                log(logged, "the webhook fails for too long: events are dropped");
                return Counters::add(&counters.expired, count);
            }
            log(logged, "the webhook fails; it is tried again");
            Counters::add(&counters.retries, 1);
            // At once, with other settings.
            let _ = tokio::time::timeout(pause, self.webhook.changed.notified()).await;
        }
    }

    async fn post(
        &self,
        client: &awc::Client,
        settings: &Settings,
        Delivery { id, body, count, traces }: &Delivery,
    ) -> Result<(), PostError> {
        let options = &settings.options;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut request = client
            .post(&options.url)
            .timeout(options.timeout.into())
            .content_type("application/json")
            .insert_header((TIMESTAMP, now))
            .insert_header((DELIVERY, &**id));
        if let Some(key) = &settings.key {
            request = request.insert_header((SIGNATURE, key.sign(now, body)));
        }
        let mut span = self.span(&options.name, *count, traces);
        if self.telemetry.is_on() {
            let trace = span.as_ref().map_or_else(TraceContext::unsampled, Recording::context);
            for header in trace.headers() {
                request = request.insert_header(header);
            }
        }
        let posted = outcome(request.send_body(body.clone()).await);
        if let Some(span) = &mut span
            && let Err(error) = &posted
        {
            span.failed(&error.to_string());
        }
        posted
    }

    /// The span of a request: part of the trace of one of its records, together with those of the others.
    fn span(&self, webhook: &str, count: usize, traces: &[TraceContext]) -> Option<Recording> {
        let (first, others) = traces.split_first()?;
        let mut span = self.telemetry.begin(Some(first), || Work {
            name: "webhook",
            kind: Kind::Client,
            attributes: vec![
                ("http.request.method", "POST".into()),
                ("socketio.webhook", webhook.into()),
                ("socketio.records", Value::Number(i64::try_from(count).unwrap_or(i64::MAX))),
            ],
        })?;
        others.iter().for_each(|other| span.link(other));
        Some(span)
    }
}

fn outcome(
    answered: Result<awc::ClientResponse<impl Sized>, awc::error::SendRequestError>,
) -> Result<(), PostError> {
    let answer = answered.map_err(|error| PostError::Unreachable(error.to_string()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    // Timeout, too early, too many.
    let is_later = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
    if !is_later {
        return Err(PostError::Refused(status));
    }
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    Err(PostError::Busy { status, retry_after })
}

//! Posts what waits for one webhook, one request at a time and in order, until its server has taken it.
//!
//! On the node's main thread; it ends when its queue is closed and empty.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;

use super::backoff::Backoff;
use super::options::WebhookOptions;
use super::queue::{Counters, Queue};
use super::signature::Key;

/// The time of the request, in seconds since 1970: part of what is signed.
const TIMESTAMP: &str = "X-SocketIO-Timestamp";
const SIGNATURE: &str = "X-SocketIO-Signature";
/// The same for every attempt to post one batch.
const DELIVERY: &str = "X-SocketIO-Delivery";
/// A failing webhook is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// See the module's documentation.
pub(super) struct Sender {
    pub(super) options: WebhookOptions,
    pub(super) key: Option<Key>,
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    /// The id of this node.
    pub(super) node: String,
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
        let client = awc::Client::builder().disable_redirects().timeout(self.options.timeout.into()).finish();
        let mut number = 0_u64;
        let mut logged: Option<Instant> = None;
        while self.queue.has_some().await {
            // A timeout is what this usually ends with.
            let _ =
                tokio::time::timeout(self.options.gather.into(), self.queue.has(self.options.batch)).await;
            let (records, count) = self.queue.batch(self.options.batch);
            number += 1;
            let delivery = format!("{}-{number}", self.node);
            let body = format!(r#"{{"node":"{}","delivery":"{delivery}","records":[{records}]}}"#, self.node);
            drop(records);
            self.deliver(&client, &delivery, body, count, &mut logged).await;
            self.queue.done();
        }
    }

    /// Returns when the batch needs not be posted again.
    async fn deliver(
        &self,
        client: &awc::Client,
        delivery: &str,
        body: String,
        count: usize,
        logged: &mut Option<Instant>,
    ) {
        let (begin, name) = (Instant::now(), &*self.options.name);
        let mut backoff = Backoff::new(self.options.backoff.into(), self.options.max_backoff.into());
        loop {
            let error = match self.post(client, delivery, &body).await {
                Ok(()) => {
                    if logged.take().is_some() {
                        tracing::info!(webhook = name, "the webhook takes events again");
                    }
                    return Counters::add(&self.counters.delivered, count);
                }
                Err(error) => error,
            };
            let retry_after = match &error {
                PostError::Refused(_) => {
                    self.log(logged, &error, "the webhook refuses events: they are dropped");
                    return Counters::add(&self.counters.refused, count);
                }
                PostError::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
                PostError::Unreachable(_) => Duration::ZERO,
            };
            let pause = backoff.pause().max(retry_after.min(self.options.max_backoff.into()));
            if begin.elapsed() + pause > Duration::from(self.options.retry_for) {
                self.log(logged, &error, "the webhook fails for too long: events are dropped");
                return Counters::add(&self.counters.expired, count);
            }
            self.log(logged, &error, "the webhook fails; it is tried again");
            Counters::add(&self.counters.retries, 1);
            tokio::time::sleep(pause).await;
        }
    }

    fn log(&self, logged: &mut Option<Instant>, error: &PostError, what: &'static str) {
        if logged.is_none_or(|at| at.elapsed() > LOG_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!(webhook = &*self.options.name, %error, waiting = self.queue.len(), what);
        }
    }

    async fn post(&self, client: &awc::Client, delivery: &str, body: &str) -> Result<(), PostError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut request = client
            .post(&self.options.url)
            .content_type("application/json")
            .insert_header((TIMESTAMP, now))
            .insert_header((DELIVERY, delivery));
        if let Some(key) = &self.key {
            request = request.insert_header((SIGNATURE, key.sign(now, body)));
        }
        let answered = request.send_body(body.to_owned()).await;
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
}

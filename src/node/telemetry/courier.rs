//! Carries batches of spans to the collector: the HTTP client of the exporter, which has a thread of its own and no runtime.
//!
//! A batch is posted on the node's main thread while the exporter waits; there is one at a time. A collector that does not take them is
//! logged now and then. Nothing else waits for any of this.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::sync::{mpsc, oneshot};

use crate::node::warning::Warning;

/// A collector that fails is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// A batch, and who waits for the answer.
struct Parcel {
    request: Request<Bytes>,
    answer: oneshot::Sender<Result<Response<Bytes>, String>>,
}

/// See the module's documentation.
pub(super) struct Courier(mpsc::Sender<Parcel>);

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

impl Courier {
    /// On the node's main thread. It runs until the exporter is gone.
    pub(super) fn start(timeout: Duration) -> Self {
        let (sender, parcels) = mpsc::channel(1);
        actix_web::rt::spawn(run(parcels, timeout));
        Self(sender)
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Courier {
    // As the macro of the trait's declaration would write it.
    fn send_bytes<'life0, 'async_trait>(&'life0 self, request: Request<Bytes>) -> Sending<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.0.send(Parcel { request, answer }).await.map_err(|_| "the node has ended")?;
            Ok(answered.await.map_err(|_| "the node has ended")??)
        })
    }
}

async fn run(mut parcels: mpsc::Receiver<Parcel>, timeout: Duration) {
    // Counted as a whole below.
    let client = awc::Client::builder().disable_redirects().disable_timeout().finish();
    let warning = Warning::every(LOG_EVERY);
    let mut is_failing = false;
    while let Some(Parcel { request, answer }) = parcels.recv().await {
        let posted = tokio::time::timeout(timeout, post(&client, request)).await;
        let posted = posted.unwrap_or_else(|_| Err("takes too long".to_owned()));
        let error = match &posted {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("answered {}", response.status())),
            Err(error) => Some(error.clone()),
        };
        match error {
            Some(error) => {
                is_failing = true;
                warning.give(|more| tracing::warn!(error, more, "the collector does not take spans"));
            }
            None if std::mem::take(&mut is_failing) => tracing::info!("the collector takes spans again"),
            None => {}
        }
        // Whoever waited may have given up.
        let _ = answer.send(posted);
    }
}

async fn post(client: &awc::Client, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let (head, body) = request.into_parts();
    let mut post = client.post(head.uri.to_string());
    for (name, value) in &head.headers {
        post = post.insert_header((name.as_str(), value.as_bytes()));
    }
    let mut answer = post.send_body(body).await.map_err(|error| error.to_string())?;
    let mut response = Response::builder().status(answer.status().as_u16());
    for (name, value) in answer.headers() {
        response = response.header(name.as_str(), value.as_bytes());
    }
    let body = answer.body().limit(MAX_ANSWER).await.map_err(|error| error.to_string())?;
    response.body(body).map_err(|error| error.to_string())
}

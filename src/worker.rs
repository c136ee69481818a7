//! Events that workers handle: processes that speak NATS and nothing else, in any language.
//!
//! [`hand_to_workers`](crate::Namespace::hand_to_workers) registers such events. Each goes out as a request in JSON, one worker gets it,
//! and its answer is the client's acknowledgement; PROTOCOL.md has both.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use socketio_cluster::bus::PublishError;
use socketio_cluster::request::{PendingReply, RequestError};

use crate::handler::{Call, Erased};
use crate::protocol::Args;
use crate::protocol::worker_answer::{self, WorkerAnswerError};
use crate::trace::{Begun, Operation, Trace};
use crate::uplink::HandOutError;

/// How events are handed to workers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// How long a worker may take to answer. Default 10 s.
    pub timeout: Duration,
    /// Whether the socket's next event waits until a worker has answered this one, if the client asked for an answer. Default false:
    /// events are handed out in their order, and answered in any. What waits is bounded by
    /// [`inbox_bytes`](crate::config::EngineConfig::inbox_bytes) either way.
    pub in_order: bool,
    /// Whether workers are told the rooms of the socket. Default false.
    pub with_rooms: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), in_order: false, with_rooms: false }
    }
}

impl WorkerOptions {
    /// The same with another [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same with another [`in_order`](Self::in_order).
    #[must_use]
    pub fn in_order(self, in_order: bool) -> Self {
        Self { in_order, ..self }
    }

    /// The same with another [`with_rooms`](Self::with_rooms).
    #[must_use]
    pub fn with_rooms(self, with_rooms: bool) -> Self {
        Self { with_rooms, ..self }
    }
}

/// Why no worker's answer is the acknowledgement. Its text is what the client gets: `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum WorkerError {
    /// Nobody listens on the subject.
    #[error("no worker")]
    NoWorker,
    /// Nobody answered in time; it may have been done.
    #[error("timeout")]
    Timeout,
    /// There is no bus, or it is away or full.
    #[error("unavailable")]
    Unavailable,
    /// More than a message to a worker may have.
    #[error("too large")]
    TooLarge,
    /// The arguments cannot be written as JSON.
    #[error("not JSON")]
    NotJson,
    /// The answer is none.
    #[error("bad answer")]
    BadAnswer,
    /// What the worker says.
    #[error("{0}")]
    Worker(String),
}

/// A handler that has workers do it.
pub(crate) fn handler(options: WorkerOptions) -> Erased {
    let is_concurrent = !options.in_order;
    let call = move |call: Call| -> crate::handler::LocalFuture<()> {
        // Handed out at once, so in the order in which the events came.
        let mut begun = begin(&call);
        let handed_out = hand_out(&call, &options, &begun.trace);
        let timeout = options.timeout;
        Box::pin(async move {
            let answer = match handed_out {
                Ok(None) => return,
                Ok(Some(pending)) => answer(&call, pending, timeout).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &answer {
                begun.failed(error);
            }
            drop(begun);
            acknowledge(&call, answer);
        })
    };
    Erased { call: std::sync::Arc::new(call), is_concurrent }
}

/// What a worker is told.
#[derive(Serialize)]
struct Task<'a> {
    namespace: &'a str,
    event: &'a str,
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<String>>,
    /// What the application shared of the socket's data, such as who the user is.
    claims: Option<Box<RawValue>>,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
}

fn begin(call: &Call) -> Begun {
    let namespace = call.socket().namespace_inner();
    let (event, sid) = (call.event(), call.socket().id());
    let operation = Operation::HandOver { namespace: namespace.name(), event, sid };
    namespace.core().tracing.begin(&operation, call.trace())
}

fn hand_out(
    call: &Call,
    options: &WorkerOptions,
    trace: &Trace,
) -> Result<Option<PendingReply>, WorkerError> {
    let socket = call.socket();
    let namespace = socket.namespace_inner();
    let Some(uplink) = namespace.uplink() else {
        tracing::warn!(sid = socket.id(), event = call.event(), "no worker can be reached without a bus");
        return Err(WorkerError::Unavailable);
    };
    let body = task(call, options)?;
    let wants_answer = call.ack().is_wanted();
    let handed_out = uplink.hand_out(namespace.name(), call.event(), body, wants_answer, trace.outgoing());
    handed_out.map_err(|error| {
        tracing::warn!(sid = socket.id(), event = call.event(), %error, "an event is not handed to a worker");
        match error {
            HandOutError::Name(_) | HandOutError::Bus(PublishError::TooLarge { .. }) => WorkerError::TooLarge,
            _ => WorkerError::Unavailable,
        }
    })
}

fn task(call: &Call, options: &WorkerOptions) -> Result<Bytes, WorkerError> {
    let socket = call.socket();
    let not_json = |error: &dyn std::fmt::Display| {
        tracing::warn!(sid = socket.id(), event = call.event(), %error, "an event cannot be written for a worker");
        WorkerError::NotJson
    };
    let (data, attachments) = call.args().to_json().map_err(|error| not_json(&error))?;
    let task = Task {
        namespace: socket.namespace_inner().name(),
        event: call.event(),
        sid: socket.id(),
        rooms: options.with_rooms.then(|| socket.rooms()),
        claims: socket.data().shared_json().and_then(|json| RawValue::from_string(json).ok()),
        data: serde_json::from_str(&data).map_err(|error| not_json(&error))?,
        attachments: attachments.iter().map(|bytes| STANDARD.encode(bytes)).collect(),
    };
    Ok(serde_json::to_vec(&task).map_err(|error| not_json(&error))?.into())
}

async fn answer(call: &Call, pending: PendingReply, timeout: Duration) -> Result<Args, WorkerError> {
    let answer = pending.within(timeout).await.map_err(|error| match error {
        RequestError::NoResponders => WorkerError::NoWorker,
        RequestError::TimedOut => WorkerError::Timeout,
        _ => WorkerError::Unavailable,
    })?;
    let max_attachments = call.socket().namespace_inner().core().config.max_attachments;
    worker_answer::read(&answer, max_attachments as usize).map_err(|error| match error {
        WorkerAnswerError::Refused(text) => WorkerError::Worker(text),
        error => {
            tracing::warn!(event = call.event(), %error, "a worker's answer is unusable");
            WorkerError::BadAnswer
        }
    })
}

fn acknowledge(call: &Call, answer: Result<Args, WorkerError>) {
    #[derive(Serialize)]
    struct Failure {
        error: String,
    }
    let ack = call.ack();
    let given = match answer {
        Ok(args) => ack.give(&args),
        Err(error) => ack.give(&Failure { error: error.to_string() }),
    };
    if let Err(error) = given
        && call.socket().is_connected()
    {
        tracing::warn!(sid = call.socket().id(), event = call.event(), %error, "event not acknowledged");
    }
}

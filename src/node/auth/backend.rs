//! The backend decides who may connect: asked over NATS or HTTP, for each socket, before it is connected.
//!
//! It is told the namespace, the auth payload, the claims of a token that was verified, the address, and some headers; it answers
//! `{"ok": true}`, perhaps with claims and rooms, or `{"ok": false}`, perhaps with a message and data for the client.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::cluster::bus::{Bus, Publish};
use actix_socketio::cluster::subject::Subject;
use actix_socketio::trace::{Trace, TraceContext};
use actix_socketio::{Refusal, Socket};
use actix_web::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::refused::Refused;
use crate::node::config::period::Period;
use crate::node::config::secret::Secret;
use crate::node::config::{Findings, SecretError};
use crate::node::warning::Warning;

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

thread_local! {
    /// Connections are kept open, by each thread its own.
    static CLIENT: OnceCell<awc::Client> = const { OnceCell::new() };
}

/// The backend decides who may connect, by itself or after the token was verified (docs/authentication.md). Without `subject` and `url`
/// it is not asked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct BackendOptions {
    /// The NATS subject that it is asked on.
    #[schemars(example = &"auth.connect")]
    subject: Option<String>,
    /// The http or https address that is posted to.
    #[schemars(example = &"https://backend.example.com/socketio/connect")]
    url: Option<String>,
    /// What the requests carry as `Authorization: Bearer …`. Without it: nothing.
    key: Option<Secret>,
    /// How long it may take to answer.
    timeout: Period,
    /// What happens when it does not: "refuse" the client, which is told "authentication unavailable", or "allow" it with what is known.
    unavailable: Unavailable,
    /// Headers of the client's handshake that it is told. With "cookie" only pages that `cors` allows can connect.
    headers: Vec<String>,
    /// Questions of this node that may wait for an answer at the same time. More wait for their turn, within the timeout.
    concurrency: usize,
}

/// What happens without an answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Unavailable {
    Refuse,
    Allow,
}

impl Default for BackendOptions {
    fn default() -> Self {
        Self {
            subject: None,
            url: None,
            key: None,
            timeout: Period::seconds(3),
            unavailable: Unavailable::Refuse,
            headers: vec!["authorization".to_owned()],
            concurrency: 256,
        }
    }
}

impl BackendOptions {
    pub(super) fn is_on(&self) -> bool {
        self.subject.is_some() || self.url.is_some()
    }

    /// Whether it is told what browsers send by themselves.
    pub(super) fn uses_cookies(&self) -> bool {
        self.is_on() && self.headers.iter().any(|name| name.eq_ignore_ascii_case("cookie"))
    }

    pub(super) fn check(&self, has_nats: bool, found: &mut Findings<'_>) {
        if self.subject.is_some() && self.url.is_some() {
            found.add("backend.subject", "either subject or url, not both");
        }
        if let Some(subject) = &self.subject {
            if !has_nats {
                found.add("backend.subject", "the backend is on NATS: nats.servers names it");
            }
            if Subject::foreign(subject).is_err() {
                found.add("backend.subject", format!("{subject:?} is no subject"));
            }
        }
        if let Some(url) = &self.url {
            let parsed = url.parse::<Uri>().ok();
            let scheme = parsed.as_ref().filter(|url| url.host().is_some()).and_then(|url| url.scheme_str());
            if !matches!(scheme, Some("http" | "https")) {
                found.add("backend.url", format!("{url:?} is no http or https URL"));
            }
        }
        found.is_not_zero("backend.timeout", self.timeout.is_zero());
        found.is_not_zero("backend.concurrency", self.concurrency == 0);
    }
}

/// Where it is.
enum Place {
    Nats { bus: Arc<dyn Bus>, subject: Subject },
    Http { url: String, key: Option<String> },
}

/// See the module's documentation.
pub(super) struct Backend {
    place: Place,
    options: BackendOptions,
    turn: Semaphore,
    warning: Warning,
}

/// What it is asked.
#[derive(Serialize)]
struct Question<'a> {
    namespace: &'a str,
    auth: &'a Value,
    claims: &'a Map<String, Value>,
    address: Option<String>,
    headers: BTreeMap<&'a str, &'a str>,
}

/// What it answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    claims: Map<String, Value>,
    rooms: Vec<String>,
    message: Option<String>,
    data: Option<Value>,
}

/// What it adds to what is known of a client.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) claims: Map<String, Value>,
    pub(super) rooms: Vec<String>,
}

impl Backend {
    /// The configured one; none if it is not asked. Blocks for as long as reading a small file does.
    pub(super) fn new(
        options: &BackendOptions,
        bus: Option<&Arc<dyn Bus>>,
    ) -> Result<Option<Self>, SecretError> {
        let subject = options.subject.as_ref().and_then(|subject| Subject::foreign(subject).ok());
        let place = match (subject, bus, &options.url) {
            (Some(subject), Some(bus), _) => Place::Nats { bus: bus.clone(), subject },
            (_, _, Some(url)) => {
                let key = options.key.as_ref().map(Secret::read).transpose()?;
                Place::Http { url: url.clone(), key }
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            place,
            turn: Semaphore::new(options.concurrency),
            options: options.clone(),
            warning: Warning::every(Duration::from_secs(10)),
        }))
    }

    /// Asks it.
    pub(super) async fn ask(
        &self,
        socket: &Socket,
        auth: &Value,
        claims: &Map<String, Value>,
        address: Option<String>,
        trace: &Trace,
    ) -> Result<Verdict, Refusal> {
        let handshake = socket.handshake();
        let names = self.options.headers.iter();
        let headers = names.filter_map(|name| Some((&**name, handshake.header(name)?))).collect();
        let namespace = socket.namespace();
        let question = Question { namespace: namespace.name(), auth, claims, address, headers };
        // Plain data: cannot fail.
        let question = serde_json::to_vec(&question).unwrap_or_default();
        let asked = async {
            let _turn = self.turn.acquire().await;
            match &self.place {
                Place::Nats { bus, subject } => {
                    let message = Publish::new(subject.clone(), question.into()).traced(trace.outgoing());
                    let pending = bus.request(message).map_err(|error| error.to_string())?;
                    let json = pending
                        .within(self.options.timeout.into())
                        .await
                        .map_err(|error| error.to_string())?;
                    serde_json::from_slice(&json).map_err(|error| error.to_string())
                }
                Place::Http { url, key } => post(url, key.as_deref(), question, trace).await,
            }
        };
        let answer = tokio::time::timeout(self.options.timeout.into(), asked).await;
        match answer.unwrap_or_else(|_| Err("takes too long".to_owned())) {
            Ok(Answer { ok: true, claims, rooms, .. }) => Ok(Verdict { claims, rooms }),
            Ok(Answer { message, data, .. }) => {
                let refusal = message.map_or_else(|| Refused::Denied.into(), Refusal::new);
                Err(match data {
                    Some(data) => refusal.data(&data),
                    None => refusal,
                })
            }
            Err(error) => {
                self.warning.give(|more| {
                    tracing::warn!(error, more, "the backend does not say who may connect");
                });
                match self.options.unavailable {
                    Unavailable::Allow => Ok(Verdict::default()),
                    Unavailable::Refuse => Err(Refused::Unavailable.into()),
                }
            }
        }
    }
}

async fn post(url: &str, key: Option<&str>, question: Vec<u8>, trace: &Trace) -> Result<Answer, String> {
    let client = CLIENT.with(|client| {
        // The caller's timeout counts.
        client.get_or_init(|| awc::Client::builder().disable_redirects().disable_timeout().finish()).clone()
    });
    let mut request = client.post(url).content_type("application/json");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    for header in trace.outgoing().iter().flat_map(TraceContext::headers) {
        request = request.insert_header(header);
    }
    let mut response = request.send_body(question).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.body().limit(MAX_ANSWER).await.map_err(|error| error.to_string())?;
    match status {
        status if status.is_success() => serde_json::from_slice(&body).map_err(|error| error.to_string()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
            Ok(Answer { ok: false, ..answer })
        }
        status => Err(format!("answered {status}")),
    }
}

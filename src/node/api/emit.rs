//! Sending events: to whom it may concern, and with their answers.

use std::time::Duration;

use actix_socketio::cluster::external::{Action, Event};
use actix_socketio::cluster::message::Target;
use actix_socketio::error::{AckError, EmitError};
use actix_socketio::{Args, BroadcastOperator};
use actix_web::http::StatusCode;
use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Body;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use super::target::{default_namespace, namespace, target};

/// An event for sockets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Emit {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// For the members of any of these; none means all sockets of the namespace. A socket id is a room.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// Not for the members of any of these.
    #[serde(default)]
    #[schema(max_items = 1000)]
    except: Vec<String>,
    /// Its name; those that belong to the protocol (`connect`, `disconnect`, ...) are refused.
    event: String,
    /// Its arguments.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    data: Vec<Box<RawValue>>,
    /// Binary arguments: `{"_placeholder":true,"num":0}` in `data` stands for the first.
    #[serde(default)]
    #[schema(max_items = 10, value_type = Vec<String>, format = "byte")]
    attachments: Vec<String>,
    /// It may be dropped for sockets that are not ready.
    #[serde(default)]
    volatile: bool,
}

/// An event for sockets that answer it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitWithAck {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// For the members of any of these; none means all sockets of the namespace. A socket id is a room.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// Not for the members of any of these.
    #[serde(default)]
    #[schema(max_items = 1000)]
    except: Vec<String>,
    /// Its name; those that belong to the protocol (`connect`, `disconnect`, ...) are refused.
    event: String,
    /// Its arguments.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    data: Vec<Box<RawValue>>,
    /// Binary arguments: `{"_placeholder":true,"num":0}` in `data` stands for the first.
    #[serde(default)]
    #[schema(max_items = 10, value_type = Vec<String>, format = "byte")]
    attachments: Vec<String>,
    /// How long to wait for answers, in milliseconds.
    #[serde(default = "default_timeout", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 60_000, default = 10_000)]
    timeout: u64,
}

const MAX_TIMEOUT: u64 = 60_000;

/// A whole number, however it is written: to JSON Schema 5.0 is one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if is_whole {
        Ok(number as u64)
    } else {
        Err(serde::de::Error::custom("not a whole number that makes sense"))
    }
}

fn default_timeout() -> u64 {
    10_000
}

/// An event was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Emitted {
    /// The nodes that are out of reach, by id: their sockets did not get it.
    missing_nodes: Vec<String>,
}

/// What sockets answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answers {
    /// What came in time.
    answers: Vec<Answer>,
    /// The ids of the sockets that did not answer: the time passed, or they left.
    missing: Vec<String>,
    /// How many answers came that are not listed, for all together were too large.
    omitted: u64,
    /// The nodes that did not say whom of theirs they asked, by id.
    missing_nodes: Vec<String>,
}

/// What one socket answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The socket's id.
    socket: String,
    /// The arguments of its acknowledgement.
    #[schema(value_type = Vec<serde_json::Value>)]
    data: Box<RawValue>,
    /// What the placeholders in `data` stand for, as base64; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    attachments: Vec<String>,
}

/// An event that was checked, and for whom.
struct Checked {
    sockets: BroadcastOperator,
    name: String,
    args: Args,
}

fn check(state: &ApiState, target: &Target, event: Event) -> Result<Checked, Problem> {
    let Action::Emit(event) = state.check(target, Action::Emit(event))? else {
        return Err(Problem::bad_request("not an event"));
    };
    let mut text = String::from("[");
    for (index, argument) in event.data.iter().enumerate() {
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(argument.get());
    }
    text.push(']');
    let args = Args::from_json(text, event.attachments).map_err(Problem::bad_request)?;
    let sockets = state.sockets(target);
    Ok(Checked { sockets: if event.volatile { sockets.volatile() } else { sockets }, name: event.name, args })
}

fn decode(attachments: &[String]) -> Result<Vec<bytes::Bytes>, Problem> {
    let decode = |(index, text): (usize, &String)| match STANDARD.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(Problem::bad_request(format_args!("attachment {index} is not base64"))),
    };
    attachments.iter().enumerate().map(decode).collect()
}

fn refused(error: EmitError) -> Problem {
    match error {
        EmitError::Cluster(_) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error),
        error => Problem::bad_request(error),
    }
}

impl Emit {
    pub(super) async fn run(self, state: &ApiState) -> Result<Emitted, Problem> {
        let target = target(&self.namespace, &self.rooms, &self.except);
        let attachments = decode(&self.attachments)?;
        let event = Event { name: self.event, data: self.data, attachments, volatile: self.volatile };
        let Checked { sockets, name, args } = check(state, &target, event)?;
        let missing_nodes = state.unreachable();
        sockets.emit(&name, &args).await.map_err(refused)?;
        Ok(Emitted { missing_nodes })
    }
}

/// Sends an event to sockets.
///
/// When the answer comes, the event is in the queue of every socket of this node that it is for, and on its way to the other nodes.
#[utoipa::path(
    post,
    path = "/api/v1/emit",
    tag = "emit",
    request_body = Emit,
    responses((status = 200, body = Emitted, description = "Sent."), super::openapi::Problems)
)]
pub(super) async fn emit(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(emit): Body<Emit>,
) -> Result<web::Json<Emitted>, Problem> {
    caller.may(Scope::Emit)?;
    Ok(web::Json(emit.run(&state).await?))
}

/// Sends an event to sockets and collects what they answer.
///
/// Ends when all have answered, at the latest after `timeout`.
#[utoipa::path(
    post,
    path = "/api/v1/emit-with-ack",
    tag = "emit",
    request_body = EmitWithAck,
    responses((status = 200, body = Answers, description = "Who answered, and who did not."), super::openapi::Problems)
)]
pub(super) async fn emit_with_ack(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(emit): Body<EmitWithAck>,
) -> Result<web::Json<Answers>, Problem> {
    caller.may(Scope::Emit)?;
    if emit.timeout == 0 || emit.timeout > MAX_TIMEOUT {
        return Err(Problem::bad_request(format_args!("a timeout is 1 to {MAX_TIMEOUT} milliseconds")));
    }
    let target = target(&emit.namespace, &emit.rooms, &emit.except);
    let attachments = decode(&emit.attachments)?;
    let event = Event { name: emit.event, data: emit.data, attachments, volatile: false };
    let Checked { sockets, name, args } = check(&state, &target, event)?;
    let sockets = sockets.timeout(Duration::from_millis(emit.timeout));
    let mut stream = sockets.emit_with_ack_stream::<Args, _>(&name, &args).await.map_err(refused)?;
    let mut answers =
        Answers { answers: Vec::new(), missing: Vec::new(), omitted: 0, missing_nodes: Vec::new() };
    let mut size = 0_usize;
    while let Some((socket, answer)) = stream.next().await {
        let args = match answer {
            Ok(args) => args,
            Err(AckError::Args(_)) => {
                answers.omitted += 1;
                continue;
            }
            Err(_) => {
                answers.missing.push(socket);
                continue;
            }
        };
        size = size.saturating_add(args.size());
        match written(socket, &args) {
            Some(answer) if size <= state.options().max_answers.bytes() => answers.answers.push(answer),
            _ => answers.omitted += 1,
        }
    }
    answers.missing_nodes = stream.missing_nodes();
    Ok(web::Json(answers))
}

/// An answer as JSON; none if it cannot be.
fn written(socket: String, args: &Args) -> Option<Answer> {
    let (text, attachments) = args.to_json().ok()?;
    let data = RawValue::from_string(text.to_string()).ok()?;
    let attachments = attachments.iter().map(|bytes| STANDARD.encode(bytes)).collect();
    Some(Answer { socket, data, attachments })
}

//! Whether the node lives and takes clients, and telling it to end. The first two are asked by load balancers and need no key.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use crate::node::config::size::Size;
use crate::node::process;

/// How long the answer may take to leave before the node begins to drain: without clients it ends at once.
const ANSWER: Duration = Duration::from_millis(200);

/// It is as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Healthy {
    status: &'static str,
}

/// The node answers: it lives.
pub(super) async fn healthz() -> web::Json<Healthy> {
    web::Json(Healthy { status: "ok" })
}

/// Whether clients may be sent here.
pub(super) async fn readyz(state: web::Data<ApiState>) -> Result<web::Json<Healthy>, Problem> {
    let most = state.options().ready_memory.map(Size::bytes);
    let detail = if state.io().is_draining() {
        "the node is draining"
    } else if most.zip(process::resident()).is_some_and(|(most, resident)| resident > most) {
        "the node has more memory than api.ready_memory"
    } else if !state.io().is_cluster_connected() {
        "NATS is away: the other nodes cannot be reached"
    } else {
        return Ok(web::Json(Healthy { status: "ready" }));
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
}

/// Nothing: an empty object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What a node says that was told to end.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Draining {
    /// It does, in a moment.
    draining: bool,
}

/// Lets this node's clients go, and ends it.
///
/// As SIGTERM does: no new sessions, then the open ones are closed, one after the other.
#[utoipa::path(
    post,
    path = "/api/v1/drain",
    tag = "manage",
    request_body = Nothing,
    responses((status = 200, body = Draining, description = "It begins in a moment."), super::openapi::Problems)
)]
pub(super) async fn drain(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<web::Json<Draining>, Problem> {
    caller.may(Scope::Manage)?;
    let stop = state.stop().clone();
    tracing::info!(key = caller.name(), "told to drain over HTTP");
    actix_web::rt::spawn(async move {
        tokio::time::sleep(ANSWER).await;
        stop.drain();
    });
    Ok(web::Json(Draining { draining: true }))
}

//! Tokens that no longer count.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use crate::node::auth::Revoked;

/// What no longer counts: either `subject` or `token`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, max_properties = 1)]
pub(super) struct Revoke {
    /// A user, by the claim `sub`: all tokens that were issued until now.
    #[schema(min_length = 1, max_length = 1024, nullable = false)]
    subject: Option<String>,
    /// One token, by its claim `jti`.
    #[schema(min_length = 1, max_length = 1024, nullable = false)]
    token: Option<String>,
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokeDone {
    /// Connections that were closed on the node that was asked; the others close theirs.
    closed_here: u64,
    /// The nodes that did not confirm it, by id: they ask for it by themselves, within half a minute of being back.
    missing_nodes: Vec<String>,
}

/// Makes tokens count no longer, on all nodes.
///
/// Connections of whoever had them are closed; the clients come back by themselves, and are let in with a token that counts.
#[utoipa::path(
    post,
    path = "/api/v1/revoke",
    tag = "manage",
    request_body = Revoke,
    responses(
        (status = 200, body = RevokeDone, description = "Done."),
        (status = 409, body = Problem, description = "Nobody is asked for a token (`[auth]`).", content_type = "application/problem+json"),
        super::openapi::Problems
    )
)]
pub(super) async fn revoke(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(revoke): Body<Revoke>,
) -> Result<web::Json<RevokeDone>, Problem> {
    caller.may(Scope::Manage)?;
    let what = match (revoke.subject, revoke.token) {
        (Some(subject), None) => Revoked::Subject(subject),
        (None, Some(token)) => Revoked::Token(token),
        _ => return Err(Problem::bad_request("either subject or token")),
    };
    let (Revoked::Subject(name) | Revoked::Token(name)) = &what;
    if name.is_empty() || name.len() > 1024 {
        return Err(Problem::bad_request("a subject or token has 1 to 1,024 bytes"));
    }
    let Some(auth) = state.auth() else {
        return Err(Problem::new(actix_web::http::StatusCode::CONFLICT, "nobody is asked for a token here"));
    };
    tracing::info!(key = caller.name(), ?what, "revoked");
    let done = auth.revoke(state.io(), what).await;
    Ok(web::Json(RevokeDone { closed_here: done.closed, missing_nodes: done.missing_nodes }))
}

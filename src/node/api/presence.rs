//! Who is in a room, by user.

use actix_socketio::cluster::external::Action;
use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::body::Query;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use super::target::{default_namespace, namespace, target};
use crate::node::presence::{Member, Roll, View};

/// Which room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceQuery {
    /// With its slash. Its presence has to be configured.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[param(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// The room.
    room: String,
}

/// The users in a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presence {
    /// The room.
    room: String,
    /// How many there are. Not exact if not all are listed: a user of two nodes may count twice.
    count: u64,
    /// Who they are, by name.
    users: Vec<User>,
    /// Whether there are more than are listed.
    truncated: bool,
    /// The nodes that did not answer, by id: users of theirs may be missing.
    missing_nodes: Vec<String>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    /// Who it is.
    user: String,
    /// Its claims that others may see; left out if there are none.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object, required = false)]
    info: Map<String, Value>,
    /// How many of its sockets are in the room.
    sockets: u64,
}

impl From<Member> for User {
    fn from(Member { user, info, sockets }: Member) -> Self {
        Self { user, info, sockets }
    }
}

impl From<Roll> for Presence {
    fn from(Roll { room, view: View { count, users, truncated }, missing_nodes }: Roll) -> Self {
        Self { room, count, users: users.into_iter().map(User::from).collect(), truncated, missing_nodes }
    }
}

/// Tells who is in a room, on all nodes.
#[utoipa::path(
    get,
    path = "/api/v1/presence",
    tag = "read",
    params(PresenceQuery),
    responses(
        (status = 200, body = Presence, description = "Who is there."),
        super::openapi::Problems,
        (status = 409, body = Problem, content_type = "application/problem+json", description = "No presence is configured for the namespace."),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "It cannot be told now: too many are asking, or the other nodes cannot be asked."),
    )
)]
pub(super) async fn presence(
    caller: Caller,
    state: web::Data<ApiState>,
    Query(query): Query<PresenceQuery>,
) -> Result<web::Json<Presence>, Problem> {
    caller.may(Scope::Read)?;
    let target = target(&query.namespace, std::slice::from_ref(&query.room), &[]);
    state.check(&target, Action::CloseRoom)?;
    let Some(presence) = state.presences().of(&query.namespace) else {
        let detail = "no presence is configured for the namespace";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    match presence.roll(&query.namespace, &query.room).await {
        Ok(roll) => Ok(web::Json(roll.into())),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "it cannot be told now")),
    }
}

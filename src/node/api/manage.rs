//! What is done to sockets: join, leave, disconnect, close a room.

use actix_socketio::Reached;
use actix_socketio::cluster::external::Action;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use super::target::{default_namespace, namespace, target};

/// Sockets that join rooms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// The members of any of these; none means all sockets of the namespace. A socket id is a room.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default)]
    #[schema(max_items = 1000)]
    except: Vec<String>,
    /// The rooms that they join.
    #[schema(min_items = 1, max_items = 1000)]
    join: Vec<String>,
}

/// Sockets that leave rooms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// The members of any of these; none means all sockets of the namespace. A socket id is a room.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default)]
    #[schema(max_items = 1000)]
    except: Vec<String>,
    /// The rooms that they leave.
    #[schema(min_items = 1, max_items = 1000)]
    leave: Vec<String>,
}

/// Sockets that are disconnected. `rooms` must be there, so that nobody disconnects everybody by leaving it out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disconnect {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// The members of any of these; an empty list means all sockets of the namespace. A socket id is a room.
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// Not the members of any of these.
    #[serde(default)]
    #[schema(max_items = 1000)]
    except: Vec<String>,
    /// Whether their connections are closed, too.
    #[serde(default)]
    close: bool,
}

/// A room that every member leaves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseRoom {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[schema(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// The room.
    room: String,
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// How many sockets it concerned, on the nodes that answered.
    sockets: u64,
    /// The nodes that did not say that they did it, by id.
    missing_nodes: Vec<String>,
}

impl From<Reached> for Done {
    fn from(reached: Reached) -> Self {
        Self { sockets: reached.sockets, missing_nodes: reached.missing_nodes }
    }
}

fn names(rooms: &[String]) -> Vec<std::sync::Arc<str>> {
    rooms.iter().map(|room| room.as_str().into()).collect()
}

impl Join {
    pub(super) async fn run(self, state: &ApiState) -> Result<Done, Problem> {
        let target = target(&self.namespace, &self.rooms, &self.except);
        state.check(&target, Action::Join(names(&self.join)))?;
        Ok(state.sockets(&target).sockets_join(self.join).await.into())
    }
}

impl Leave {
    pub(super) async fn run(self, state: &ApiState) -> Result<Done, Problem> {
        let target = target(&self.namespace, &self.rooms, &self.except);
        state.check(&target, Action::Leave(names(&self.leave)))?;
        Ok(state.sockets(&target).sockets_leave(self.leave).await.into())
    }
}

impl Disconnect {
    pub(super) async fn run(self, state: &ApiState) -> Result<Done, Problem> {
        let target = target(&self.namespace, &self.rooms, &self.except);
        state.check(&target, Action::Disconnect { close: self.close })?;
        Ok(state.sockets(&target).disconnect_sockets(self.close).await.into())
    }
}

impl CloseRoom {
    pub(super) async fn run(self, state: &ApiState) -> Result<Done, Problem> {
        let target = target(&self.namespace, std::slice::from_ref(&self.room), &[]);
        state.check(&target, Action::CloseRoom)?;
        Ok(state.io().reach(&self.namespace).close_room(&self.room).await.into())
    }
}

/// Makes sockets join rooms.
///
/// When the answer comes they are members: what is sent to the rooms from then on, from any node that is not missing, reaches them.
#[utoipa::path(
    post,
    path = "/api/v1/join",
    tag = "manage",
    request_body = Join,
    responses((status = 200, body = Done, description = "Done."), super::openapi::Problems)
)]
pub(super) async fn join(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(join): Body<Join>,
) -> Result<web::Json<Done>, Problem> {
    caller.may(Scope::Manage)?;
    Ok(web::Json(join.run(&state).await?))
}

/// Makes sockets leave rooms.
#[utoipa::path(
    post,
    path = "/api/v1/leave",
    tag = "manage",
    request_body = Leave,
    responses((status = 200, body = Done, description = "Done."), super::openapi::Problems)
)]
pub(super) async fn leave(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(leave): Body<Leave>,
) -> Result<web::Json<Done>, Problem> {
    caller.may(Scope::Manage)?;
    Ok(web::Json(leave.run(&state).await?))
}

/// Disconnects sockets.
///
/// Clients take it as final and do not come back by themselves. An empty list of rooms means all sockets of the namespace.
#[utoipa::path(
    post,
    path = "/api/v1/disconnect",
    tag = "manage",
    request_body = Disconnect,
    responses((status = 200, body = Done, description = "Done."), super::openapi::Problems)
)]
pub(super) async fn disconnect(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(disconnect): Body<Disconnect>,
) -> Result<web::Json<Done>, Problem> {
    caller.may(Scope::Manage)?;
    tracing::info!(key = caller.name(), namespace = disconnect.namespace, "sockets are disconnected");
    Ok(web::Json(disconnect.run(&state).await?))
}

/// Makes every member leave a room.
#[utoipa::path(
    post,
    path = "/api/v1/close-room",
    tag = "manage",
    request_body = CloseRoom,
    responses((status = 200, body = Done, description = "Done."), super::openapi::Problems)
)]
pub(super) async fn close_room(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(close): Body<CloseRoom>,
) -> Result<web::Json<Done>, Problem> {
    caller.may(Scope::Manage)?;
    Ok(web::Json(close.run(&state).await?))
}

//! What there is: nodes, rooms, sockets.

use std::time::{Duration, SystemTime};

use actix_socketio::cluster::external::Action;
use actix_socketio::engine::TransportKind;
use actix_socketio::{NodeInfo, RemoteSocket};
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::body::Query;
use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;
use super::target::{default_namespace, namespace, target};

const MAX_PAGE: usize = 1000;

fn default_page() -> usize {
    100
}

/// Which rooms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomsQuery {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[param(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// Only rooms after this one, in the order of their names' bytes: `next` of the page before.
    after: Option<String>,
    /// How many at most.
    #[serde(default = "default_page")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// Which sockets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketsQuery {
    /// With its slash.
    #[serde(default = "default_namespace", deserialize_with = "namespace")]
    #[param(pattern = "^/[^,]*$", default = "/")]
    namespace: String,
    /// Only members of this room. A socket id is a room.
    room: Option<String>,
    /// Only sockets after this one, in the order of their ids: `next` of the page before.
    after: Option<String>,
    /// How many at most.
    #[serde(default = "default_page")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// A page of rooms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rooms {
    /// Those with members, without the sockets' own.
    rooms: Vec<Room>,
    /// `after` for the next page; null after the last.
    next: Option<String>,
    /// How many there are on all pages.
    total: usize,
    /// The nodes that did not answer, by id.
    missing_nodes: Vec<String>,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Room {
    /// Its name.
    room: String,
    /// How many members it has on the nodes that answered.
    members: u64,
}

/// A page of sockets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sockets {
    /// The sockets.
    sockets: Vec<Socket>,
    /// `after` for the next page; null after the last.
    next: Option<String>,
    /// How many there are on all pages.
    total: u64,
    /// The nodes that did not answer, by id: sockets of theirs may be missing.
    missing_nodes: Vec<String>,
}

/// A socket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Socket {
    /// Its id, which is a room.
    id: String,
    /// The rooms it is in, its id included.
    rooms: Vec<String>,
    /// `websocket` or `polling`; null if its node did not tell.
    transport: Option<&'static str>,
    /// Who opened its connection: a proxy, if there is one.
    address: Option<String>,
    /// When its connection was opened, in milliseconds since 1970, by its node's clock.
    connected: Option<u64>,
    /// What is shared of its data, such as who the user is; null if nothing.
    #[schema(value_type = serde_json::Value)]
    data: Option<Box<RawValue>>,
}

/// The nodes of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nodes {
    /// The one that answers comes first.
    nodes: Vec<Node>,
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Node {
    /// Its id for as long as it runs: the end of the ids of its sockets.
    id: String,
    /// What people call it.
    name: String,
    /// When it started, in milliseconds since 1970.
    since: u64,
    /// How many sockets it has.
    sockets: u64,
    /// How many rooms have members there, without the sockets' own. A room with members on several nodes counts on each.
    rooms: u64,
    /// How many cores it uses.
    load: f64,
    /// Whether it is the one that answers.
    here: bool,
    /// Whether it was heard lately.
    reachable: bool,
}

impl From<NodeInfo> for Node {
    fn from(node: NodeInfo) -> Self {
        let since = node.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            id: node.id,
            name: node.name,
            since: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            sockets: node.sockets,
            rooms: node.rooms,
            load: node.load,
            here: node.is_here,
            reachable: node.is_reachable,
        }
    }
}

impl From<&RemoteSocket> for Socket {
    fn from(socket: &RemoteSocket) -> Self {
        let handshake = socket.handshake();
        Self {
            id: socket.id().to_owned(),
            rooms: socket.rooms(),
            transport: handshake.as_ref().map(|handshake| match handshake.transport() {
                TransportKind::Websocket => "websocket",
                TransportKind::Polling => "polling",
            }),
            address: handshake.as_ref().and_then(|handshake| handshake.address.clone()),
            connected: handshake.as_ref().map(|handshake| handshake.issued),
            data: socket.data(),
        }
    }
}

fn check_size(limit: usize) -> Result<(), Problem> {
    if limit == 0 || limit > MAX_PAGE {
        return Err(Problem::bad_request(format_args!("a page has 1 to {MAX_PAGE} entries")));
    }
    Ok(())
}

/// One page of what is in order; and what the next one begins after.
fn page<'a, T>(
    all: &'a [T],
    name: impl Fn(&T) -> &str,
    after: Option<&str>,
    limit: usize,
) -> Result<(&'a [T], Option<String>), Problem> {
    check_size(limit)?;
    let from = after.map_or(0, |after| all.partition_point(|item| name(item) <= after));
    let to = all.len().min(from + limit);
    let page = &all[from..to];
    let next = if to < all.len() { page.last().map(|last| name(last).to_owned()) } else { None };
    Ok((page, next))
}

/// Lists the rooms of a namespace, on all nodes.
#[utoipa::path(
    get,
    path = "/api/v1/rooms",
    tag = "read",
    params(RoomsQuery),
    responses((status = 200, body = Rooms, description = "A page of them."), super::openapi::Problems)
)]
pub(super) async fn rooms(
    caller: Caller,
    state: web::Data<ApiState>,
    Query(query): Query<RoomsQuery>,
) -> Result<web::Json<Rooms>, Problem> {
    caller.may(Scope::Read)?;
    state.check(&target(&query.namespace, &[], &[]), Action::Disconnect { close: false })?;
    let found = state.io().reach(&query.namespace).room_names().await;
    let (page, next) = page(&found.rooms, |(room, _)| room, query.after.as_deref(), query.limit)?;
    let rooms = page.iter().map(|(room, members)| Room { room: room.clone(), members: *members }).collect();
    Ok(web::Json(Rooms { rooms, next, total: found.rooms.len(), missing_nodes: found.missing_nodes }))
}

/// Lists the sockets of a namespace or of a room, on all nodes.
#[utoipa::path(
    get,
    path = "/api/v1/sockets",
    tag = "read",
    params(SocketsQuery),
    responses((status = 200, body = Sockets, description = "A page of them."), super::openapi::Problems)
)]
pub(super) async fn sockets(
    caller: Caller,
    state: web::Data<ApiState>,
    Query(query): Query<SocketsQuery>,
) -> Result<web::Json<Sockets>, Problem> {
    caller.may(Scope::Read)?;
    let target = target(&query.namespace, query.room.as_slice(), &[]);
    state.check(&target, Action::Disconnect { close: false })?;
    check_size(query.limit)?;
    let page = state.sockets(&target).fetch_page(query.after.as_deref(), query.limit).await;
    let sockets = page.sockets.iter().map(Socket::from).collect();
    Ok(web::Json(Sockets { sockets, next: page.next, total: page.total, missing_nodes: page.missing_nodes }))
}

/// Lists the nodes of the cluster.
#[utoipa::path(
    get,
    path = "/api/v1/nodes",
    tag = "read",
    responses((status = 200, body = Nodes, description = "As the one that answers knows them."), super::openapi::Problems)
)]
pub(super) async fn nodes(caller: Caller, state: web::Data<ApiState>) -> Result<web::Json<Nodes>, Problem> {
    caller.may(Scope::Read)?;
    Ok(web::Json(Nodes { nodes: state.io().nodes().into_iter().map(Node::from).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let all = ["a", "b", "c", "d", "e"];
        let page = |after, limit| page(&all, |name| name, after, limit);
        assert_eq!(page(None, 2).expect("a page"), (&all[0..2], Some("b".to_owned())));
        assert_eq!(page(Some("b"), 2).expect("a page"), (&all[2..4], Some("d".to_owned())));
        assert_eq!(page(Some("d"), 2).expect("a page"), (&all[4..5], None));
        assert_eq!(page(Some("bb"), 1).expect("a page"), (&all[2..3], Some("c".to_owned())));
        assert_eq!(page(Some("e"), 2).expect("a page"), (&all[5..5], None));
        assert!(page(None, 0).is_err());
        assert!(page(None, 1001).is_err());
    }
}

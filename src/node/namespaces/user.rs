//! Who is behind a socket, as others may see it.

use actix_socketio::Socket;
use serde_json::{Map, Value};

use crate::node::permissions::Claims;

/// The name of the user, if a claim says it.
pub(in crate::node) fn name(socket: &Socket, claim: &str) -> Option<String> {
    let claims = Claims::of(socket);
    let name = claims.texts(claim).into_iter().next()?.into_owned();
    Some(name)
}

/// The claims that others may see.
pub(in crate::node) fn info(socket: &Socket, claims: &[String]) -> Map<String, Value> {
    let all = Claims::of(socket);
    claims.iter().filter_map(|claim| Some((claim.clone(), all.get(claim)?.clone()))).collect()
}

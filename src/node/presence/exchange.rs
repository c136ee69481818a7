//! What nodes tell each other of who is in their rooms: events between servers, which no client sees.

use std::sync::Arc;

use actix_socketio::{Namespace, ServerSideEvent};

use super::Presence;
use super::directory::{Key, Listing};
use crate::node::namespaces::{Place, register};

/// (room, listing): what a node has now.
const LISTING: &str = "presence:listing";
/// (room), answered with the listing.
const ASK: &str = "presence:ask";
/// ([(room, version), …]): the versions of what a node has, in parts.
const VERSIONS: &str = "presence:versions";
/// Rooms in one part.
const PER_PART: usize = 1000;

/// Listens to the other nodes.
pub(super) fn register(presence: &Arc<Presence>, place: &Place) {
    let this = presence.clone();
    register!(
        place,
        on_server_side_emit(LISTING, move |event: ServerSideEvent| {
            if let Ok((room, listing)) = event.data::<(String, Listing)>() {
                let key = (event.namespace().name().to_owned(), room);
                let is_news = this.directory().told(&key, event.node(), listing);
                if is_news {
                    this.change([key], false);
                }
            }
            std::future::ready(())
        })
    );
    let this = presence.clone();
    register!(
        place,
        on_server_side_emit(ASK, move |event: ServerSideEvent| {
            let listing = event.data::<String>().map(|room| {
                let key = (event.namespace().name().to_owned(), room);
                this.directory().listing(&key)
            });
            std::future::ready(listing.unwrap_or_default())
        })
    );
    let this = presence.clone();
    register!(
        place,
        on_server_side_emit(VERSIONS, move |event: ServerSideEvent| {
            let this = this.clone();
            async move {
                let Ok(versions) = event.data::<Vec<(String, u64)>>() else { return };
                let namespace = event.namespace();
                let differing = this.directory().compare(namespace.name(), event.node(), versions);
                for key in differing {
                    refresh(&this, namespace, key).await;
                }
            }
        })
    );
}

async fn refresh(presence: &Arc<Presence>, namespace: &Namespace, key: Key) {
    let Some((listings, _)) = ask(namespace, &key.1).await else { return };
    {
        let mut directory = presence.directory();
        for (node, listing) in listings {
            directory.told(&key, &node, listing);
        }
    }
    presence.change([key], false);
}

/// Tells the others what is here.
pub(super) async fn publish(namespace: &Namespace, room: &str, listing: &Listing) {
    if let Err(error) = namespace.server_side_emit(LISTING, &(room, listing)).await {
        tracing::debug!(%error, "presence not told to the other nodes; the next heartbeat will");
    }
}

/// What the others have, each with the id of its node; and the nodes that did not answer.
pub(super) async fn ask(namespace: &Namespace, room: &str) -> Option<(Vec<(String, Listing)>, Vec<String>)> {
    let asked = namespace.server_side_emit_with_ack::<Listing, _>(ASK, &(room,)).await;
    match asked {
        Ok(acks) => Some((acks.answers, acks.missing_nodes)),
        Err(error) => {
            tracing::debug!(%error, "the other nodes cannot be asked for presence");
            None
        }
    }
}

/// Repeats the versions of what is here.
pub(super) async fn beat(namespace: &Namespace, versions: &[(String, u64)]) {
    for part in versions.chunks(PER_PART) {
        if namespace.server_side_emit(VERSIONS, &(part,)).await.is_err() {
            return;
        }
    }
}

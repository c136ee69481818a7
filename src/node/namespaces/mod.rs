//! What clients get without code, by namespace: joining, leaving and emitting to rooms, presence, and events for workers.
//!
//! Registered once when the node starts. Every event asks the rules ([`Gate`]) and answers `{"ok": …}` or `{"error": "…"}`.

mod answer;
mod gate;
mod options;
mod place;
mod rooms;
pub(in crate::node) mod user;
mod wildcard;
mod workers;

use std::sync::Arc;

use actix_socketio::error::NamespaceError;
use actix_socketio::protocol::is_reserved_event;
use actix_socketio::{Event, Handler, Refusal, Socket, SocketIo};

pub(in crate::node) use self::answer::{Answer, Problem};
pub(in crate::node) use self::gate::Gate;
pub(in crate::node) use self::options::{NamespaceOptions, Namespaces, PresenceOptions, RoomOptions};
pub(in crate::node) use self::place::{Place, register};
use self::rooms::Rooms;
pub(in crate::node) use self::wildcard::Wildcard;
use super::auth::Auth;
use super::config::{Config, Findings};
use super::presence::{Presence, Presences};
use super::webhooks::Webhooks;

/// Registers what is configured. Returns who knows who is where.
pub(in crate::node) fn declare(
    io: &SocketIo,
    config: &Config,
    gate: &Arc<dyn Gate>,
    webhooks: &Webhooks,
) -> Result<Presences, NamespaceError> {
    let mut presences = Presences::default();
    for (name, options) in &config.namespaces {
        let place = Place::of(io, name)?;
        let presence = options.presence.enabled.then(|| {
            let presence = Presence::new(io, options.presence.clone(), gate.clone());
            presence.register(&place);
            presence
        });
        presences.add(name, presence.clone());
        if options.rooms.enabled {
            let own_events = own_events(options, config.auth.server_event());
            let user = options.presence.user.clone();
            let rooms = options.rooms.clone();
            Rooms { options: rooms, own_events, user, gate: gate.clone(), presence }.register(&place);
        }
        workers::register(&place, &options.workers, config.workers.timeout.into());
        webhooks.register(&place);
    }
    if !config.namespaces.contains_key("/") {
        // It is always there.
        webhooks.register(&Place::of(io, "/")?);
    }
    Ok(presences)
}

/// Asked for every event of a client, in every namespace but the one that is not for clients.
pub(in crate::node) fn guard(
    gate: Arc<dyn Gate>,
    auth: Option<Arc<Auth>>,
    other: Option<&str>,
) -> impl Handler<(Socket, Event), Output = Result<(), Refusal>> {
    let other = other.map(str::to_owned);
    move |socket: Socket, Event(event): Event| {
        let is_permitted = auth.as_ref().is_some_and(|auth| auth.is_own_event(&event))
            || gate.may_send(&socket, &event)
            || other.as_deref() == Some(socket.namespace().name());
        std::future::ready(if is_permitted { Ok(()) } else { Err(Refusal::new("not permitted")) })
    }
}

/// Events that clients must not be able to forge.
fn own_events(options: &NamespaceOptions, of_auth: Option<&str>) -> Vec<String> {
    let presence = &options.presence;
    let of_presence =
        [&*presence.joined_event, &*presence.left_event].into_iter().filter(|_| presence.enabled);
    of_presence.chain(of_auth).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether the options make sense.
pub(in crate::node) fn check(namespaces: &Namespaces, found: &mut Findings<'_>) {
    for (name, options) in namespaces {
        if !name.starts_with('/') {
            found.add(name, "the name of a namespace begins with a slash".to_owned());
        }
        let RoomOptions { join_event, leave_event, emit_event, .. } = &options.rooms;
        let presence = &options.presence;
        let mut names = Vec::new();
        if options.rooms.enabled {
            names.extend([join_event, leave_event, emit_event]);
        }
        if presence.enabled {
            names.extend([&presence.event, &presence.joined_event, &presence.left_event]);
        }
        names.retain(|name| !name.is_empty());
        for (index, event) in names.iter().enumerate() {
            if names[..index].contains(event) {
                found.add(name, format!("two events are called {event:?}"));
            }
            if is_reserved_event(event) {
                found.add(name, format!("the event name {event:?} is reserved"));
            }
        }
    }
}

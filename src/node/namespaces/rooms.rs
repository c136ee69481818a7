//! `join`, `leave` and `emit`: what clients do with rooms by themselves, each after the rules were asked.

use std::sync::Arc;

use actix_socketio::error::{EmitError, JoinError};
use actix_socketio::protocol::ToArgs as _;
use actix_socketio::{Args, Socket, TryData};
use serde::Serialize;

use super::Place;
use super::answer::{Answer, Problem};
use super::options::RoomOptions;
use super::place::register;
use super::{Gate, user};
use crate::node::presence::Presence;

/// What the events of a namespace need.
pub(super) struct Rooms {
    pub(super) options: RoomOptions,
    /// Events that only the server sends.
    pub(super) own_events: Vec<String>,
    /// The claim that says who a user is.
    pub(super) user: String,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) presence: Option<Arc<Presence>>,
}

/// `join` is answered with it.
#[derive(Serialize)]
struct Joined {
    room: String,
    /// Nodes that did not confirm it in time: what is emitted there may be missed at first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// The last argument of what a client emitted to a room.
#[derive(Serialize)]
struct Sender<'a> {
    sid: &'a str,
    user: Option<String>,
}

impl Rooms {
    /// Registers the events.
    pub(super) fn register(self, place: &Place) {
        let options = self.options.clone();
        let rooms = Arc::new(self);
        if !options.join_event.is_empty() {
            let rooms = rooms.clone();
            let join = move |socket: Socket, TryData(room): TryData<String>| {
                let rooms = rooms.clone();
                async move { reply(rooms.join(&socket, room.map_err(|_| Problem::Arguments)).await) }
            };
            register!(place, on(&options.join_event, join));
        }
        if !options.leave_event.is_empty() {
            let rooms = rooms.clone();
            let leave = move |socket: Socket, TryData(room): TryData<String>| {
                let rooms = rooms.clone();
                async move { reply(rooms.leave(&socket, room.map_err(|_| Problem::Arguments)).await) }
            };
            register!(place, on(&options.leave_event, leave));
        }
        if !options.emit_event.is_empty() {
            let emit = move |socket: Socket, args: Args| {
                let rooms = rooms.clone();
                async move { reply(rooms.emit(&socket, &args).await) }
            };
            register!(place, on(&options.emit_event, emit));
        }
    }

    async fn join(&self, socket: &Socket, room: Result<String, Problem>) -> Result<Joined, Problem> {
        let room = self.checked(room?)?;
        if !self.gate.may_join(socket, &room) {
            return Err(Problem::NotPermitted);
        }
        let others = socket.rooms();
        // Its own room is among them.
        if others.len() > self.options.max_rooms && !others.contains(&room) {
            return Err(Problem::TooManyRooms);
        }
        let joined = socket.join(&*room).await.map_err(|error| match error {
            JoinError::ForeignId => Problem::Room,
            _ => Problem::Unavailable,
        })?;
        if let Some(presence) = &self.presence {
            // Who asks from now on is told of everybody, and of every change after that.
            presence.known(socket.namespace().name(), &room).await;
        }
        Ok(Joined { room, missing_nodes: joined.missing_nodes })
    }

    async fn leave(&self, socket: &Socket, room: Result<String, Problem>) -> Result<bool, Problem> {
        let room = self.checked(room?)?;
        if !self.gate.may_join(socket, &room) {
            return Err(Problem::NotPermitted);
        }
        let was_member = room != socket.id() && socket.rooms().contains(&room);
        socket.leave(&room).await;
        Ok(was_member)
    }

    async fn emit(&self, socket: &Socket, args: &Args) -> Result<bool, Problem> {
        let text = |index| {
            let argument: Option<Args> = args.get(index);
            argument.and_then(|argument| argument.deserialize::<String>().ok()).ok_or(Problem::Arguments)
        };
        let room = self.checked(text(0)?)?;
        let event = text(1)?;
        if event.is_empty() || self.own_events.contains(&event) {
            return Err(Problem::Event);
        }
        if !self.gate.may_emit(socket, &room) {
            return Err(Problem::NotPermitted);
        }
        let mut data = args.skip(2);
        if self.options.with_sender {
            let sender = Sender { sid: socket.id(), user: user::name(socket, &self.user) };
            let sender = sender.to_args(data.parser()).map_err(|_| Problem::Unavailable)?;
            data = data.concat(&sender).map_err(|_| Problem::Arguments)?;
        }
        match socket.to(&*room).emit(&event, &data).await {
            Ok(()) => Ok(true),
            Err(EmitError::Encode(_)) => Err(Problem::Event),
            Err(error) => {
                tracing::warn!(sid = socket.id(), %error, "what a client emits does not reach other nodes");
                Err(Problem::Unavailable)
            }
        }
    }

    fn checked(&self, room: String) -> Result<String, Problem> {
        if room.is_empty() || room.len() > self.options.max_name { Err(Problem::Room) } else { Ok(room) }
    }
}

fn reply<T: Serialize>(result: Result<T, Problem>) -> actix_socketio::Reply<Answer<T>> {
    actix_socketio::Reply(result.into())
}

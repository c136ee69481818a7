//! The actors: one per open room, which knows what was said and tells who is here, and one that lists the rooms.
//!
//! What they tell comes from one actor in one order, so the last list a page got is the newest one. Changes are
//! gathered for a moment: a hundred people who come at once are one list, not a hundred.

use std::collections::VecDeque;
use std::time::Duration;

use actix::prelude::*;
use actix_socketio::{Namespace, RoomEvent, RoomHandle};
use serde::Serialize;

use super::chat::{Person, Said};

/// Changes are gathered for so long before they are told.
const GATHER: Duration = Duration::from_millis(50);
/// Messages a room remembers for those who come later.
const REMEMBERED: usize = 50;
/// People, and rooms, that a list names.
const LISTED: usize = 100;
/// Rooms that are offered even while nobody is there.
const ALWAYS: [&str; 3] = ["lobby", "rust", "random"];

/// One open room. It begins with the first member and ends with the last.
pub(super) struct ChatRoom {
    room: RoomHandle,
    directory: Addr<Directory>,
    said: VecDeque<Said>,
    is_announcing: bool,
}

/// `members`: who is in the room.
#[derive(Serialize)]
struct Members {
    count: usize,
    /// The first of them.
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    id: String,
    name: String,
}

/// Asks for what was said of late.
#[derive(Message)]
#[rtype(result = "Vec<Said>")]
pub(super) struct History;

impl ChatRoom {
    pub(super) fn new(room: RoomHandle, directory: Addr<Directory>) -> Self {
        Self { room, directory, said: VecDeque::new(), is_announcing: false }
    }

    fn announce_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_announcing, true) {
            return;
        }
        ctx.run_later(GATHER, |actor, ctx| {
            actor.is_announcing = false;
            ctx.wait(announce(actor.room.clone()).into_actor(actor));
        });
    }
}

async fn announce(room: RoomHandle) {
    let members = room.fetch_sockets().await.into_iter().filter_map(|socket| {
        let name = socket.data::<Person>()?.name;
        Some(Member { id: socket.id().to_owned(), name })
    });
    let mut members: Vec<_> = members.collect();
    members.sort_by(|one, two| one.name.cmp(&two.name).then_with(|| one.id.cmp(&two.id)));
    let count = members.len();
    members.truncate(LISTED);
    let members = Members { count, members };
    if let Err(error) = room.emit("members", &members).await {
        tracing::warn!(%error, "members not told");
    }
}

impl Actor for ChatRoom {
    type Context = Context<Self>;
}

impl Handler<RoomEvent> for ChatRoom {
    type Result = ();

    fn handle(&mut self, event: RoomEvent, ctx: &mut Context<Self>) {
        match event {
            RoomEvent::Joined { .. } | RoomEvent::Left { .. } => {
                self.announce_soon(ctx);
                self.directory.do_send(Changed);
            }
            RoomEvent::Message { event, args, .. } if event == "message" => {
                if let Ok(said) = args.deserialize::<Said>() {
                    self.said.truncate(REMEMBERED - 1);
                    self.said.push_front(said);
                }
            }
            RoomEvent::Deleted { .. } => self.directory.do_send(Changed),
            _ => {}
        }
    }
}

impl Handler<History> for ChatRoom {
    type Result = Vec<Said>;

    fn handle(&mut self, _: History, _: &mut Context<Self>) -> Self::Result {
        self.said.iter().rev().cloned().collect()
    }
}

/// Tells everybody on `/` which rooms there are.
pub(super) struct Directory {
    everybody: Namespace,
    chat: Namespace,
    is_announcing: bool,
}

/// One line of the list of rooms.
#[derive(Serialize)]
pub(super) struct RoomSummary {
    name: String,
    count: usize,
}

/// Asks for the list of rooms.
#[derive(Message)]
#[rtype(result = "Vec<RoomSummary>")]
pub(super) struct List;

/// Somebody came or went.
#[derive(Message)]
#[rtype(result = "()")]
struct Changed;

impl Directory {
    pub(super) fn new(everybody: Namespace, chat: Namespace) -> Self {
        Self { everybody, chat, is_announcing: false }
    }

    /// Those that are always offered, then the fullest.
    fn list(&self) -> Vec<RoomSummary> {
        let summary = |name: String| RoomSummary { count: self.chat.room_size_here(&name), name };
        let mut others = self.chat.room_names_here();
        others.retain(|name| !ALWAYS.contains(&&**name));
        let mut others: Vec<_> = others.into_iter().map(summary).filter(|room| room.count > 0).collect();
        others.sort_by(|one, two| two.count.cmp(&one.count).then_with(|| one.name.cmp(&two.name)));
        others.truncate(LISTED);
        ALWAYS.iter().map(|name| summary((*name).to_owned())).chain(others).collect()
    }
}

impl Actor for Directory {
    type Context = Context<Self>;
}

impl Handler<Changed> for Directory {
    type Result = ();

    fn handle(&mut self, _: Changed, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_announcing, true) {
            return;
        }
        ctx.run_later(GATHER, |actor, ctx| {
            actor.is_announcing = false;
            let (everybody, rooms) = (actor.everybody.clone(), actor.list());
            let told = async move {
                if let Err(error) = everybody.emit("rooms", &rooms).await {
                    tracing::warn!(%error, "rooms not told");
                }
            };
            ctx.wait(told.into_actor(actor));
        });
    }
}

impl Handler<List> for Directory {
    type Result = MessageResult<List>;

    fn handle(&mut self, _: List, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.list())
    }
}

//! The registry actor of one room: which hubs have members, and the room's life as others watch it.
//!
//! Opened by the first member, on that member's thread; closed by the last. Broadcasts to the room pass through its
//! mailbox, so every hub sees them in one order.

use std::sync::Arc;

use actix::prelude::*;

use super::RoomName;
use super::broadcast::{Broadcast, Done};
use super::hub::{HubRef, Hubs};
use crate::engine::local_tasks;

/// What happens to a room.
#[derive(Clone, Debug)]
pub(crate) enum RoomLife {
    Opened,
    Joined(Arc<str>),
    Left(Arc<str>),
    Traffic(Arc<Broadcast>),
    Closed,
}

/// Somebody who wants to know. Called by the room's actor, on its thread; must not block.
pub(crate) trait RoomWatcher: Send {
    fn watch(&mut self, room: &RoomName, life: RoomLife);
    /// Whether [`RoomLife::Traffic`] is wanted.
    fn wants_traffic(&self) -> bool;
    /// The user's actor of this room.
    fn actor(&self) -> Option<Box<dyn std::any::Any + Send>>;
}

/// See the module's documentation.
pub(crate) struct Room {
    name: RoomName,
    hubs: Arc<Hubs>,
    /// Hubs with members, and how many.
    members: Vec<(Arc<HubRef>, usize)>,
    watcher: Option<Box<dyn RoomWatcher>>,
    /// It took over from an actor that died: who has members is not known any more, so everybody is asked.
    asks_all: bool,
}

impl Room {
    pub(super) fn open(
        name: RoomName,
        hubs: Arc<Hubs>,
        watcher: Option<Box<dyn RoomWatcher>>,
        asks_all: bool,
    ) -> Addr<Self> {
        let mut context = Context::new();
        // Its senders are bounded; a full mailbox must not lose a join.
        context.set_mailbox_capacity(0);
        let address = context.address();
        let room = Self { name, hubs, members: Vec::with_capacity(1), watcher, asks_all };
        local_tasks::spawn(context.into_future(room));
        address
    }

    fn tell(&mut self, life: RoomLife) {
        if let Some(watcher) = &mut self.watcher {
            watcher.watch(&self.name, life);
        }
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.tell(RoomLife::Opened);
    }
}

/// A socket of `hub` is in the room now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Join {
    pub(super) hub: Arc<HubRef>,
    pub(super) socket: Arc<str>,
}

impl Handler<Join> for Room {
    type Result = ();

    fn handle(&mut self, join: Join, _: &mut Self::Context) {
        match self.members.iter_mut().find(|(hub, _)| Arc::ptr_eq(hub, &join.hub)) {
            Some((_, count)) => *count += 1,
            None => self.members.push((join.hub, 1)),
        }
        self.tell(RoomLife::Joined(join.socket));
    }
}

/// A socket of `hub` has left.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    pub(super) hub: Arc<HubRef>,
    pub(super) socket: Arc<str>,
}

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        if let Some(at) = self.members.iter().position(|(hub, _)| Arc::ptr_eq(hub, &leave.hub)) {
            self.members[at].1 -= 1;
            if self.members[at].1 == 0 {
                self.members.swap_remove(at);
            }
        }
        self.tell(RoomLife::Left(leave.socket));
    }
}

/// The last member has left.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Close;

impl Handler<Close> for Room {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        self.tell(RoomLife::Closed);
        ctx.stop();
    }
}

/// Delivers a broadcast to the members.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SendAll {
    pub(super) broadcast: Arc<Broadcast>,
    pub(super) done: Arc<Done>,
}

impl Handler<SendAll> for Room {
    type Result = ();

    fn handle(&mut self, send: SendAll, _: &mut Self::Context) {
        if self.asks_all {
            self.hubs.deliver(&send.broadcast, &send.done);
        } else {
            for (hub, _) in &self.members {
                if hub.is_here()
                    && let Some(here) = self.hubs.here()
                {
                    here.deliver(&send.broadcast);
                } else {
                    hub.deliver(send.broadcast.clone(), send.done.clone());
                }
            }
        }
        if self.watcher.as_ref().is_some_and(|watcher| watcher.wants_traffic()) {
            self.tell(RoomLife::Traffic(send.broadcast));
        }
    }
}

/// A broadcast to the members that is delivered by others.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Show(pub(super) Arc<Broadcast>);

impl Handler<Show> for Room {
    type Result = ();

    fn handle(&mut self, Show(broadcast): Show, _: &mut Self::Context) {
        if self.watcher.as_ref().is_some_and(|watcher| watcher.wants_traffic()) {
            self.tell(RoomLife::Traffic(broadcast));
        }
    }
}

/// The user's actor of this room.
#[derive(Message)]
#[rtype(result = "Option<Box<dyn std::any::Any + Send>>")]
pub(super) struct FindActor;

impl Handler<FindActor> for Room {
    type Result = Option<Box<dyn std::any::Any + Send>>;

    fn handle(&mut self, _: FindActor, _: &mut Self::Context) -> Self::Result {
        self.watcher.as_ref().and_then(|watcher| watcher.actor())
    }
}

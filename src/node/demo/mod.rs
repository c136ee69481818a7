//! The demo: chat rooms with who is here, built as an application of the library would be.
//!
//! [`pages`] serves the page and its assets, [`chat`] answers the events of the page, [`rooms`] has the actors behind
//! it: one per open room, one for the list of rooms. Uses the public API only.

mod chat;
mod limits;
mod pages;
mod rooms;

use std::sync::Arc;

use actix::Actor as _;
use actix_socketio::{Args, SocketIo};
use actix_web::web;

use self::pages::Pages;
use self::rooms::{ChatRoom, Directory};

/// The namespace of the chat; the list of rooms is on `/`.
const CHAT: &str = "/chat";

/// What the demo needs on every worker thread.
#[derive(Clone)]
pub(super) struct Demo(Arc<Pages>);

/// Acknowledges with what came.
pub(super) async fn echo(args: Args) -> Args {
    args
}

impl Demo {
    /// `has_client`: the browser client is served here, else the page takes it from its public CDN. `is_local`: only
    /// this machine can reach it, which the page says.
    pub(super) fn new(has_client: bool, is_local: bool) -> Self {
        Self(Arc::new(Pages::new(has_client, is_local)))
    }

    /// Mounts the page.
    pub(super) fn configure(&self, config: &mut web::ServiceConfig) {
        self.0.configure(config);
    }

    /// Registers the handlers.
    pub(super) fn register(&self, io: &SocketIo) {
        let chat = io.of(CHAT);
        let directory = Directory::new(io.of("/"), chat.clone()).start();

        let greeter = directory.clone();
        io.of("/").on_connect(move |socket| chat::welcome(greeter.clone(), socket));
        chat.on("join", chat::join)
            .on("leave", chat::leave)
            .on("message", chat::message)
            .on("typing", chat::typing)
            .rooms(move |room| ChatRoom::new(room, directory.clone()));
    }
}

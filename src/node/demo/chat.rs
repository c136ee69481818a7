//! The events of the chat. A socket is in one chat room at a time.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use actix::Addr;
use actix_socketio::error::{EmitError, JoinError};
use actix_socketio::{Data, Namespace, Reply, Socket};
use serde::{Deserialize, Serialize};

use super::limits::{MAX_NAME, MAX_ROOM, MAX_TEXT, tidy};
use super::rooms::{ChatRoom, Directory, History, List};

/// `join`: what the client sends.
#[derive(Deserialize)]
pub(super) struct Join {
    room: String,
    name: String,
}

/// `join`: what it is answered.
#[derive(Serialize)]
pub(super) struct Joined {
    /// The client's own id, by which it knows itself in the list of members.
    id: String,
    room: String,
    name: String,
    history: Vec<Said>,
}

/// `message`: what everybody in the room gets.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Said {
    /// Grows from message to message, also over a restart.
    number: u64,
    from: String,
    name: String,
    text: String,
    /// Milliseconds since 1970.
    at: u64,
}

/// `typing`: what the others in the room get.
#[derive(Serialize)]
struct Typing {
    id: String,
    is_typing: bool,
}

/// The part of a socket's data that others may see.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Person {
    pub(super) name: String,
}

/// Where a socket is.
#[derive(Clone)]
struct Seat {
    room: String,
    name: String,
}

/// Every acknowledgement: `{"ok": …}` or `{"error": "…"}`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer<T> {
    Ok(T),
    Error(&'static str),
}

type Outcome<T> = Result<Reply<Answer<T>>, EmitError>;

fn refuse<T>(why: &'static str) -> Outcome<T> {
    Ok(Reply(Answer::Error(why)))
}

/// A client that connects to `/` gets the list of rooms, and again whenever it changes.
pub(super) async fn welcome(directory: Addr<Directory>, socket: Socket) -> Result<(), EmitError> {
    let rooms = directory.send(List).await.unwrap_or_default();
    socket.emit("rooms", &rooms).await
}

pub(super) async fn join(socket: Socket, namespace: Namespace, Data(join): Data<Join>) -> Outcome<Joined> {
    let Some(name) = tidy(&join.name, MAX_NAME) else { return refuse("choose a name of 1 to 24 characters") };
    let Some(room) = tidy(&join.room, MAX_ROOM) else {
        return refuse("a room has a name of 1 to 32 characters");
    };
    leave(socket.clone()).await;
    if socket.data().share(&Person { name: name.clone() }).is_err() {
        return refuse("choose another name");
    }
    match socket.join(&*room).await {
        Ok(_) => {}
        Err(JoinError::ForeignId) => return refuse("that is the id of somebody, not a room"),
        Err(_) => return Err(EmitError::Disconnected),
    }
    socket.data().set(Seat { room: room.clone(), name: name.clone() });
    let history = match namespace.room_actor::<ChatRoom>(&room).await {
        Some(actor) => actor.send(History).await.unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Reply(Answer::Ok(Joined { id: socket.id().to_owned(), room, name, history })))
}

pub(super) async fn leave(socket: Socket) -> bool {
    let Some(seat) = socket.data().remove::<Seat>() else { return false };
    socket.leave(&seat.room).await;
    true
}

pub(super) async fn message(socket: Socket, namespace: Namespace, Data(text): Data<String>) -> Outcome<u64> {
    let Some(seat) = socket.data().get::<Seat>() else { return refuse("join a room first") };
    let Some(text) = tidy(&text, MAX_TEXT) else { return refuse("a message has 1 to 500 characters") };
    let (number, at) = (next_number(), now());
    let said = Said { number, from: socket.id().to_owned(), name: seat.name, text, at };
    namespace.to(seat.room).emit("message", &said).await?;
    Ok(Reply(Answer::Ok(number)))
}

/// Pages skip numbers they have seen. Beginning with the time makes those of the next process greater: nobody writes a
/// thousand messages per millisecond.
fn next_number() -> u64 {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(now() * 1000));
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

/// Worth nothing a moment later: clients that cannot take it now never get it.
pub(super) async fn typing(socket: Socket, Data(is_typing): Data<bool>) -> Result<(), EmitError> {
    let Some(seat) = socket.data().get::<Seat>() else { return Ok(()) };
    let typing = Typing { id: socket.id().to_owned(), is_typing };
    socket.to(seat.room).volatile().emit("typing", &typing).await
}

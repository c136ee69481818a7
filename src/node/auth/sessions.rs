//! The sockets of this node that have claims: found again when their token ends, or their user is to go.
//!
//! Sockets come when they are connected and go when they are disconnected; in between their claims may change. One timer for
//! all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use actix_socketio::{DisconnectReason, Socket};
use serde_json::json;
use tokio::sync::Notify;

use super::revocations::Revocation;
use crate::node::permissions::Claims;

/// Further away than that it is looked at again: clocks may be set meanwhile.
const FAR: Duration = Duration::from_secs(3600);

/// When something is due, in order; the number tells those of one moment apart.
type Due = (Instant, u64);

struct Session {
    socket: Socket,
    claims: Claims,
    expires: Option<SystemTime>,
    is_warned: bool,
    due: Option<Due>,
}

#[derive(Default)]
struct Table {
    by_socket: HashMap<String, Session>,
    by_user: HashMap<String, Vec<String>>,
    due: BTreeMap<Due, String>,
    count: u64,
}

/// See the module's documentation.
pub(super) struct Sessions {
    table: Mutex<Table>,
    is_sooner: Notify,
    event: String,
    warn: Duration,
    grace: Duration,
}

impl Sessions {
    pub(super) fn new(event: &str, warn: Duration, grace: Duration) -> Self {
        Self { table: Mutex::default(), is_sooner: Notify::new(), event: event.to_owned(), warn, grace }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket is connected, or has other claims than before.
    pub(super) fn insert(&self, socket: &Socket, claims: Claims, expires: Option<SystemTime>) {
        let mut table = self.table();
        table.remove(socket.id());
        if let Some(user) = claims.subject() {
            table.by_user.entry(user.into_owned()).or_default().push(socket.id().to_owned());
        }
        let session =
            Session { socket: socket.clone(), claims, expires, is_warned: self.event.is_empty(), due: None };
        table.by_socket.insert(socket.id().to_owned(), session);
        self.plan(&mut table, socket.id());
    }

    /// A socket is disconnected.
    pub(super) fn remove(&self, id: &str) {
        self.table().remove(id);
    }

    /// The sockets of the same user on the same connection, this one among them.
    pub(super) fn siblings(&self, socket: &Socket, user: &str) -> Vec<Socket> {
        let table = self.table();
        let ids = table.by_user.get(user).map(Vec::as_slice).unwrap_or_default();
        let sockets = ids.iter().filter_map(|id| table.by_socket.get(id)).map(|session| &session.socket);
        sockets.filter(|other| other.connection().sid() == socket.connection().sid()).cloned().collect()
    }

    /// The sockets whose claims are revoked.
    pub(super) fn revoked(&self, revocation: &Revocation) -> Vec<Socket> {
        let table = self.table();
        let hit = |session: &&Session| revocation.hits(&session.claims);
        if let Some(user) = revocation.subject() {
            let ids = table.by_user.get(user).map(Vec::as_slice).unwrap_or_default();
            let sessions = ids.iter().filter_map(|id| table.by_socket.get(id)).filter(hit);
            return sessions.map(|session| session.socket.clone()).collect();
        }
        table.by_socket.values().filter(hit).map(|session| session.socket.clone()).collect()
    }

    /// When the socket is to be looked at next.
    fn plan(&self, table: &mut Table, id: &str) {
        let Some(session) = table.by_socket.get_mut(id) else { return };
        let Some(expires) = session.expires else { return };
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        let wait =
            if session.is_warned { left.saturating_add(self.grace) } else { left.saturating_sub(self.warn) };
        table.count += 1;
        let due = (Instant::now() + wait.min(FAR), table.count);
        session.due = Some(due);
        let is_sooner = table.due.first_key_value().is_none_or(|(first, _)| due < *first);
        table.due.insert(due, id.to_owned());
        if is_sooner {
            self.is_sooner.notify_one();
        }
    }

    /// Warns and closes, for ever. Counts what is closed.
    pub(super) async fn run(&self, closed: &AtomicU64) {
        loop {
            let next = self.table().due.first_key_value().map(|((at, _), _)| *at);
            let at = next.unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => {}
                () = self.is_sooner.notified() => continue,
            }
            while let Some((socket, expires)) = self.next_due() {
                self.look_at(&socket, expires, closed);
            }
        }
    }

    /// Takes a socket that is due now.
    fn next_due(&self) -> Option<(Socket, SystemTime)> {
        let mut table = self.table();
        let entry = table.due.first_entry()?;
        if entry.key().0 > Instant::now() {
            return None;
        }
        let id = entry.remove();
        let session = table.by_socket.get_mut(&id)?;
        session.due = None;
        Some((session.socket.clone(), session.expires?))
    }

    fn look_at(&self, socket: &Socket, expires: SystemTime, closed: &AtomicU64) {
        let now = SystemTime::now();
        if expires.checked_add(self.grace).is_some_and(|end| now >= end) {
            tracing::info!(sid = socket.id(), "the token has expired: the connection is closed");
            closed.fetch_add(1, Ordering::Relaxed);
            // Not a DISCONNECT: the client is to come back, with another token.
            socket.connection().close(DisconnectReason::ForcedServerClose);
            return;
        }
        let mut table = self.table();
        let Some(session) = table.by_socket.get_mut(socket.id()) else { return };
        let is_time = !session.is_warned && expires.duration_since(now).unwrap_or_default() <= self.warn;
        session.is_warned |= is_time;
        self.plan(&mut table, socket.id());
        drop(table);
        if is_time {
            let left = expires.duration_since(now).unwrap_or_default();
            let (socket, event) = (socket.clone(), self.event.clone());
            actix_web::rt::spawn(async move {
                // A client that is too far behind is not waited for.
                let _ = socket.volatile().emit(&event, &json!({ "expires_in": left.as_secs() })).await;
            });
        }
    }
}

impl Table {
    fn remove(&mut self, id: &str) {
        let Some(session) = self.by_socket.remove(id) else { return };
        if let Some(due) = session.due {
            self.due.remove(&due);
        }
        let Some(user) = session.claims.subject() else { return };
        if let Some(ids) = self.by_user.get_mut(&*user) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_user.remove(&*user);
            }
        }
    }
}

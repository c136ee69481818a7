//! The list of sockets for an admin that has come, or has missed something: page after page, from all nodes, no faster than the
//! browser takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_socketio::Socket;
use serde_json::json;

use super::feed::{Page, PageAnswer};
use super::{Admin, PAGE};

/// Sockets in a page. The UI renders each of them anew.
const PER_PAGE: usize = 100;
/// Sockets in the first list, all nodes together if they had as many: the UI renders it once.
const FIRST_LIST: usize = 1000;
/// With more than that on its way to the browser there is no next page, in bytes.
const MAX_QUEUED: usize = 16 * 1024;
/// How often that is looked at; and the least time between two pages, in which the browser can show the first.
const PAUSE: Duration = Duration::from_millis(50);

/// The admins that are told of the sockets now, by id; whether they need it once more.
#[derive(Default)]
pub(super) struct Listings(Mutex<HashMap<String, bool>>);

impl Listings {
    /// Whether it is to begin. If it goes on already, it will be once more.
    fn begin(&self, id: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !all.contains_key(id);
        all.insert(id.to_owned(), !is_new);
        is_new
    }

    /// Whether it is to begin once more.
    fn end(&self, id: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(id) {
            Some(again @ true) => {
                *again = false;
                true
            }
            _ => {
                all.remove(id);
                false
            }
        }
    }
}

impl Admin {
    /// Tells an admin of all sockets.
    pub(super) fn list(self: &Arc<Self>, socket: Socket) {
        if !self.listings.begin(socket.id()) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                this.list_to(&socket).await;
                if !this.listings.end(socket.id()) {
                    return;
                }
            }
        });
    }

    /// Tells all admins of this node.
    pub(super) async fn list_again(self: &Arc<Self>) {
        for socket in self.namespace.sockets_here().await {
            self.list(socket);
        }
    }

    async fn list_to(&self, socket: &Socket) {
        // Makes the UI know this namespace, which is the one that it then shows.
        if socket.emit("socket_updated", &json!({ "id": "", "nsp": "/" })).await.is_err() {
            return;
        }
        let mut left = self.options.load().max_sockets;
        let mut page = Page { admin: socket.id().to_owned(), is_first: true, ..Page::default() };
        let own = self.io.node_id().to_owned();
        // The own page comes first: it takes the place of what the UI had.
        let mut is_new_list = true;
        let first = (FIRST_LIST.min(left) / self.io.nodes().len().max(1)).max(PER_PAGE);
        loop {
            page.limit = left.min(PER_PAGE);
            let mut answers = Vec::new();
            if page.is_first || page.after.contains_key(&own) {
                let mut own_page = page.clone();
                if is_new_list {
                    own_page.limit = left.min(first);
                }
                answers.push((own.clone(), self.page(own_page, is_new_list).await));
            }
            if page.is_first || page.after.keys().any(|node| *node != own) {
                answers.extend(self.pages_elsewhere(&page).await);
            }
            (page.is_first, is_new_list) = (false, false);
            page.after.clear();
            for (node, answer) in answers {
                left = left.saturating_sub(answer.sent);
                page.after.extend(answer.next.map(|last| (node, last)));
            }
            if page.after.is_empty() {
                return;
            }
            if left == 0 {
                tracing::debug!(
                    admin = socket.id(),
                    most = self.options.load().max_sockets,
                    "more sockets than are listed"
                );
                return;
            }
            if !is_ready(socket).await {
                return;
            }
        }
    }

    async fn pages_elsewhere(&self, page: &Page) -> Vec<(String, PageAnswer)> {
        match self.namespace.server_side_emit_with_ack::<PageAnswer, _>(PAGE, page).await {
            Ok(acks) => {
                if !acks.missing_nodes.is_empty() {
                    tracing::warn!(nodes = ?acks.missing_nodes, "an admin does not see the sockets of these nodes");
                }
                acks.answers
            }
            Err(error) => {
                tracing::warn!(%error, "an admin does not see the sockets of other nodes");
                Vec::new()
            }
        }
    }
}

/// Waits until the admin's browser can take more; false if it has gone.
async fn is_ready(socket: &Socket) -> bool {
    loop {
        tokio::time::sleep(PAUSE).await;
        if !socket.is_connected() {
            return false;
        }
        if socket.connection().queued_bytes() <= MAX_QUEUED {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_asked_for_while_it_is_made_is_made_once_more() {
        let listings = Listings::default();
        assert!(listings.begin("a") && listings.begin("b"));
        assert!(!listings.begin("a") && !listings.begin("a"));
        assert!(listings.end("a"), "once more");
        assert!(!listings.end("a"));
        assert!(listings.begin("a"));
        assert!(!listings.end("b"));
    }
}

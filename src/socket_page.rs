//! Sockets of all nodes, one page after the other, in the order of their ids: no node, and nobody who asks, has more than a page in hand.

use std::sync::Arc;

use socketio_cluster::message::{self, Action, Answer, MAX_PAGE};

use crate::broadcast_operator::BroadcastOperator;
use crate::delivery::Target;
use crate::inbox::LocalSocket;
use crate::namespace::Namespace;
use crate::remote_socket::RemoteSocket;
use crate::socket::Socket;

/// A page of sockets: what [`fetch_page`](BroadcastOperator::fetch_page) found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SocketPage {
    /// The sockets, in the order of their ids.
    pub sockets: Vec<RemoteSocket>,
    /// What the next page begins after; None if there is nothing more on the nodes that answered.
    pub next: Option<String>,
    /// How many sockets match on the nodes that answered, on all pages.
    pub total: u64,
    /// The nodes that did not answer, by id: sockets of theirs may be missing.
    pub missing_nodes: Vec<String>,
}

/// A page of this node's sockets.
pub(crate) struct PageHere {
    /// In the order of their ids.
    pub(crate) sockets: Vec<Socket>,
    /// How many match that have higher ids.
    pub(crate) left: u64,
    /// How many match.
    pub(crate) total: u64,
}

impl BroadcastOperator {
    /// At most `limit` of the matching sockets (1 to 1,000; what is outside counts as the nearest), in the order of their ids, those with
    /// ids above `after` only. Each page asks all nodes once; `after` is [`next`](SocketPage::next) of the page before. A socket that is there
    /// from the first page to the last comes once; those that come and go meanwhile may be missed.
    pub async fn fetch_page(&self, after: Option<&str>, limit: usize) -> SocketPage {
        let after: Arc<str> = after.unwrap_or_default().into();
        let limit = page_size(limit as u64);
        let asked = self.ask(Action::FetchPage { after: after.clone(), limit: limit as u64 });
        let mut page = SocketPage::default();
        let mut left = 0_u64;
        if self.concerns_this_node() {
            let here = self.namespace().page_here(self.target().clone(), after.clone(), limit).await;
            (left, page.total) = (here.left, here.total);
            page.sockets.extend(here.sockets.into_iter().map(RemoteSocket::here));
        }
        let mut answers = self.answers(asked).await;
        answers.check_parts();
        page.missing_nodes = answers.missing;
        for (_, answer) in answers.answers {
            match answer {
                Answer::Sockets(sockets) => {
                    // What is no part of the page would make the next one begin at the wrong place.
                    let sockets = sockets.into_iter().filter(|socket| socket.id > after);
                    let namespace = &self.namespace().0;
                    page.sockets.extend(sockets.map(|socket| RemoteSocket::elsewhere(namespace, socket)));
                }
                Answer::EndOfPage { left: further, total, .. } => {
                    left = left.saturating_add(further);
                    page.total = page.total.saturating_add(total);
                }
                _ => {}
            }
        }
        page.sockets.sort_unstable_by(|one, other| one.id().cmp(other.id()));
        let has_more = left > 0 || page.sockets.len() > limit;
        page.sockets.truncate(limit);
        page.next = page.sockets.last().filter(|_| has_more).map(|last| last.id().to_owned());
        page
    }

    /// A page of this node's matching sockets, as another node asks for it.
    pub(crate) async fn described_page(&self, after: Arc<str>, limit: u64) -> (Vec<message::Socket>, Answer) {
        let page = self.namespace().page_here(self.target().clone(), after, page_size(limit)).await;
        let sockets = page.sockets.into_iter().map(RemoteSocket::here);
        let described: Vec<_> = sockets.filter_map(|socket| socket.described()).collect();
        let sent = described.len() as u64;
        (described, Answer::EndOfPage { sent, left: page.left, total: page.total })
    }
}

/// A limit within the bounds.
fn page_size(limit: u64) -> usize {
    limit.clamp(1, MAX_PAGE) as usize
}

impl Namespace {
    /// Its sockets that are connected to this node and have ids above `after`: the first `limit` in the order of ids. An empty `after` is
    /// below all.
    pub async fn sockets_here_after(&self, after: &str, limit: usize) -> Vec<Socket> {
        self.page_here(Target::default(), after.into(), limit.max(1)).await.sockets
    }

    async fn page_here(&self, target: Target, after: Arc<str>, limit: usize) -> PageHere {
        let number = self.0.number;
        let chosen = self.0.hubs().collect(move |hub| {
            let chosen = hub.select_lowest(number, &target, &after, limit);
            let locals = chosen.locals.into_iter().filter_map(LocalSocket::of);
            let sockets: Vec<_> = locals.map(|local| local.socket().clone()).collect();
            (sockets, chosen.above as u64, chosen.total as u64)
        });
        let mut page = PageHere { sockets: Vec::new(), left: 0, total: 0 };
        for (sockets, above, total) in chosen.await {
            page.sockets.extend(sockets);
            page.left += above;
            page.total += total;
        }
        page.sockets.sort_unstable_by(|one, other| one.id().cmp(other.id()));
        page.sockets.truncate(limit);
        page.left = page.left.saturating_sub(page.sockets.len() as u64);
        page
    }
}

//! What a node emits to the admins of all nodes while one of them looks: its numbers, what happens to its sockets, and, for an admin
//! that has just come, a list of them.
//!
//! All of it goes out through one task, so that an admin is told of a socket before it is told that the socket has left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{Args, BroadcastOperator};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use tokio::sync::{mpsc, oneshot};

use super::record::Record;
use super::stats::Meter;
use super::tap::{Happening, Shared, Tap};
use super::{Admin, STALE};

/// How often the UI wants the numbers.
const INTERVAL: Duration = Duration::from_secs(2);
/// What waits to be emitted, at most.
const MAX_WAITING: usize = 1024;
/// Pages that may be asked for at the same time.
pub(super) const MAX_REQUESTS: usize = 64;
/// The largest page, in sockets; and the length at which one ends early, in bytes: half of what may wait for a client.
const MAX_PAGE: usize = 1000;
const MAX_PAGE_BYTES: usize = 512 * 1024;
/// Ticks without a gap before sockets are listed again because of one.
const CALM: u32 = 2;

/// Some of the sockets, to an admin.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Page {
    /// The admin's socket.
    pub(super) admin: String,
    /// Every node is to begin; otherwise those of `after` go on.
    pub(super) is_first: bool,
    /// By node, the socket that was the last one.
    pub(super) after: BTreeMap<String, String>,
    pub(super) limit: usize,
}

/// What was emitted.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct PageAnswer {
    pub(super) sent: usize,
    /// The last socket, if there are more.
    pub(super) next: Option<String>,
}

/// A page that is to be emitted by this node.
pub(super) struct PageRequest {
    pub(super) page: Page,
    /// As the list of all sockets, which the UI puts in place of what it had.
    pub(super) is_new_list: bool,
    pub(super) answer: oneshot::Sender<PageAnswer>,
}

/// See the module's documentation.
pub(super) struct Feed {
    admin: Arc<Admin>,
    requests: mpsc::Receiver<PageRequest>,
}

impl Feed {
    pub(super) fn new(admin: Arc<Admin>, requests: mpsc::Receiver<PageRequest>) -> Self {
        Self { admin, requests }
    }

    /// For as long as the node runs.
    pub(super) async fn run(mut self) {
        loop {
            self.admin.watch.begins().await;
            self.feed().await;
        }
    }

    /// For as long as somebody looks.
    async fn feed(&mut self) {
        let admin = self.admin.clone();
        let (sender, mut happenings) = mpsc::channel(MAX_WAITING);
        let options = admin.options.load_full();
        let tap = options
            .shows_sockets()
            .then(|| Arc::new(Tap::new(admin.namespace.name(), options.max_events, sender)));
        let observation = tap.as_ref().map(|tap| admin.io.observe(Shared(tap.clone())));
        let mut meter = Meter::new(&admin.io, &options);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Ticks since something was left out.
        let mut calm = None;
        while admin.watch.is_on() {
            tokio::select! {
                biased;
                // With other options it begins anew.
                () = admin.changed.notified() => break,
                Some(happening) = happenings.recv() => admin.tell(happening).await,
                Some(request) = self.requests.recv() => {
                    // A page says what is so now: what was before has to come before it.
                    while let Ok(happening) = happenings.try_recv() {
                        admin.tell(happening).await;
                    }
                    let answer = admin.emit_page(tap.as_deref(), request.page, request.is_new_list).await;
                    // Whoever asked may have given up.
                    let _ = request.answer.send(answer);
                }
                _ = ticks.tick() => {
                    for happening in tap.iter().flat_map(|tap| tap.upgraded()) {
                        admin.tell(happening).await;
                    }
                    admin.tell_stats(&mut meter).await;
                    let Some(tap) = &tap else { continue };
                    calm = match calm {
                        _ if tap.was_stale() => Some(0),
                        Some(CALM) => {
                            admin.lists_are_stale().await;
                            None
                        }
                        calm => calm.map(|ticks| ticks + 1),
                    };
                }
            }
        }
        drop(observation);
    }
}

impl Admin {
    /// Emits something to all admins.
    async fn tell(&self, Happening { event, args, is_volatile }: Happening) {
        let everybody =
            if is_volatile { self.namespace.volatile() } else { self.namespace.to(Vec::<String>::new()) };
        emit_json(&everybody, event, args).await;
    }

    async fn tell_stats(&self, meter: &mut Meter) {
        let stats = meter.read(&self.io);
        self.tell(Happening::new("server_stats", &(stats,), true)).await;
        if self.watch.is_here() {
            self.look().await;
        }
    }

    /// Something was left out, and there is time now to make up for it.
    async fn lists_are_stale(self: &Arc<Self>) {
        if let Err(error) = self.namespace.server_side_emit(STALE, &()).await {
            tracing::debug!(%error, "other nodes are not told that their admins have missed something");
        }
        self.list_again().await;
    }

    /// Emits some of this node's sockets to one admin.
    async fn emit_page(&self, tap: Option<&Tap>, page: Page, is_new_list: bool) -> PageAnswer {
        let Some(tap) = tap else { return PageAnswer::default() };
        let after = match page.after.get(self.io.node_id()) {
            _ if page.is_first => "",
            Some(after) => after,
            None => return PageAnswer::default(),
        };
        let limit = page.limit.clamp(1, MAX_PAGE);
        let mut sockets = Vec::new();
        for namespace in self.io.namespaces() {
            // With one more, to know whether there is more.
            sockets.extend(namespace.sockets_here_after(after, limit + 1).await);
            sockets.sort_unstable_by(|one, other| one.id().cmp(other.id()));
            sockets.truncate(limit + 1);
        }
        let mut shown = Vec::new();
        let mut bytes = 0;
        for socket in sockets.iter().take(limit) {
            let record = Record::of(socket);
            // Plain data with keys that are texts.
            let Ok(json) = to_raw_value(&record) else { continue };
            bytes += json.get().len();
            if bytes > MAX_PAGE_BYTES && !shown.is_empty() {
                break;
            }
            tap.shown(socket);
            shown.push((socket, record, json));
        }
        let admin = self.namespace.to(&page.admin);
        if is_new_list {
            let list: Vec<_> = shown.iter().map(|(.., json)| json).collect();
            let Happening { event, args, .. } = Happening::new("all_sockets", &(list,), false);
            emit_json(&admin, event, args).await;
        } else {
            for (_, record, json) in &shown {
                let Happening { event, args, .. } =
                    Happening::new("socket_connected", &(json, record.issued()), false);
                emit_json(&admin, event, args).await;
            }
        }
        let last = shown.last().filter(|_| shown.len() < sockets.len());
        let next = last.map(|(socket, ..)| socket.id().to_owned());
        PageAnswer { sent: shown.len(), next }
    }
}

/// Emits arguments that are a JSON array.
async fn emit_json(to: &BroadcastOperator, event: &str, args: String) {
    let emitted = match Args::from_json(args, Vec::new()) {
        Ok(args) => to.emit(event, &args).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = emitted {
        tracing::debug!(event, error, "not told to admins of other nodes");
    }
}

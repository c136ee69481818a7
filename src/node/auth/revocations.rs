//! Tokens that no longer count although they have not expired: single ones (`jti`), or all that a user (`sub`) had until then.
//!
//! Known on all nodes: whoever revokes tells the others at once; and every node asks the others again and again for what it has missed,
//! from its start on. Bounded, and forgotten when no such token can be valid any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_socketio::SocketIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::permissions::Claims;

/// One is told to the other nodes.
const REVOKE: &str = "actix-socketio:revoke";
/// What another node has missed.
const SINCE: &str = "actix-socketio:revoked-since";
/// How often it is looked whether there is another node.
const LOOK: Duration = Duration::from_secs(1);
/// How often the others are asked.
const EVERY: Duration = Duration::from_secs(30);
/// Clocks of nodes differ: what was revoked so long before the last question is asked for again.
const OVERLAP: u64 = 120_000;

/// What is revoked.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::node) enum Revoked {
    /// One token, by its `jti`.
    Token(String),
    /// All tokens of a user, by `sub`, that were issued until then.
    Subject(String),
}

/// A revocation. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::node) struct Revocation {
    what: Revoked,
    /// When it was revoked.
    at: u64,
    /// When it can be forgotten.
    until: u64,
}

impl Revocation {
    /// From now on, remembered for so long.
    pub(super) fn new(what: Revoked, remembered: Duration) -> Self {
        let at = now();
        Self { what, at, until: at.saturating_add(u64::try_from(remembered.as_millis()).unwrap_or(u64::MAX)) }
    }

    /// Whose tokens it is about, if it is about a user.
    pub(super) fn subject(&self) -> Option<&str> {
        match &self.what {
            Revoked::Subject(subject) => Some(subject),
            Revoked::Token(_) => None,
        }
    }

    /// Whether it is about a token with these claims. One that does not say when it was issued was issued before.
    pub(super) fn hits(&self, claims: &Claims) -> bool {
        match &self.what {
            Revoked::Token(id) => claims.texts("jti").iter().any(|other| other == id),
            Revoked::Subject(subject) => {
                let issued = claims.get("iat").and_then(Value::as_f64).unwrap_or(0.0);
                claims.subject().is_some_and(|other| other == *subject) && issued * 1000.0 <= self.at as f64
            }
        }
    }
}

/// All that are remembered.
pub(super) struct Revocations {
    table: Mutex<HashMap<Revoked, Revocation>>,
    most: usize,
}

impl Revocations {
    pub(super) fn new(most: usize) -> Self {
        Self { table: Mutex::default(), most }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Revoked, Revocation>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token with these claims is revoked.
    pub(super) fn hit(&self, claims: &Claims) -> bool {
        let table = self.table();
        if table.is_empty() {
            return false;
        }
        let subject = claims.subject().map(|subject| Revoked::Subject(subject.into_owned()));
        let tokens = claims.texts("jti").into_iter().map(|id| Revoked::Token(id.into_owned()));
        tokens.chain(subject).filter_map(|key| table.get(&key)).any(|revocation| revocation.hits(claims))
    }

    /// Remembers it: whether that is news.
    pub(super) fn add(&self, revocation: &Revocation) -> bool {
        let mut table = self.table();
        if table.get(&revocation.what).is_some_and(|known| known.at >= revocation.at) {
            return false;
        }
        if table.len() >= self.most && !table.contains_key(&revocation.what) {
            let now = now();
            table.retain(|_, known| known.until > now);
            if table.len() >= self.most {
                let first = table.values().min_by_key(|known| known.until).map(|known| known.what.clone());
                first.map(|first| table.remove(&first));
                tracing::warn!(
                    "auth.max_revocations is reached: the one that would be forgotten first is forgotten now"
                );
            }
        }
        table.insert(revocation.what.clone(), revocation.clone());
        true
    }

    /// What was revoked since then.
    fn since(&self, at: u64) -> Vec<Revocation> {
        let now = now();
        let mut table = self.table();
        table.retain(|_, known| known.until > now);
        table.values().filter(|known| known.at >= at).cloned().collect()
    }
}

/// Tells the other nodes; who of them did not answer.
pub(super) async fn tell(io: &SocketIo, revocation: &Revocation) -> Vec<String> {
    match io.of("/").server_side_emit_with_ack::<bool, _>(REVOKE, revocation).await {
        Ok(acks) => acks.missing_nodes,
        Err(error) => {
            tracing::error!(%error, "the other nodes cannot be told of a revocation now; they ask within {EVERY:?}");
            io.nodes().into_iter().skip(1).map(|node| node.id).collect()
        }
    }
}

/// Listens to the other nodes. `apply` is told of each that is news.
pub(super) fn follow(
    io: &SocketIo,
    revocations: &Arc<Revocations>,
    apply: impl Fn(&Revocation) + Clone + Send + Sync + 'static,
) {
    let root = io.of("/");
    let (known, told) = (revocations.clone(), apply);
    root.clone().on_server_side_emit(REVOKE, move |event| {
        let (known, told) = (known.clone(), told.clone());
        async move {
            match event.data::<Revocation>() {
                Ok(revocation) => {
                    if known.add(&revocation) {
                        told(&revocation);
                    }
                    true
                }
                Err(error) => {
                    tracing::warn!(%error, node = event.node(), "a revocation is not understood");
                    false
                }
            }
        }
    });
    let known = revocations.clone();
    root.on_server_side_emit(SINCE, move |event| {
        let missed = known.since(event.data::<u64>().unwrap_or(0));
        async move { missed }
    });
}

/// Asks the other nodes what this one has missed, now and then for ever: again and again, and whenever there is another node. `apply` is told of
/// each that is news. Returns when it has asked once.
pub(super) async fn catch_up(
    io: &SocketIo,
    revocations: &Arc<Revocations>,
    apply: impl Fn(&Revocation) + Send + Sync + 'static,
) {
    let (io, known) = (io.clone(), revocations.clone());
    let mut asked = 0;
    ask(&io, &known, &mut asked, &apply).await;
    actix_web::rt::spawn(async move {
        let ids = || io.nodes().into_iter().map(|node| node.id).collect::<HashSet<_>>();
        let (mut nodes, mut at) = (ids(), Instant::now());
        loop {
            tokio::time::sleep(LOOK).await;
            let now = ids();
            let has_another = !now.is_subset(&nodes);
            if has_another {
                // It may know what was revoked long ago.
                asked = 0;
            }
            nodes = now;
            if has_another || at.elapsed() >= EVERY {
                at = Instant::now();
                ask(&io, &known, &mut asked, &apply).await;
            }
        }
    });
}

/// Asks for what was revoked since `asked`.
async fn ask(io: &SocketIo, known: &Revocations, asked: &mut u64, apply: &impl Fn(&Revocation)) {
    let now = now();
    let question = io.of("/").server_side_emit_with_ack::<Vec<Revocation>, _>(SINCE, &*asked).await;
    let Ok(acks) = question else { return };
    // Whoever did not answer is asked for the same again.
    if acks.missing_nodes.is_empty() {
        *asked = now.saturating_sub(OVERLAP);
    }
    for revocation in acks.answers.into_iter().flat_map(|(_, missed)| missed) {
        if known.add(&revocation) {
            apply(&revocation);
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

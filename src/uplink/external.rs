//! What external processes ask for in JSON: every node does its part; one of them, which NATS chooses, answers for all.
//!
//! The choice is a queue group on the same subject. The chosen node asks the others, by the message's reply subject, what they found. NATS
//! may choose a node that is stuck: when nobody asks, another one answers in its place, and then it is silent.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use socketio_cluster::bus::{Publish, Received};
use socketio_cluster::external::{self, External, ExternalLimits, Receipt, Reply};
use socketio_cluster::message::{Action, Answer, Target};
use socketio_cluster::node::NodeId;
use tokio::sync::oneshot;

use super::members::Member;
use super::receive::spawn;
use super::{Audience, Uplink};

/// The queue group of the nodes.
pub(super) const GROUP: &str = "nodes";
/// External messages whose outcome is kept until it is asked for.
const MAX_OUTCOMES: usize = 10_000;
/// After this part of a request's time another node answers in the place of the chosen one; after twice that a second one, and so on.
const IN_PLACE_PART: u32 = 5;
/// How many nodes may try that.
const MAX_IN_PLACE: usize = 3;

/// What an external message found on one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// How many sockets.
    pub(crate) sockets: u64,
    /// Of a join: the nodes that did not confirm it to this one.
    pub(crate) missing: Vec<NodeId>,
}

impl From<Outcome> for Answer {
    fn from(Outcome { sockets, missing }: Outcome) -> Self {
        if missing.is_empty() { Self::Done(sockets) } else { Self::Joined { sockets, missing } }
    }
}

/// What external messages found here, by reply subject, until the node that answers asks.
#[derive(Default)]
pub(super) struct Outcomes {
    entries: Mutex<HashMap<Arc<str>, Entry>>,
    /// What another node answers in the place of the chosen one, which may be this one.
    left_to_others: Mutex<HashMap<Arc<str>, Instant>>,
}

#[derive(Default)]
struct Entry {
    /// Several, if a reply subject is used for more than one message.
    found: VecDeque<Outcome>,
    asking: VecDeque<oneshot::Sender<Outcome>>,
    since: Option<Instant>,
}

impl Outcomes {
    fn entries(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_to_others(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.left_to_others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was carried out.
    fn found(&self, reply: &str, found: Outcome) {
        let mut entries = self.entries();
        if entries.len() >= MAX_OUTCOMES && !entries.contains_key(reply) {
            return;
        }
        let entry = entries.entry(reply.into()).or_default();
        entry.since = Some(Instant::now());
        let mut found = found;
        while let Some(asking) = entry.asking.pop_front() {
            match asking.send(found) {
                Ok(()) => {
                    if entry.asking.is_empty() && entry.found.is_empty() {
                        entries.remove(reply);
                    }
                    return;
                }
                Err(back) => found = back,
            }
        }
        entry.found.push_back(found);
    }

    /// Waits until a message was carried out here; an error if that takes too long.
    fn ask(&self, reply: &str) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut entries = self.entries();
        if entries.len() >= MAX_OUTCOMES && !entries.contains_key(reply) {
            return receiver;
        }
        let entry = entries.entry(reply.into()).or_default();
        entry.since = Some(Instant::now());
        match entry.found.pop_front() {
            Some(found) => {
                let _ = sender.send(found);
                if entry.found.is_empty() && entry.asking.is_empty() {
                    entries.remove(reply);
                }
            }
            None => entry.asking.push_back(sender),
        }
        receiver
    }

    /// Forgets what is too old; what was carried out so long ago without being asked for.
    fn sweep(&self, now: Instant, patience: Duration, max_age: Duration) -> Vec<Arc<str>> {
        let age = |entry: &Entry| entry.since.map(|since| now.saturating_duration_since(since));
        self.left_to_others().retain(|_, since| now.saturating_duration_since(*since) < max_age);
        let mut entries = self.entries();
        entries.retain(|_, entry| age(entry).is_some_and(|age| age < max_age));
        let is_forgotten =
            |entry: &Entry| !entry.found.is_empty() && age(entry).is_some_and(|age| age >= patience);
        entries.iter().filter(|(_, entry)| is_forgotten(entry)).map(|(reply, _)| reply.clone()).collect()
    }

    /// Another node answers in the place of the chosen one.
    fn leave_to_others(&self, reply: &str) {
        let mut left = self.left_to_others();
        if left.len() < MAX_OUTCOMES {
            left.insert(reply.into(), Instant::now());
        }
    }
}

impl Uplink {
    /// Something came on the subject for external processes.
    pub(super) fn external(self: &Arc<Self>, received: &Received) {
        let limits = ExternalLimits { max_bytes: self.config.max_message, ..ExternalLimits::default() };
        let external = External::read(&received.body, &limits);
        let reply = received.reply.as_deref();
        match external {
            Ok(External { action: external::Action::Nodes, .. }) => {
                if let Some(reply) = reply.filter(|_| received.is_queue) {
                    self.reply(reply, &Reply::Members(self.described_members()));
                }
            }
            // The copy that is to be answered; the other one is carried out.
            Ok(_) if received.is_queue => {
                if let Some(reply) = reply {
                    answer(self, reply.into(), false);
                }
            }
            Ok(external) => {
                let Some(site) = self.site() else { return };
                let carried_out = site.external(external, reply.is_some(), received.trace.as_deref());
                match reply {
                    Some(reply) => {
                        let (uplink, reply): (_, Arc<str>) = (self.clone(), reply.into());
                        let noted = carried_out.map(move |outcome| uplink.outcomes.found(&reply, outcome));
                        spawn(noted.boxed());
                    }
                    None => spawn(carried_out),
                }
            }
            Err(error) if received.is_queue => {
                self.counters.refused_external.fetch_add(1, Ordering::Relaxed);
                // It may quote what was sent: as text, which is escaped.
                tracing::warn!(error = error.to_string(), "an external message is refused");
                if let Some(reply) = reply {
                    self.reply(reply, &Reply::Refused(error.to_string()));
                }
            }
            Err(_) => {}
        }
    }

    /// Tells a node what an external message found here.
    pub(crate) fn tell_outcome(
        self: Arc<Self>,
        to: NodeId,
        id: u64,
        reply: &str,
        is_in_place: bool,
    ) -> impl Future<Output = ()> + Send + 'static {
        if is_in_place {
            self.outcomes.leave_to_others(reply);
        }
        let found = self.outcomes.ask(reply);
        async move {
            let answer = match tokio::time::timeout(self.config.request_timeout, found).await {
                Ok(Ok(outcome)) => outcome.into(),
                // It did not come here: its sockets were not reached.
                _ => Answer::Refused("the message did not arrive".into()),
            };
            self.respond(to, id, true, answer);
        }
    }

    /// Answers what the chosen nodes should have answered, and forgets what nobody wants to know any more.
    pub(super) fn answer_in_place(self: &Arc<Self>, now: Instant) {
        let timeout = self.config.request_timeout;
        let before =
            self.members().into_iter().filter(|member| member.is_reachable && member.id < self.node.id);
        let turn = before.count();
        let patience = timeout / IN_PLACE_PART * (turn as u32 + 1);
        let forgotten = self.outcomes.sweep(now, patience, timeout * 2);
        if turn < MAX_IN_PLACE {
            for reply in forgotten {
                answer(self, reply, true);
            }
        }
    }

    /// Who is in the cluster, this node first.
    fn described_members(&self) -> Vec<external::Member> {
        let holding = self.site().map(|site| site.holding()).unwrap_or_default();
        let mut others = self.members();
        others.sort_by_key(|member| member.id);
        let describe = |member: Member| external::Member {
            id: member.id.to_string(),
            name: member.name.to_string(),
            since: member
                .since
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            sockets: member.sockets,
            rooms: member.rooms,
            load: member.load as f64 / 1000.0,
            reachable: member.is_reachable,
        };
        std::iter::once(self.own_heartbeat(holding)).chain(others).map(describe).collect()
    }

    fn reply(&self, subject: &str, reply: &Reply) {
        let Ok(subject) = self.subjects.reply(subject) else {
            tracing::warn!("an external message wants an answer on a subject that is none");
            return;
        };
        if let Err(error) = self.bus.publish(Publish::new(subject, reply.write())) {
            tracing::warn!(%error, "an external message could not be answered");
        }
    }
}

/// Begins to ask everybody what a message found, and to answer it.
fn answer(uplink: &Arc<Uplink>, reply: Arc<str>, is_in_place: bool) {
    if uplink.outcomes.left_to_others().contains_key(&reply) {
        return;
    }
    tokio::spawn(gather(uplink.clone(), reply, is_in_place));
}

async fn gather(uplink: Arc<Uplink>, reply: Arc<str>, is_in_place: bool) {
    let here = uplink.outcomes.ask(&reply);
    let action = Action::ExternalOutcome { reply: reply.clone(), is_in_place };
    let asked = uplink.ask(Target::default(), action, Audience::Everybody);
    let timeout = uplink.config.request_timeout;
    let (here, elsewhere) = tokio::join!(tokio::time::timeout(timeout, here), asked.gather.collect(timeout));
    // It took so long that another one does it.
    if uplink.outcomes.left_to_others().contains_key(&reply) {
        return;
    }
    let mut missing = elsewhere.missing;
    missing.extend(asked.unreachable);
    let mut receipt = Receipt { nodes: 0, sockets: 0, missing: Vec::new() };
    let own = match here {
        Ok(Ok(outcome)) => outcome.into(),
        _ => Answer::Refused("the message did not arrive".into()),
    };
    for (node, answer) in elsewhere.answers.into_iter().chain([(uplink.node.id, own)]) {
        match answer {
            Answer::Done(sockets) => {
                receipt.nodes += 1;
                receipt.sockets = receipt.sockets.saturating_add(sockets);
            }
            // Who did not confirm it in time may have done its own part all the same.
            Answer::Joined { sockets, missing: unconfirmed } => {
                receipt.nodes += 1;
                receipt.sockets = receipt.sockets.saturating_add(sockets);
                missing.extend(unconfirmed);
            }
            _ => missing.push(node),
        }
    }
    missing.sort();
    missing.dedup();
    receipt.missing = missing;
    uplink.reply(&reply, &Reply::Done(receipt));
}

//! What external processes ask for in JSON: every node does its part; one of them, which NATS chooses, answers for all.
//!
//! The choice is a queue group on the same subject. The chosen node asks the others, by the message's reply subject, how many sockets
//! they found.

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

/// How many sockets external messages found here, by reply subject, until the node that answers asks.
#[derive(Default)]
pub(super) struct Outcomes(Mutex<HashMap<Arc<str>, Outcome>>);

#[derive(Default)]
struct Outcome {
    /// Several, if a reply subject is used for more than one message.
    found: VecDeque<u64>,
    asking: VecDeque<oneshot::Sender<u64>>,
    since: Option<Instant>,
}

impl Outcomes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Outcome>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was carried out.
    fn found(&self, reply: &str, sockets: u64) {
        let mut outcomes = self.lock();
        if outcomes.len() >= MAX_OUTCOMES && !outcomes.contains_key(reply) {
            return;
        }
        let outcome = outcomes.entry(reply.into()).or_default();
        outcome.since = Some(Instant::now());
        while let Some(asking) = outcome.asking.pop_front() {
            if asking.send(sockets).is_ok() {
                if outcome.asking.is_empty() && outcome.found.is_empty() {
                    outcomes.remove(reply);
                }
                return;
            }
        }
        outcome.found.push_back(sockets);
    }

    /// Waits until a message was carried out here; an error if that takes too long.
    fn ask(&self, reply: &str) -> oneshot::Receiver<u64> {
        let (sender, receiver) = oneshot::channel();
        let mut outcomes = self.lock();
        if outcomes.len() >= MAX_OUTCOMES && !outcomes.contains_key(reply) {
            return receiver;
        }
        let outcome = outcomes.entry(reply.into()).or_default();
        outcome.since = Some(Instant::now());
        match outcome.found.pop_front() {
            Some(sockets) => {
                let _ = sender.send(sockets);
                if outcome.found.is_empty() && outcome.asking.is_empty() {
                    outcomes.remove(reply);
                }
            }
            None => outcome.asking.push_back(sender),
        }
        receiver
    }

    pub(super) fn sweep(&self, now: Instant, max_age: Duration) {
        let is_young = |since: Instant| now.saturating_duration_since(since) < max_age;
        self.lock().retain(|_, outcome| outcome.since.is_some_and(is_young));
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
                    tokio::spawn(answer(self.clone(), reply.into()));
                }
            }
            Ok(external) => {
                let Some(site) = self.site() else { return };
                let carried_out = site.external(external, reply.is_some());
                match reply {
                    Some(reply) => {
                        let (uplink, reply): (_, Arc<str>) = (self.clone(), reply.into());
                        let noted =
                            carried_out.map(move |sockets| uplink.outcomes.found(&reply, sockets as u64));
                        spawn(noted.boxed());
                    }
                    None => spawn(carried_out),
                }
            }
            Err(error) if received.is_queue => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "an external message is refused");
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
    ) -> impl Future<Output = ()> + Send + 'static {
        let found = self.outcomes.ask(reply);
        async move {
            let answer = match tokio::time::timeout(self.config.request_timeout, found).await {
                Ok(Ok(sockets)) => Answer::Done(sockets),
                // It did not come here: its sockets were not reached.
                _ => Answer::Refused("the message did not arrive".into()),
            };
            self.respond(to, id, true, answer);
        }
    }

    /// Who is in the cluster, this node first.
    fn described_members(&self) -> Vec<external::Member> {
        let sockets = self.site().map_or(0, |site| site.socket_count());
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
            load: member.load as f64 / 1000.0,
            reachable: member.is_reachable,
        };
        std::iter::once(self.own_heartbeat(sockets)).chain(others).map(describe).collect()
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

/// Asks everybody what a message found, and answers it.
async fn answer(uplink: Arc<Uplink>, reply: Arc<str>) {
    let here = uplink.outcomes.ask(&reply);
    let asked = uplink.ask(Target::default(), Action::ExternalOutcome(reply.clone()), Audience::Everybody);
    let timeout = uplink.config.request_timeout;
    let (here, elsewhere) = tokio::join!(tokio::time::timeout(timeout, here), asked.gather.collect(timeout));
    let mut missing = elsewhere.missing;
    missing.extend(asked.unreachable);
    let mut receipt = Receipt { nodes: 0, sockets: 0, missing: Vec::new() };
    let own = match here {
        Ok(Ok(sockets)) => Answer::Done(sockets),
        _ => Answer::Refused("the message did not arrive".into()),
    };
    for (node, answer) in elsewhere.answers.into_iter().chain([(uplink.node.id, own)]) {
        match answer {
            Answer::Done(sockets) => {
                receipt.nodes += 1;
                receipt.sockets = receipt.sockets.saturating_add(sockets);
            }
            _ => missing.push(node),
        }
    }
    missing.sort();
    missing.dedup();
    receipt.missing = missing;
    uplink.reply(&reply, &Reply::Done(receipt));
}

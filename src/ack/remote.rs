//! The acknowledgements that other nodes collect for a broadcast of this one. Used by [`AckStream`](super::AckStream) only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socketio_cluster::message::Answer;
use socketio_cluster::node::NodeId;
use socketio_cluster::scatter::Gather;

use crate::delivery::Gone;
use crate::protocol::Args;
use crate::reached::names;
use crate::uplink::{Asked, from_payload};

/// What became of one socket's acknowledgement.
pub(super) type Outcome = (Arc<str>, Result<Args, Gone>);

/// See the module's documentation.
pub(super) struct RemoteAnswers {
    gather: Gather<Answer>,
    unreachable: Vec<NodeId>,
    /// Nodes that said whom they asked: how many, and how many they say it were.
    heard: HashMap<NodeId, (u64, Option<u64>)>,
    /// Nodes that refused.
    refused: Vec<NodeId>,
    /// Asked, and still without an answer.
    waiting: HashMap<Arc<str>, NodeId>,
    /// Sockets of nodes that died.
    orphans: VecDeque<Arc<str>>,
    is_done: bool,
}

impl RemoteAnswers {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            gather: asked.gather,
            unreachable: asked.unreachable,
            heard: HashMap::new(),
            refused: Vec::new(),
            waiting: HashMap::new(),
            orphans: VecDeque::new(),
            is_done: false,
        }
    }

    /// The next answer; None when all nodes are through or dead.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        loop {
            if let Some(socket) = self.orphans.pop_front() {
                return Poll::Ready(Some((socket, Err(Gone))));
            }
            if self.is_done {
                return Poll::Ready(None);
            }
            let Some((node, answer)) = ready!(self.gather.poll_next(context)) else {
                self.is_done = true;
                // Whoever is left belongs to a node that is gone, or that forgot it.
                self.orphans.extend(self.waiting.drain().map(|(socket, _)| socket));
                continue;
            };
            match answer {
                Answer::Asked(sockets) => {
                    self.heard.entry(node).or_default().0 += sockets.len() as u64;
                    self.waiting.extend(sockets.into_iter().map(|socket| (socket, node)));
                }
                Answer::SocketAck { socket, answer } => {
                    if self.waiting.get(&socket) != Some(&node) {
                        continue;
                    }
                    self.waiting.remove(&socket);
                    let answer = answer.and_then(|payload| match from_payload(payload) {
                        Ok(args) => Some(args),
                        Err(error) => {
                            tracing::warn!(%node, %error, "an acknowledgement from another node is unusable");
                            None
                        }
                    });
                    return Poll::Ready(Some((socket, answer.ok_or(Gone))));
                }
                Answer::Done(count) => self.heard.entry(node).or_default().1 = Some(count),
                Answer::Refused(why) => {
                    tracing::warn!(%node, why = &*why, "another node refused a broadcast");
                    self.refused.push(node);
                }
                _ => {}
            }
        }
    }

    /// A socket that was asked and has not answered.
    pub(super) fn next_waiting(&mut self) -> Option<Arc<str>> {
        let socket = self.waiting.keys().next().cloned()?;
        self.waiting.remove(&socket);
        Some(socket)
    }

    /// The nodes that did not say, or not completely, whom they asked.
    pub(super) fn missing_nodes(&self) -> Vec<String> {
        let silent = self.gather.missing().into_iter().filter(|node| !self.heard.contains_key(node));
        let is_incomplete = |(asked, said): &(u64, Option<u64>)| said.is_some_and(|said| said != *asked);
        let incomplete = self.heard.iter().filter(|(_, heard)| is_incomplete(heard)).map(|(node, _)| *node);
        let gone = self.gather.dead().into_iter().chain(self.unreachable.iter().copied());
        names(silent.chain(incomplete).chain(gone).chain(self.refused.iter().copied()))
    }
}

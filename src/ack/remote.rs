//! The acknowledgements that other nodes collect for a broadcast of this one. Used by [`AckStream`](super::AckStream) only.

use std::collections::{HashMap, HashSet, VecDeque};
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
    /// Nodes that said whom they asked.
    heard: HashSet<NodeId>,
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
            heard: HashSet::new(),
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
                    self.heard.insert(node);
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
                // The node is through, or refuses.
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

    /// The nodes that did not say whom they asked.
    pub(super) fn missing_nodes(&self) -> Vec<String> {
        let silent = self.gather.missing().into_iter().filter(|node| !self.heard.contains(node));
        names(silent.chain(self.gather.dead()).chain(self.unreachable.iter().copied()))
    }
}

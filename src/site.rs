//! What this node does when other nodes, or external processes, ask: the namespaces are what they talk to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use socketio_cluster::external::{self, External};
use socketio_cluster::message::{self, AckRequest, Action, Answer, Request};
use socketio_cluster::node::NodeId;

use crate::ack::{self, AckStream};
use crate::broadcast_operator::{BroadcastOperator, Flags};
use crate::delivery::{AckSink, Target};
use crate::error::AckError;
use crate::namespace::{Namespace, NamespaceInner};
use crate::namespaces::Namespaces;
use crate::protocol::Args;
use crate::remote_socket::RemoteSocket;
use crate::trace::{Operation, Parent, TraceContext};
use crate::uplink::{self, Holding, Outcome, Site, Uplink};

/// The longest that acknowledgements are collected for another node.
const MAX_ACK_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// What an acknowledgement takes besides its arguments, and more.
const ACK_OVERHEAD: usize = 4096;
/// Sockets, or rooms, in one part of an answer.
const PER_ANSWER: usize = 500;

impl Site for Namespaces {
    fn deliver(&self, from: NodeId, broadcast: message::Broadcast) {
        let message::Broadcast { target, flags, ack, event, args } = broadcast;
        let Some((uplink, namespace)) = self.uplink().zip(self.live(&target.namespace)) else {
            return self.nobody(from, ack);
        };
        let target = uplink::from_target(&target);
        // The subject is that of many rooms: most of what comes may be for others.
        let is_for_nobody = match target.single_room() {
            Some(room) => namespace.rooms.size(room) == 0 && !uplink.is_socket_id(room),
            None => false,
        };
        if is_for_nobody {
            return self.nobody(from, ack);
        }
        let args = match uplink::from_payload(args) {
            Ok(args) => args,
            Err(error) => {
                tracing::warn!(node = %from, %error, "the arguments of another node's broadcast are unusable");
                return self.nobody(from, ack);
            }
        };
        let flags = Flags { volatile: flags.volatile, compress: flags.compress, local: true, timeout: None };
        let (sink, answers) = ack.map(|_| ack::sink(namespace.core().next_ack_id())).unzip();
        let ack_id = sink.as_ref().map_or(0, |sink: &AckSink| sink.id);
        let broadcast = match namespace.prepare(target, &flags, &event, &args, sink) {
            Ok(broadcast) => Arc::new(broadcast),
            Err(error) => {
                tracing::warn!(node = %from, %error, "another node's broadcast cannot be encoded");
                return self.nobody(from, ack);
            }
        };
        let finished = namespace.deliver_in_order(broadcast);
        if let Some((ack, answers)) = ack.zip(answers) {
            let uplink = uplink.clone();
            let timeout = Duration::from_millis(ack.timeout).min(MAX_ACK_TIMEOUT);
            let answers = AckStream::new(namespace, ack_id, answers, timeout, None);
            tokio::spawn(async move {
                // Then everybody who is to be asked has been asked.
                let _ = finished.await;
                collect_acks(&uplink, from, ack, answers).await;
            });
        }
    }

    fn answer(&self, from: NodeId, request: Request) -> BoxFuture<'static, ()> {
        let Some(uplink) = self.uplink().cloned() else { return std::future::ready(()).boxed() };
        let Request { id, target, action } = request;
        let done = |sockets| (true, Answer::Done(sockets));
        let Some(namespace) = self.live(&target.namespace) else {
            let (is_last, answer) = match action {
                Action::ExternalOutcome { reply, is_in_place } => {
                    return uplink.tell_outcome(from, id, &reply, is_in_place).boxed();
                }
                _ => done(0),
            };
            uplink.respond(from, id, is_last, answer);
            return std::future::ready(()).boxed();
        };
        let operator = BroadcastOperator::here(&namespace, uplink::from_target(&target));
        match action {
            Action::FetchSockets => async move {
                let sockets = operator.fetch_sockets().await.sockets;
                let described: Vec<_> = sockets.iter().filter_map(RemoteSocket::described).collect();
                let count = described.len() as u64;
                for sockets in parts(described, uplink.config().max_message / 4) {
                    uplink.respond(from, id, false, Answer::Sockets(sockets));
                }
                uplink.respond(from, id, true, Answer::Done(count));
            }
            .boxed(),
            Action::FetchPage { after, limit } => async move {
                let (described, end) = operator.described_page(after, limit).await;
                for sockets in parts(described, uplink.config().max_message / 4) {
                    uplink.respond(from, id, false, Answer::Sockets(sockets));
                }
                uplink.respond(from, id, true, end);
            }
            .boxed(),
            Action::CountSockets => async move {
                let count = operator.count_sockets().await.sockets;
                uplink.respond(from, id, true, Answer::Done(count));
            }
            .boxed(),
            Action::Rooms => {
                let rooms = namespace.rooms.sizes();
                let rooms: Vec<_> = rooms.into_iter().map(|(room, size)| (room, size as u64)).collect();
                for rooms in rooms.chunks(PER_ANSWER) {
                    uplink.respond(from, id, false, Answer::Rooms(rooms.to_vec()));
                }
                uplink.respond(from, id, true, Answer::Done(rooms.len() as u64));
                std::future::ready(()).boxed()
            }
            Action::Join(rooms) => async move {
                let (sockets, missing) = operator.join_here(rooms).await;
                uplink.respond(from, id, true, Answer::Joined { sockets, missing });
            }
            .boxed(),
            Action::Leave(rooms) => async move {
                let count = operator.leave_here(rooms).await;
                uplink.respond(from, id, true, Answer::Done(count));
            }
            .boxed(),
            Action::Disconnect(close) => async move {
                let count = operator.disconnect_here(close).await;
                uplink.respond(from, id, true, Answer::Done(count));
            }
            .boxed(),
            Action::ServerSideEmit { event, args, wants_ack } => {
                let answer = namespace.server_side(from, &event, args);
                async move {
                    // The application's code does not run where the bus is read.
                    tokio::task::yield_now().await;
                    let answer = answer.await;
                    if wants_ack {
                        let answer = answer.map_or(Answer::Done(0), Answer::ServerSideAck);
                        uplink.respond(from, id, true, answer);
                    }
                }
                .boxed()
            }
            Action::ToRoomActors { kind, body } => async move {
                let mut count = 0;
                for room in &target.rooms {
                    count += u64::from(namespace.tell_room_actor(room, &kind, &body).await);
                }
                uplink.respond(from, id, true, Answer::Done(count));
            }
            .boxed(),
            Action::ExternalOutcome { reply, is_in_place } => {
                uplink.tell_outcome(from, id, &reply, is_in_place).boxed()
            }
            // What a later version may ask; this one does not decode it.
            _ => {
                uplink.respond(from, id, true, Answer::Refused("unknown request".into()));
                std::future::ready(()).boxed()
            }
        }
    }

    fn external(
        &self,
        external: External,
        is_counted: bool,
        trace: Option<&TraceContext>,
    ) -> BoxFuture<'static, Outcome> {
        // Only for those who say what they do it for: every node would begin a trace of its own.
        let Some(trace) = trace.filter(|_| self.core().tracing.is_on()) else {
            return self.carry_out(external, is_counted);
        };
        let (action, namespace) = (external.action.name(), &*external.target.namespace);
        let operation = Operation::External { action, namespace };
        let begun = self.core().tracing.begin_within(&operation, Parent::Of(trace));
        let carried_out = self.carry_out(external, is_counted);
        if !begun.is_recorded() {
            return carried_out;
        }
        async move {
            let outcome = carried_out.await;
            drop(begun);
            outcome
        }
        .boxed()
    }

    fn room_size(&self, namespace: &str, room: &str) -> usize {
        self.live(namespace).map_or(0, |namespace| namespace.rooms.size(room))
    }

    fn holding(&self) -> Holding {
        let mut holding = Holding::default();
        for namespace in self.all() {
            holding.rooms += namespace.rooms.count() as u64;
            holding.sockets += Namespace(namespace).socket_count() as u64;
        }
        holding
    }
}

impl Namespaces {
    fn uplink(&self) -> Option<&Arc<Uplink>> {
        self.core().uplink.as_ref()
    }

    fn carry_out(&self, external: External, is_counted: bool) -> BoxFuture<'static, Outcome> {
        let none = || std::future::ready(Outcome::default()).boxed();
        let Some(namespace) = self.live(&external.target.namespace) else { return none() };
        let target = uplink::from_target(&external.target);
        let event = match external.action {
            external::Action::Emit(event) => event,
            action => {
                let operator = BroadcastOperator::here(&namespace, target);
                let rooms = external.target.rooms;
                return async move {
                    let sockets = match action {
                        external::Action::Join(rooms) => {
                            let (sockets, missing) = operator.join_here(rooms).await;
                            return Outcome { sockets, missing };
                        }
                        external::Action::Leave(rooms) => operator.leave_here(rooms).await,
                        external::Action::Disconnect { close } => operator.disconnect_here(close).await,
                        external::Action::CloseRoom => operator.leave_here(rooms).await,
                        _ => 0,
                    };
                    Outcome { sockets, missing: Vec::new() }
                }
                .boxed();
            }
        };
        let mut text = String::from("[");
        for (index, argument) in event.data.iter().enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            text.push_str(argument.get());
        }
        text.push(']');
        let flags = Flags { volatile: event.volatile, compress: true, local: true, timeout: None };
        let prepared = Args::from_json(text, event.attachments).map_err(|error| error.to_string());
        let prepared = prepared.and_then(|args| {
            namespace.prepare(target, &flags, &event.name, &args, None).map_err(|error| error.to_string())
        });
        let mut broadcast = match prepared {
            Ok(broadcast) => broadcast,
            Err(error) => {
                tracing::warn!(error, "an external emit cannot be encoded");
                return none();
            }
        };
        let reached = is_counted.then(|| Arc::new(AtomicUsize::new(0)));
        broadcast.reached = reached.clone();
        let finished = namespace.deliver_in_order(Arc::new(broadcast));
        match reached {
            Some(reached) => async move {
                let _ = finished.await;
                Outcome { sockets: reached.load(Ordering::Relaxed) as u64, missing: Vec::new() }
            }
            .boxed(),
            None => none(),
        }
    }

    /// Nobody of this node is concerned, which whoever waits for acknowledgements has to know.
    fn nobody(&self, from: NodeId, ack: Option<AckRequest>) {
        if let Some((uplink, ack)) = self.uplink().zip(ack) {
            uplink.respond(from, ack.id, true, Answer::Asked(Vec::new()));
        }
    }
}

/// Hands the acknowledgements of this node's sockets to the node that asked for them.
async fn collect_acks(uplink: &Uplink, to: NodeId, ack: AckRequest, mut answers: AckStream<Args>) {
    let asked = answers.asked();
    let count = asked.len() as u64;
    for asked in asked.chunks(PER_ANSWER) {
        uplink.respond(to, ack.id, false, Answer::Asked(asked.to_vec()));
    }
    if asked.is_empty() {
        uplink.respond(to, ack.id, false, Answer::Asked(asked));
    }
    while let Some((socket, answer)) = answers.next().await {
        // Who is late here is late there, too: nobody waits for it.
        let answer = match answer {
            // One that is too large for the way is as good as none; it must not cost the others theirs.
            Ok(args) if args.size() >= uplink.config().max_message.saturating_sub(ACK_OVERHEAD) => {
                tracing::warn!(socket, "an acknowledgement is too large for another node");
                None
            }
            Ok(args) => Some(uplink::to_payload(&args)),
            Err(AckError::Timeout(_)) => continue,
            Err(_) => None,
        };
        uplink.respond(to, ack.id, false, Answer::SocketAck { socket: socket.into(), answer });
    }
    uplink.respond(to, ack.id, true, Answer::Done(count));
}

/// Sockets in parts that can be sent: few, and of about so many bytes at most.
fn parts(sockets: Vec<message::Socket>, max_bytes: usize) -> Vec<Vec<message::Socket>> {
    let mut parts: Vec<Vec<message::Socket>> = Vec::new();
    let mut bytes = 0;
    for socket in sockets {
        let rooms: usize = socket.rooms.iter().map(|room| room.len()).sum();
        let size = socket.handshake.len() + socket.data.len() + rooms;
        match parts.last_mut() {
            Some(part) if part.len() < PER_ANSWER && bytes + size <= max_bytes => {
                part.push(socket);
                bytes += size;
            }
            _ => {
                parts.push(vec![socket]);
                bytes = size;
            }
        }
    }
    parts
}

impl BroadcastOperator {
    /// To sockets of this node, on behalf of another.
    fn here(namespace: &Arc<NamespaceInner>, target: Target) -> Self {
        Self::of_target(namespace.clone(), target).local()
    }
}

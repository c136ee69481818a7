//! Events from one server to the others of the cluster: no client sees them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use socketio_cluster::message::{Action, Answer, Payload};
use socketio_cluster::node::NodeId;

use crate::broadcast_operator::BroadcastOperator;
use crate::error::EmitError;
use crate::namespace::{Namespace, NamespaceInner};
use crate::protocol::{Args, ArgsError, FromArgs, ToArgs, is_reserved_event};
use crate::uplink::{self, from_payload};

/// An event that another server of the cluster sent to the servers: see
/// [`on_server_side_emit`](crate::Namespace::on_server_side_emit).
#[derive(Clone, Debug)]
pub struct ServerSideEvent {
    node: String,
    namespace: Namespace,
    event: Arc<str>,
    args: Args,
}

impl ServerSideEvent {
    /// The id of the node that sent it.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The namespace it was sent in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its name.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Its arguments.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// Its arguments, read into `T`: a tuple takes several, anything else the first.
    pub fn data<T: FromArgs>(&self) -> Result<T, ArgsError> {
        T::from_args(&self.args)
    }
}

/// A listener whose types are forgotten. None: it failed.
pub(crate) type ServerSideListener =
    Arc<dyn Fn(ServerSideEvent) -> BoxFuture<'static, Option<Args>> + Send + Sync>;

/// Forgets the types of a listener.
pub(crate) fn erase_listener<F, R>(listener: F) -> ServerSideListener
where
    F: Fn(ServerSideEvent) -> R + Send + Sync + 'static,
    R: Future + Send + 'static,
    R::Output: ToArgs,
{
    Arc::new(move |event| {
        let parser = event.namespace.0.parser();
        let begun = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener(event)));
        let answer = async move {
            let future = begun.ok()?;
            future.await.to_args(parser).ok()
        };
        std::panic::AssertUnwindSafe(answer)
            .catch_unwind()
            .map(|answer| {
                let answer = answer.ok().flatten();
                if answer.is_none() {
                    tracing::error!(
                        "a listener to events of other servers panicked, or its answer cannot be sent"
                    );
                }
                answer
            })
            .boxed()
    })
}

/// What the other servers answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerSideAcks<T> {
    /// The answers, each with the id of its node; nodes without a listener give none.
    pub answers: Vec<(String, T)>,
    /// The nodes whose answer was not of the type that was asked for.
    pub invalid: Vec<(String, ArgsError)>,
    /// The nodes that did not answer in time, by id.
    pub missing_nodes: Vec<String>,
}

impl NamespaceInner {
    /// An event of another server: what this one answers.
    pub(crate) fn server_side(
        self: &Arc<Self>,
        from: NodeId,
        event: &Arc<str>,
        args: Payload,
    ) -> BoxFuture<'static, Option<Payload>> {
        let listeners: Vec<_> = {
            let handlers = self.registry.load();
            let matching = handlers.server_side.iter().filter(|(name, _)| **name == **event);
            matching.map(|(_, listener)| listener.clone()).collect()
        };
        let none = || std::future::ready(None).boxed();
        let args = match from_payload(args) {
            Ok(args) => args,
            Err(error) => {
                tracing::warn!(node = %from, %error, "the arguments of another server's event are unusable");
                return none();
            }
        };
        if listeners.is_empty() {
            return none();
        }
        let (node, namespace) = (from.to_string(), Namespace(self.clone()));
        let event = ServerSideEvent { node, namespace, event: event.clone(), args };
        async move {
            let mut first = None;
            for listener in listeners {
                let answer = listener(event.clone()).await;
                first = first.or(answer);
            }
            first.map(|args| uplink::to_payload(&args))
        }
        .boxed()
    }
}

impl Namespace {
    /// Sends an event to the other servers of the cluster, not to clients: see
    /// [`on_server_side_emit`](Self::on_server_side_emit).
    pub async fn server_side_emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let action = self.server_side_action(event, data, false)?;
        // Nobody waits for an answer.
        drop(BroadcastOperator::new(self.0.clone()).ask(action));
        Ok(())
    }

    /// As [`server_side_emit`](Self::server_side_emit), and collects what the servers answer, at most for
    /// [`request_timeout`](crate::config::ClusterConfig::request_timeout).
    pub async fn server_side_emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<ServerSideAcks<R>, EmitError> {
        let action = self.server_side_action(event, data, true)?;
        let operator = BroadcastOperator::new(self.0.clone());
        let answers = operator.answers(operator.ask(action)).await;
        let mut acks =
            ServerSideAcks { answers: Vec::new(), invalid: Vec::new(), missing_nodes: answers.missing };
        for (node, answer) in answers.answers {
            let Answer::ServerSideAck(payload) = answer else { continue };
            let node = node.to_string();
            let args = from_payload(payload).map_err(<ArgsError as serde::de::Error>::custom);
            match args.and_then(|args| R::from_args(&args)) {
                Ok(data) => acks.answers.push((node, data)),
                Err(error) => acks.invalid.push((node, error)),
            }
        }
        Ok(acks)
    }

    fn server_side_action<T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
        wants_ack: bool,
    ) -> Result<Action, EmitError> {
        if is_reserved_event(event) {
            // The same refusal as towards a client.
            self.0.event(event, &Args::default(), None, true)?;
        }
        let args = uplink::to_payload(&data.to_args(self.0.parser())?);
        Ok(Action::ServerSideEmit { event: event.into(), args, wants_ack })
    }
}

impl fmt::Display for ServerSideEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.event, self.node)
    }
}

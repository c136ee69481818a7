//! Emits into the cluster from a process that is no Socket.IO server.
//!
//! Used by workers, cron jobs and other services. Writes the JSON of [`external`](crate::external) to the emit subject, nothing
//! else: what the Emitter does, any NATS client can do.

mod confirmed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::bus::{Bus, Publish, PublishError};
use crate::external::{Action, Event, External, ExternalError, ExternalLimits};
use crate::message::Target;
#[cfg(feature = "nats")]
use crate::nats::{ConnectError, NatsBus, NatsOptions};
use crate::subject::Subjects;
use crate::trace::TraceContext;

pub use confirmed::{ConfirmError, Confirmed};

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A node would refuse it.
    #[error(transparent)]
    Refused(#[from] ExternalError),
    /// An argument cannot be written as JSON.
    #[error("an argument is no JSON: {0}")]
    Argument(#[source] serde_json::Error),
    /// It cannot be sent now.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Sends events to the sockets of a cluster, and moves them between rooms. Immutable: [`to`](Self::to) and its like return
/// another one, so one Emitter serves a whole program. Cheap to clone.
///
/// `Ok` means that it was handed to the connection; a call never waits. [`confirmed`](Self::confirmed) waits, and tells what
/// became of it. Messages of one Emitter arrive in their order.
///
/// ```no_run
/// # #[cfg(feature = "nats")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use serde_json::json;
/// use socketio_cluster::Emitter;
///
/// let emitter = Emitter::connect("nats://127.0.0.1:4222").await?;
/// emitter.to("my room").emit("my event", &[json!({ "foo": "bar" })])?;
/// emitter.of("/chat").to("lobby").except("muted").disconnect(false)?;
///
/// let receipt = emitter.to("my room").confirmed(Duration::from_secs(5)).emit("my event", &[1]).await?;
/// println!("{} sockets on {} nodes", receipt.sockets, receipt.nodes);
///
/// emitter.close(Duration::from_secs(5)).await; // before a short-lived process ends
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Emitter {
    bus: Arc<dyn Bus>,
    /// Nobody else uses the bus.
    owns_bus: bool,
    subjects: Arc<Subjects>,
    limits: ExternalLimits,
    target: Target,
    volatile: bool,
    trace: Option<TraceContext>,
}

impl Emitter {
    /// Connects to NATS, with the default prefix.
    ///
    /// # Errors
    /// Those of [`NatsBus::connect`].
    #[cfg(feature = "nats")]
    pub async fn connect(options: impl Into<NatsOptions>) -> Result<Self, ConnectError> {
        Self::connect_under(options, Subjects::default()).await
    }

    /// Connects to NATS; `subjects` have the prefix of the cluster.
    ///
    /// # Errors
    /// Those of [`NatsBus::connect`].
    #[cfg(feature = "nats")]
    pub async fn connect_under(
        options: impl Into<NatsOptions>,
        subjects: Subjects,
    ) -> Result<Self, ConnectError> {
        // What the bus tells is for nodes; when nobody listens it forgets it.
        let (bus, _) = NatsBus::connect(options).await?;
        Ok(Self { owns_bus: true, ..Self::new(Arc::new(bus), subjects) })
    }

    /// Emits over a bus that is there already.
    pub fn new(bus: Arc<dyn Bus>, subjects: Subjects) -> Self {
        let target = Target { namespace: "/".into(), ..Target::default() };
        let subjects = Arc::new(subjects);
        Self {
            bus,
            owns_bus: false,
            subjects,
            limits: ExternalLimits::default(),
            target,
            volatile: false,
            trace: None,
        }
    }

    /// The same, on behalf of a trace: nodes that trace continue it.
    #[must_use]
    pub fn traced(&self, trace: TraceContext) -> Self {
        Self { trace: Some(trace), ..self.clone() }
    }

    /// The same with other limits. Nodes have their own.
    #[must_use]
    pub fn limits(&self, limits: ExternalLimits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// For a namespace instead of `/`; its slash may be left out. Rooms and exceptions begin anew.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        let namespace = match namespace.strip_prefix('/') {
            Some(_) => namespace.into(),
            None => format!("/{namespace}").into(),
        };
        Self { target: Target { namespace, ..Target::default() }, ..self.clone() }
    }

    /// For the members of this room, too; without any, for all sockets of the namespace. A socket id is a room.
    #[must_use]
    pub fn to(&self, room: &str) -> Self {
        let mut emitter = self.clone();
        emitter.target.rooms.push(room.into());
        emitter
    }

    /// Not for the members of this room.
    #[must_use]
    pub fn except(&self, room: &str) -> Self {
        let mut emitter = self.clone();
        emitter.target.except.push(room.into());
        emitter
    }

    /// Events may be dropped for sockets that are not ready.
    #[must_use]
    pub fn volatile(&self) -> Self {
        Self { volatile: true, ..self.clone() }
    }

    /// The same with an answer: each call waits at most `timeout` for the cluster to say what became of it.
    pub fn confirmed(&self, timeout: Duration) -> Confirmed {
        Confirmed { emitter: self.clone(), timeout }
    }

    /// Sends an event with these arguments.
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn emit<T: Serialize>(&self, event: &str, arguments: &[T]) -> Result<(), EmitError> {
        self.emit_binary(event, arguments, &[])
    }

    /// Sends an event with attachments: `{"_placeholder":true,"num":0}` in an argument stands for the first.
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn emit_binary<T: Serialize>(
        &self,
        event: &str,
        arguments: &[T],
        attachments: &[Bytes],
    ) -> Result<(), EmitError> {
        self.publish(&self.event(event, arguments, attachments)?)
    }

    /// The sockets join these rooms.
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn join(&self, rooms: &[&str]) -> Result<(), EmitError> {
        self.publish(&self.joining(rooms))
    }

    /// The sockets leave these rooms.
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn leave(&self, rooms: &[&str]) -> Result<(), EmitError> {
        self.publish(&self.leaving(rooms))
    }

    /// The sockets leave the namespace; with `close` their connections end, too. Without any room: all of the namespace.
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn disconnect(&self, close: bool) -> Result<(), EmitError> {
        self.publish(&self.disconnecting(close))
    }

    /// Every member leaves the room, whatever was given to [`to`](Self::to).
    ///
    /// # Errors
    /// When it is refused or cannot be sent now.
    pub fn close_room(&self, room: &str) -> Result<(), EmitError> {
        self.publish(&self.closing(room))
    }

    /// Sends what waits, and takes nothing more: whether that was possible within `timeout`. Only for an Emitter that made its
    /// own connection; otherwise close that.
    pub async fn close(&self, timeout: Duration) -> bool {
        !self.owns_bus || self.bus.close(timeout).await
    }

    fn event<T: Serialize>(
        &self,
        name: &str,
        arguments: &[T],
        attachments: &[Bytes],
    ) -> Result<External, EmitError> {
        let data: Result<Vec<Box<RawValue>>, _> = arguments.iter().map(to_raw_value).collect();
        Ok(self.external(Action::Emit(Event {
            name: name.to_owned(),
            data: data.map_err(EmitError::Argument)?,
            attachments: attachments.to_vec(),
            volatile: self.volatile,
        })))
    }

    fn joining(&self, rooms: &[&str]) -> External {
        self.external(Action::Join(rooms.iter().map(|room| (*room).into()).collect()))
    }

    fn leaving(&self, rooms: &[&str]) -> External {
        self.external(Action::Leave(rooms.iter().map(|room| (*room).into()).collect()))
    }

    fn disconnecting(&self, close: bool) -> External {
        self.external(Action::Disconnect { close })
    }

    fn closing(&self, room: &str) -> External {
        let namespace = self.target.namespace.clone();
        let target = Target { namespace, rooms: vec![room.into()], except: vec![] };
        External { target, action: Action::CloseRoom }
    }

    fn external(&self, action: Action) -> External {
        External { target: self.target.clone(), action }
    }

    fn publish(&self, external: &External) -> Result<(), EmitError> {
        let body = external.write(&self.limits)?;
        let message = Publish::new(self.subjects.emit().clone(), body).traced(self.trace.clone());
        Ok(self.bus.publish(message)?)
    }
}

impl std::fmt::Debug for Emitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter")
            .field("target", &self.target)
            .field("volatile", &self.volatile)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::BusEvent;
    use crate::memory::MemoryHub;

    #[test]
    fn writes_the_json_that_anybody_could_write() {
        let subjects = Subjects::default();
        let (bus, mut events) = MemoryHub::default().connect();
        bus.subscribe(subjects.emit().clone());
        assert_eq!(events.try_recv(), Ok(BusEvent::Connected));
        let emitter = Emitter::new(Arc::new(bus), subjects);
        let mut written = || match events.try_recv() {
            Ok(BusEvent::Message(received)) => String::from_utf8(received.body.to_vec()).expect("UTF-8"),
            other => panic!("{other:?}"),
        };

        emitter.to("my room").emit("my event", &[json!({"foo": "bar"})]).expect("sent");
        assert_eq!(
            written(),
            r#"{"namespace":"/","rooms":["my room"],"event":"my event","data":[{"foo":"bar"}]}"#
        );
        emitter.of("/chat").except("a").volatile().emit("e", &[1, 2]).expect("sent");
        assert_eq!(
            written(),
            r#"{"namespace":"/chat","except":["a"],"event":"e","data":[1,2],"volatile":true}"#
        );
        let placeholder = [json!({"_placeholder": true, "num": 0})];
        emitter.emit_binary("e", &placeholder, &[Bytes::from_static(b"x")]).expect("sent");
        assert!(written().ends_with(r#""attachments":["eA=="]}"#));
        emitter.to("a").join(&["b"]).expect("sent");
        assert_eq!(written(), r#"{"action":"join","namespace":"/","rooms":["a"],"join":["b"]}"#);
        emitter.to("a").leave(&["b"]).expect("sent");
        assert_eq!(written(), r#"{"action":"leave","namespace":"/","rooms":["a"],"leave":["b"]}"#);
        emitter.to("a").disconnect(true).expect("sent");
        assert_eq!(written(), r#"{"action":"disconnect","namespace":"/","rooms":["a"],"close":true}"#);
        emitter.to("ignored").close_room("a").expect("sent");
        assert_eq!(written(), r#"{"action":"close_room","namespace":"/","room":"a"}"#);
    }

    #[test]
    fn the_slash_of_a_namespace_may_be_left_out() {
        let (bus, _events) = MemoryHub::default().connect();
        let emitter = Emitter::new(Arc::new(bus), Subjects::default());
        for (name, namespace) in [("chat", "/chat"), ("/chat", "/chat"), ("/", "/"), ("", "/")] {
            assert_eq!(&*emitter.of(name).target.namespace, namespace);
        }
    }

    #[test]
    fn refuses_what_a_node_would_refuse() {
        let (bus, _events) = MemoryHub::default().connect();
        let emitter = Emitter::new(Arc::new(bus), Subjects::default());
        let nothing: [(); 0] = [];
        assert!(matches!(emitter.emit("connect", &nothing), Err(EmitError::Refused(_))));
        assert!(matches!(emitter.join(&[]), Err(EmitError::Refused(_))));
        let placeholder = [json!({"_placeholder": true, "num": 0})];
        assert!(matches!(emitter.emit("e", &placeholder), Err(EmitError::Refused(_))));
        let no_json = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(matches!(emitter.emit("e", &[no_json]), Err(EmitError::Argument(_))));
    }
}

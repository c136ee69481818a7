//! The test client: one socket, as its user sees it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::connect::{TestClientBuilder, join, raw};
use super::error::{ConnectError, ExpectError};
use super::wire::{Arrived, Inbox, Wire};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{AckError, EmitError};
use crate::protocol::{Args, FromArgs, ToArgs};
use crate::server::SocketIo;

/// How long [`TestClient::expect_nothing`] listens.
const QUIET: Duration = Duration::from_millis(50);

/// A client in a namespace, for tests. Dropping it (and those made from it by [`also`](Self::also)) closes the
/// connection, as a tab that is closed does.
pub struct TestClient {
    wire: Rc<Wire>,
    namespace: String,
    id: String,
    inbox: Rc<Inbox>,
    timeout: Duration,
}

impl Inbox {
    /// The next thing to arrive, or why there will be none; nothing when the time is up.
    pub(super) async fn next(&self, timeout: Duration) -> Option<Result<Arrived, DisconnectReason>> {
        let arrive = async {
            loop {
                let changed = self.changed.notified();
                if let Some(arrived) = self.queue.borrow_mut().pop_front() {
                    return Ok(arrived);
                }
                if let Some(reason) = self.ended.get() {
                    return Err(reason);
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, arrive).await.ok()
    }
}

impl TestClient {
    /// Connects to the namespace `/`.
    pub async fn connect(io: &SocketIo) -> Result<Self, ConnectError> {
        Self::builder(io).connect().await
    }

    /// Says first how to connect.
    pub fn builder(io: &SocketIo) -> TestClientBuilder {
        TestClientBuilder::new(io)
    }

    pub(super) fn new(
        wire: Rc<Wire>,
        namespace: String,
        id: String,
        inbox: Rc<Inbox>,
        timeout: Duration,
    ) -> Self {
        Self { wire, namespace, id, inbox, timeout }
    }

    /// Joins another namespace over the same connection.
    pub async fn also(&self, namespace: &str) -> Result<Self, ConnectError> {
        join(self.wire.clone(), namespace, None, self.timeout).await
    }

    /// Joins another namespace over the same connection, with an auth payload.
    pub async fn also_with_auth(
        &self,
        namespace: &str,
        auth: &(impl Serialize + ?Sized),
    ) -> Result<Self, ConnectError> {
        join(self.wire.clone(), namespace, raw(auth)?.as_deref(), self.timeout).await
    }

    /// The socket's id, the same as the server's [`Socket::id`](crate::Socket::id).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The session id of its connection.
    pub fn sid(&self) -> &str {
        self.wire.client().sid()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it has not heard of its end.
    pub fn is_connected(&self) -> bool {
        self.inbox.ended.get().is_none()
    }

    /// Why it was disconnected, as the server sees it; none while it is connected, for all the client knows.
    pub fn reason(&self) -> Option<DisconnectReason> {
        self.inbox.ended.get()
    }

    // ---- sending ---------------------------------------------------------------------------------------

    /// Emits an event: a tuple is several arguments. The server handles it while the test waits for something.
    pub async fn emit<T: ToArgs + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let args = data.to_args(self.wire.parser())?;
        if !self.is_connected() {
            return Err(EmitError::Disconnected);
        }
        Ok(self.wire.send_event(&self.namespace, event, &args, None)?)
    }

    /// Emits an event and waits for the server's acknowledgement.
    pub async fn emit_with_ack<R: FromArgs, T: ToArgs + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<R, AckError> {
        let args = data.to_args(self.wire.parser())?;
        if !self.is_connected() {
            return Err(AckError::Disconnected);
        }
        let (id, answer) = self.wire.ask(&self.namespace);
        self.wire.send_event(&self.namespace, event, &args, Some(id))?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(args)) => Ok(R::from_args(&args)?),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => {
                self.wire.forget(&self.namespace, id);
                Err(AckError::Timeout(self.timeout))
            }
        }
    }

    /// Sends a text message as it is, without a packet's form: what does the server do with it?
    pub fn send_text(&self, text: &str) {
        self.wire.client().send_text(text.as_bytes());
    }

    /// Sends a binary message as it is.
    pub fn send_binary(&self, bytes: impl Into<Bytes>) {
        self.wire.client().send_binary(bytes.into());
    }

    /// Stops reading what the server sends (heartbeats too, as a client that hangs), or goes on.
    pub fn set_reading(&self, reads: bool) {
        self.wire.client().set_reading(reads);
    }

    /// Leaves the namespace; the connection stays.
    pub async fn disconnect(&self) {
        if self.is_connected() {
            // The name has been sent before.
            let _ = self.wire.send_disconnect(&self.namespace);
            self.wire.end(&self.namespace, DisconnectReason::ClientNamespaceDisconnect);
        }
    }

    /// Closes the connection, all its namespaces with it.
    pub async fn close(&self) {
        self.wire.client().close();
        while self.is_connected() {
            if self.inbox.next(self.timeout).await.is_none() {
                return;
            }
        }
    }

    // ---- receiving -------------------------------------------------------------------------------------

    /// The next event, whatever it is.
    pub async fn next(&self) -> Result<TestEvent, ExpectError> {
        self.receive("an event").await
    }

    async fn receive(&self, expected: &str) -> Result<TestEvent, ExpectError> {
        let expected = || expected.to_owned();
        match self.inbox.next(self.timeout).await {
            Some(Ok(arrived)) => match self.event(arrived) {
                Ok(event) => Ok(event),
                Err(came) => Err(ExpectError::Unexpected { expected: expected(), came }),
            },
            Some(Err(reason)) => Err(ExpectError::Disconnected { expected: expected(), reason }),
            None => Err(ExpectError::Timeout { expected: expected(), timeout: self.timeout }),
        }
    }

    fn event(&self, arrived: Arrived) -> Result<TestEvent, String> {
        match arrived {
            Arrived::Event { name, args, ack } => {
                let ack =
                    ack.map(|id| TestAck { wire: self.wire.clone(), namespace: self.namespace.clone(), id });
                Ok(TestEvent { name: name.to_string(), args, ack })
            }
            Arrived::Connected(_) => Err("CONNECT".to_owned()),
            Arrived::Refused(_) => Err("CONNECT_ERROR".to_owned()),
        }
    }

    /// The data of the next event, which must be of this name.
    pub async fn expect<T: FromArgs>(&self, event: &str) -> Result<T, ExpectError> {
        let (data, _) = self.expect_with_ack(event).await?;
        Ok(data)
    }

    /// As [`expect`](Self::expect), with the acknowledgement that the server asks for (and may be given none).
    pub async fn expect_with_ack<T: FromArgs>(
        &self,
        event: &str,
    ) -> Result<(T, Option<TestAck>), ExpectError> {
        let expected = format!("the event {event:?}");
        let came = self.receive(&expected).await?;
        if came.name != event {
            return Err(ExpectError::Unexpected { expected, came: came.to_string() });
        }
        match T::from_args(&came.args) {
            Ok(data) => Ok((data, came.ack)),
            Err(error) => Err(ExpectError::Args { came: came.to_string(), error }),
        }
    }

    /// As [`expect`](Self::expect), and acknowledges the event; fails if the server asks for no acknowledgement.
    pub async fn answer<T: FromArgs, A: ToArgs + ?Sized>(
        &self,
        event: &str,
        answer: &A,
    ) -> Result<T, ExpectError> {
        let (data, ack) = self.expect_with_ack(event).await?;
        let expected = || format!("{event:?} with an acknowledgement to give");
        let Some(ack) = ack else {
            return Err(ExpectError::Unexpected { expected: expected(), came: format!("{event:?} without") });
        };
        ack.send(answer).await.map_err(|error| ExpectError::Unexpected {
            expected: expected(),
            came: format!("an answer that cannot be sent: {error}"),
        })?;
        Ok(data)
    }

    /// Skips events until one of this name comes.
    pub async fn wait_for<T: FromArgs>(&self, event: &str) -> Result<T, ExpectError> {
        let expected = format!("the event {event:?}, sooner or later");
        loop {
            let came = self.receive(&expected).await?;
            if came.name == event {
                let came_as = came.to_string();
                return T::from_args(&came.args).map_err(|error| ExpectError::Args { came: came_as, error });
            }
        }
    }

    /// Expects that nothing comes for a twentieth of a second: no event, no disconnection.
    pub async fn expect_nothing(&self) -> Result<(), ExpectError> {
        self.expect_nothing_for(QUIET).await
    }

    /// Expects that nothing comes for a while.
    pub async fn expect_nothing_for(&self, time: Duration) -> Result<(), ExpectError> {
        let expected = "nothing".to_owned();
        match self.inbox.next(time).await {
            None => Ok(()),
            Some(Ok(arrived)) => {
                let came = self.event(arrived).map_or_else(|came| came, |event| event.to_string());
                Err(ExpectError::Unexpected { expected, came })
            }
            Some(Err(reason)) => Err(ExpectError::Disconnected { expected, reason }),
        }
    }

    /// Expects to be disconnected, as the next that happens; why, as the server sees it.
    pub async fn expect_disconnect(&self) -> Result<DisconnectReason, ExpectError> {
        match self.receive("a disconnection").await {
            Ok(event) => Err(ExpectError::Unexpected {
                expected: "a disconnection".to_owned(),
                came: event.to_string(),
            }),
            Err(ExpectError::Disconnected { reason, .. }) => Ok(reason),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("namespace", &self.namespace).field("id", &self.id).finish()
    }
}

/// An event that a test client received.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestEvent {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    /// The acknowledgement, if the server asks for one.
    pub ack: Option<TestAck>,
}

impl fmt::Display for TestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event {:?}", self.name)?;
        match self.args.to_json() {
            Ok((json, attachments)) if attachments.is_empty() => write!(f, " with {json}"),
            Ok((json, attachments)) => write!(f, " with {json} and {} attachments", attachments.len()),
            Err(error) => write!(f, " ({error})"),
        }
    }
}

/// An acknowledgement that the server asks of a test client.
pub struct TestAck {
    wire: Rc<Wire>,
    namespace: String,
    id: u64,
}

impl TestAck {
    /// Gives it: a tuple is several arguments.
    pub async fn send<T: ToArgs + ?Sized>(self, data: &T) -> Result<(), EmitError> {
        let args = data.to_args(self.wire.parser())?;
        Ok(self.wire.send_ack(&self.namespace, self.id, &args)?)
    }
}

impl fmt::Debug for TestAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAck").field("id", &self.id).finish_non_exhaustive()
    }
}

//! The user's own actors as handlers: a recipient of typed events, or one actor per socket.

use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Call, Erased, ExtractError, Handler, IntoReply, erase};
use crate::protocol::{ByteString, FromArgs};
use crate::socket::Socket;

/// An event as a message: what the user's actor handles. `T` is the type of its arguments, and its message
/// result the acknowledgement.
#[derive(Clone, Debug)]
pub struct FromSocket<T> {
    /// Whom it came from.
    pub socket: Socket,
    /// The event's name.
    pub event: ByteString,
    /// Its arguments.
    pub data: T,
}

impl<T: Message + Send + 'static> Message for FromSocket<T>
where
    T::Result: Send,
{
    type Result = T::Result;
}

impl<T: FromArgs> FromSocket<T> {
    fn from_call(call: &Call) -> Result<Self, ExtractError> {
        let data = T::from_args(&call.args)?;
        Ok(Self { socket: call.socket.clone(), event: call.event.clone(), data })
    }
}

/// Tells recipients apart from functions.
#[derive(Debug)]
pub struct ActorParameters;

/// Sends the event and acknowledges with the result. The socket's next event waits for it, and a full mailbox
/// holds it back.
impl<T> Handler<ActorParameters> for Recipient<FromSocket<T>>
where
    T: Message + FromArgs + Send + 'static,
    T::Result: IntoReply + Send + 'static,
{
    type Output = Result<T::Result, MailboxError>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, call: &Call) -> Result<Self::Future, ExtractError> {
        Ok(Box::pin(self.send(FromSocket::from_call(call)?)))
    }
}

/// The actors of one socket.
#[derive(Default)]
pub(crate) struct SocketActors {
    addresses: Vec<(TypeId, Box<dyn Any + Send + Sync>)>,
    /// Dropping one stops its actor.
    stops: Vec<oneshot::Sender<()>>,
}

impl SocketActors {
    pub(crate) fn find<A: Actor>(&self) -> Option<Addr<A>> {
        let wanted = TypeId::of::<A>();
        let (_, address) = self.addresses.iter().find(|(type_id, _)| *type_id == wanted)?;
        address.downcast_ref().cloned()
    }

    pub(crate) fn stop(&mut self) {
        self.addresses.clear();
        self.stops.clear();
    }

    fn start<A: Actor<Context = Context<A>>>(&mut self, make: impl FnOnce() -> A) {
        let (stop, stopped) = oneshot::channel();
        let address = start_until(make, stopped);
        self.addresses.push((TypeId::of::<A>(), Box::new(address)));
        self.stops.push(stop);
    }
}

/// Starts an actor that stops when `stopped` is ready, whatever addresses others hold.
pub(super) fn start_until<A: Actor<Context = Context<A>>>(
    make: impl FnOnce() -> A,
    stopped: oneshot::Receiver<()>,
) -> Addr<A> {
    A::create(|ctx| {
        ctx.spawn(StopWhen(stopped));
        make()
    })
}

/// Makes a socket's actor.
pub(crate) type ActorFactory = Arc<dyn Fn(&Socket, &mut SocketActors) + Send + Sync>;

pub(crate) fn actor_factory<A, F>(make: F) -> ActorFactory
where
    A: Actor<Context = Context<A>>,
    F: Fn(Socket) -> A + Send + Sync + 'static,
{
    Arc::new(move |socket, actors| actors.start(|| make(socket.clone())))
}

/// The handler that sends an event to the socket's own actor.
pub(crate) fn forward<A, T>() -> Erased
where
    A: Actor<Context = Context<A>> + actix::Handler<FromSocket<T>>,
    T: Message + FromArgs + Send + 'static,
    T::Result: IntoReply + Send + 'static,
{
    erase(Forward::<A, T>(std::marker::PhantomData))
}

struct Forward<A, T>(std::marker::PhantomData<fn() -> (A, T)>);

impl<A, T> Handler<ActorParameters> for Forward<A, T>
where
    A: Actor<Context = Context<A>> + actix::Handler<FromSocket<T>>,
    T: Message + FromArgs + Send + 'static,
    T::Result: IntoReply + Send + 'static,
{
    type Output = Result<T::Result, MailboxError>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, call: &Call) -> Result<Self::Future, ExtractError> {
        let missing = ExtractError::NoActor(std::any::type_name::<A>());
        let actor = call.socket.actor::<A>().ok_or(missing)?;
        let message = FromSocket::from_call(call)?;
        Ok(Box::pin(async move { actor.send(message).await }))
    }
}

/// Stops the actor it runs in when the other end is dropped.
struct StopWhen(oneshot::Receiver<()>);

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for StopWhen {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut A,
        ctx: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        Pin::new(&mut self.0).poll(task).map(|_| ctx.stop())
    }
}

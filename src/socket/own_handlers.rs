//! What is registered for one socket only, and the actors that live with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::Addr;

use super::Socket;
use crate::handler::{
    ActorFactory, Handler, Handlers, IntoReply, Refusal, Registry, SocketActors, erase, guarded,
};
use crate::protocol::Args;

impl Socket {
    pub(crate) fn has_own_handlers(&self) -> bool {
        self.0.has_own_handlers.load(Ordering::Relaxed)
    }

    pub(crate) fn own_registry(&self) -> Option<Arc<Registry>> {
        if self.has_own_handlers() { self.extras().registry.clone() } else { None }
    }

    pub(crate) fn own_handlers(&self) -> Option<Arc<Handlers>> {
        self.own_registry().map(|own| own.load().clone())
    }

    fn change_own(&self, change: impl FnOnce(&mut Handlers)) {
        let registry = {
            let mut extras = self.extras();
            extras.registry.get_or_insert_default().clone()
        };
        registry.change(change);
        self.0.has_own_handlers.store(true, Ordering::Relaxed);
    }

    /// Handles an event of this socket only, beside what the namespace has for it. Costs memory per socket:
    /// handlers that all sockets have in common belong to the [`Namespace`](crate::Namespace).
    pub fn on<P, H>(&self, event: &str, handler: H)
    where
        H: Handler<P>,
        H::Output: IntoReply,
    {
        let handler = erase(handler);
        self.change_own(|own| own.add(event, handler, false));
    }

    /// As [`on`](Self::on), for the next event of that name.
    pub fn once<P, H>(&self, event: &str, handler: H)
    where
        H: Handler<P>,
        H::Output: IntoReply,
    {
        let handler = erase(handler);
        self.change_own(|own| own.add(event, handler, true));
    }

    /// Forgets this socket's own handlers of an event.
    pub fn off(&self, event: &str) {
        self.change_own(|own| {
            own.events.remove(event);
        });
    }

    /// Called for every event of this socket.
    pub fn on_any<P, H>(&self, handler: H)
    where
        H: Handler<P>,
        H::Output: IntoReply,
    {
        let handler = erase(handler);
        self.change_own(|own| own.any.push(handler));
    }

    /// Called for every event that goes out to this socket, broadcasts included. Must not block.
    pub fn on_any_outgoing(&self, listener: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static) {
        self.0.namespace.core().sockets_are_curious();
        self.change_own(|own| own.outgoing.push(Arc::new(listener)));
    }

    /// Called when this socket has left.
    pub fn on_disconnect<P, H>(&self, handler: H)
    where
        H: Handler<P>,
        H::Output: IntoReply,
    {
        let handler = erase(handler);
        self.change_own(|own| own.disconnect.push(handler));
    }

    /// A packet middleware of this socket only.
    pub fn filter<F, R>(&self, filter: F)
    where
        F: Fn(Socket, String, Args) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Refusal>> + 'static,
    {
        self.change_own(|own| {
            own.filters.push(Arc::new(move |socket, event, args| {
                Box::pin(filter(socket, event.to_owned(), args.clone()))
            }));
        });
    }

    /// The user's own actor of type `A` that [`Namespace::actor`](crate::Namespace::actor) made for this socket.
    pub fn actor<A: actix::Actor>(&self) -> Option<Addr<A>> {
        self.extras().actors.as_ref().and_then(|actors| actors.find())
    }

    pub(crate) fn start_actors(&self, factories: &[ActorFactory]) {
        if factories.is_empty() {
            return;
        }
        let mut actors = Box::<SocketActors>::default();
        for factory in factories {
            guarded("the maker of a socket's actor", || factory(self, &mut actors));
        }
        self.extras().actors = Some(actors);
    }
}

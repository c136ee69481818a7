//! Webhooks: clients' events, and the life of connections and rooms, told to HTTP servers.
//!
//! A record is made where something happens and put into the queue of each webhook that wants it; nothing waits for a server. Each
//! webhook has a [`Sender`]. What a server has not taken is posted again, so it may come twice, never out of order (docs/webhooks.md).

mod backoff;
mod options;
mod queue;
mod record;
mod sender;
mod signature;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_socketio::{Ack, Args, DisconnectReason, Event, Membership, Socket, SocketIo};

pub(in crate::node) use self::options::WebhookOptions;
pub(in crate::node) use self::queue::Counters;
use self::queue::Queue;
use self::record::Record;
use self::sender::Sender;
use self::signature::Key;
use super::config::SecretError;
use super::namespaces::{Answer, Place, Problem, Wildcard, register};

/// The webhooks of a node.
#[derive(Clone)]
pub(in crate::node) struct Webhooks(Arc<[Arc<Webhook>]>);

struct Webhook {
    options: WebhookOptions,
    namespaces: Vec<Wildcard>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// Members on this node of the rooms that have some, by namespace and room.
    members: Mutex<HashMap<(String, String), usize>>,
}

impl Webhooks {
    /// Reads the keys and begins to post. On the node's main thread.
    pub(in crate::node) fn start(io: &SocketIo, webhooks: &[WebhookOptions]) -> Result<Self, SecretError> {
        let mut started = Vec::with_capacity(webhooks.len());
        for options in webhooks {
            let key = options.secret.as_ref().map(|secret| secret.read()).transpose()?;
            let webhook = Webhook {
                namespaces: options.namespaces.iter().map(|pattern| Wildcard::new(pattern)).collect(),
                queue: Arc::new(Queue::new(options.queue, options.queue_bytes.bytes())),
                counters: Arc::default(),
                members: Mutex::default(),
                options: options.clone(),
            };
            let sender = Sender {
                options: options.clone(),
                key: key.map(|key| Key::new(&key)),
                queue: webhook.queue.clone(),
                counters: webhook.counters.clone(),
                node: io.node_id().to_owned(),
            };
            actix_web::rt::spawn(sender.run());
            started.push(Arc::new(webhook));
        }
        Ok(Self(started.into()))
    }

    /// Listens to what happens in a namespace.
    pub(in crate::node) fn register(&self, place: &Place) {
        for webhook in &*self.0 {
            if let Place::One(namespace) = place
                && !webhook.is_about(namespace.name())
            {
                continue;
            }
            webhook.register(place);
        }
    }

    /// What each has done: its name, how much waits, and the counters.
    pub(in crate::node) fn counters(&self) -> impl Iterator<Item = (&str, usize, &Counters)> {
        self.0.iter().map(|webhook| (&*webhook.options.name, webhook.queue.len(), &*webhook.counters))
    }

    /// Takes nothing more and waits until everything is posted, at most so long.
    pub(in crate::node) async fn finish(&self, deadline: Duration) {
        self.0.iter().for_each(|webhook| webhook.queue.close());
        let is_empty = || self.0.iter().all(|webhook| webhook.queue.len() == 0);
        let posted = async {
            while !is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(deadline, posted).await.is_err() {
            let waiting: usize = self.0.iter().map(|webhook| webhook.queue.len()).sum();
            tracing::warn!(waiting, "the node ends before everything was told to its webhooks");
        }
        for (webhook, waiting, counters) in self.counters() {
            tracing::info!(webhook, waiting, ?counters, "what the webhook was told");
        }
    }
}

impl Webhook {
    fn is_about(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|wildcard| wildcard.matches(namespace))
    }

    fn push(&self, record: &Record<'_>) -> bool {
        let is_taken = self.queue.push(record.to_json());
        if !is_taken {
            Counters::add(&self.counters.overflowed, 1);
        }
        is_taken
    }

    fn register(self: &Arc<Self>, place: &Place) {
        let (patterns, names): (Vec<_>, Vec<_>) =
            self.options.events.iter().partition(|pattern| pattern.contains('*'));
        for name in names {
            register!(place, on(name, self.handler()));
        }
        if !patterns.is_empty() {
            let wildcards: Vec<_> = patterns.iter().map(|pattern| Wildcard::new(pattern)).collect();
            let is_wanted = move |event: &str| wildcards.iter().any(|wildcard| wildcard.matches(event));
            register!(place, on_matching(is_wanted, self.handler()));
        }
        if self.options.connections {
            self.register_connections(place);
        }
        if self.options.rooms {
            self.register_rooms(place);
        }
    }

    fn handler(
        self: &Arc<Self>,
    ) -> impl Fn(Socket, Event, Args, Ack) -> std::future::Ready<()> + Clone + Send + Sync + 'static {
        let this = self.clone();
        move |socket, event, args, ack| {
            this.on_event(&socket, &event.0, &args, ack);
            std::future::ready(())
        }
    }

    fn on_event(&self, socket: &Socket, event: &str, args: &Args, ack: Ack) {
        let namespace = socket.namespace();
        if !self.is_about(namespace.name()) {
            return;
        }
        let record = Record::of("event", namespace.name(), Some(socket)).event(event, args);
        let taken = match record {
            Some(record) if self.push(&record) => Ok(true),
            Some(_) => Err(Problem::Busy),
            None => Err(Problem::Arguments),
        };
        if self.options.acknowledge && ack.is_wanted() {
            // A client that has left needs none.
            let _ = ack.send(&Answer::from(taken));
        }
    }

    fn register_connections(self: &Arc<Self>, place: &Place) {
        let this = self.clone();
        let connected = move |socket: Socket| {
            let namespace = socket.namespace();
            if this.is_about(namespace.name()) {
                this.push(&Record::of("connected", namespace.name(), Some(&socket)));
            }
            std::future::ready(())
        };
        register!(place, on_connect(connected));
        let this = self.clone();
        let disconnected = move |socket: Socket, reason: DisconnectReason| {
            let namespace = socket.namespace();
            if this.is_about(namespace.name()) {
                let record = Record::of("disconnected", namespace.name(), Some(&socket));
                this.push(&record.reason(reason.as_str()));
            }
            std::future::ready(())
        };
        register!(place, on_disconnect(disconnected));
    }

    fn register_rooms(self: &Arc<Self>, place: &Place) {
        let this = self.clone();
        let membership = move |socket: &Socket, room: &str, change: Membership| {
            let namespace = socket.namespace();
            if this.is_about(namespace.name()) {
                this.on_membership(namespace.name(), socket, room, change);
            }
        };
        register!(place, on_membership(membership));
    }

    fn on_membership(&self, namespace: &str, socket: &Socket, room: &str, change: Membership) {
        // Locked until it is told, so that other threads' records of the room come behind.
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), room.to_owned());
        let count = members.entry(key.clone()).or_default();
        match change {
            Membership::Joined => {
                *count += 1;
                if *count == 1 {
                    self.push(&Record::of("room_created", namespace, None).room(room));
                }
                self.push(&Record::of("room_joined", namespace, Some(socket)).room(room));
            }
            Membership::Left => {
                *count = count.saturating_sub(1);
                let is_empty = *count == 0;
                self.push(&Record::of("room_left", namespace, Some(socket)).room(room));
                if is_empty {
                    members.remove(&key);
                    self.push(&Record::of("room_deleted", namespace, None).room(room));
                }
            }
        }
    }
}

//! One webhook: listens to what happens in namespaces, and puts what its server is to be told into its queue.
//!
//! What it listens to is registered once for each place, and asks the settings that are in force then: they can be replaced.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_socketio::trace::Trace;
use actix_socketio::{Ack, Args, DisconnectReason, Event, Membership, Socket};
use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::queue::{Counters, Queue};
use super::record::Record;
use super::settings::Settings;
use crate::node::namespaces::{Answer, Place, Problem, register};

/// See the module's documentation.
pub(super) struct Webhook {
    pub(super) settings: ArcSwap<Settings>,
    /// Whoever waits to post again need not wait longer: the settings are others.
    pub(super) changed: Notify,
    pub(super) queue: Queue,
    pub(super) counters: Arc<Counters>,
    /// It is configured no more.
    is_gone: AtomicBool,
    /// By place.
    registered: Mutex<Vec<Registered>>,
    /// Members on this node of the rooms that have some, by namespace and room.
    members: Mutex<HashMap<(String, String), usize>>,
}

/// What it listens to in a place. That can be more than it wants now: nothing is ever taken away.
#[derive(Default)]
struct Registered {
    names: HashSet<String>,
    patterns: bool,
    connections: bool,
    rooms: bool,
}

impl Webhook {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            changed: Notify::new(),
            queue: Queue::default(),
            counters: Arc::default(),
            is_gone: AtomicBool::new(false),
            registered: Mutex::default(),
            members: Mutex::default(),
        }
    }

    /// Other settings are in force from now on.
    pub(super) fn replace(&self, mut settings: Settings) {
        let before = self.settings.load();
        if settings.options.rooms != before.options.rooms {
            // Who is in which room was not counted, or will not be.
            let webhook = &*settings.options.name;
            tracing::warn!(webhook, "whether a webhook is told of rooms counts after a restart");
            settings.options.rooms = before.options.rooms;
        }
        self.settings.store(Arc::new(settings));
        self.changed.notify_one();
    }

    /// It is told nothing more than what waits.
    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
        self.queue.close();
        self.changed.notify_one();
    }

    fn is_about(&self, namespace: &str) -> bool {
        !self.is_gone.load(Ordering::Relaxed) && self.settings.load().is_about(namespace)
    }

    fn push(&self, record: &Record<'_>, trace: &Trace) -> bool {
        let room = self.settings.load().room();
        let is_taken = self.queue.push(record.to_json(), trace.context(), room);
        if !is_taken {
            Counters::add(&self.counters.overflowed, 1);
        }
        is_taken
    }

    /// Listens to what it wants to know of a place, and did not listen to before.
    pub(super) fn register(self: &Arc<Self>, number: usize, place: &Place) {
        let settings = self.settings.load_full();
        if let Place::One(namespace) = place
            && !settings.is_about(namespace.name())
        {
            return;
        }
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if registered.len() <= number {
            registered.resize_with(number + 1, Registered::default);
        }
        let has = &mut registered[number];
        for name in &settings.names {
            if has.names.insert(name.clone()) {
                register!(place, on(name, self.handler()));
            }
        }
        if !settings.patterns.is_empty() && !std::mem::replace(&mut has.patterns, true) {
            let this = self.clone();
            let is_wanted = move |event: &str| {
                !this.is_gone.load(Ordering::Relaxed) && this.settings.load().has_pattern_of(event)
            };
            register!(place, on_matching(is_wanted, self.handler()));
        }
        if settings.options.connections && !std::mem::replace(&mut has.connections, true) {
            self.register_connections(place);
        }
        if settings.options.rooms && !std::mem::replace(&mut has.rooms, true) {
            self.register_rooms(place);
        }
    }

    fn handler(
        self: &Arc<Self>,
    ) -> impl Fn(Socket, Event, Args, Ack, Trace) -> std::future::Ready<()> + Clone + Send + Sync + 'static
    {
        let this = self.clone();
        move |socket, event, args, ack, trace| {
            this.on_event(&socket, &event.0, &args, ack, &trace);
            std::future::ready(())
        }
    }

    fn on_event(&self, socket: &Socket, event: &str, args: &Args, ack: Ack, trace: &Trace) {
        let namespace = socket.namespace();
        if !self.is_about(namespace.name()) || !self.settings.load().wants(event) {
            return;
        }
        let record = Record::of("event", namespace.name(), Some(socket)).trace(trace).event(event, args);
        let taken = match record {
            Some(record) if self.push(&record, trace) => Ok(true),
            Some(_) => Err(Problem::Busy),
            None => Err(Problem::Arguments),
        };
        if self.settings.load().options.acknowledge && ack.is_wanted() {
            // A client that has left needs none.
            let _ = ack.send(&Answer::from(taken));
        }
    }

    /// Of something that nobody traces.
    fn tell(&self, record: &Record<'_>) {
        self.push(record, &Trace::default());
    }

    fn register_connections(self: &Arc<Self>, place: &Place) {
        let this = self.clone();
        let connected = move |socket: Socket| {
            let namespace = socket.namespace();
            if this.is_about_connections_of(namespace.name()) {
                this.tell(&Record::of("connected", namespace.name(), Some(&socket)));
            }
            std::future::ready(())
        };
        register!(place, on_connect(connected));
        let this = self.clone();
        let disconnected = move |socket: Socket, reason: DisconnectReason| {
            let namespace = socket.namespace();
            if this.is_about_connections_of(namespace.name()) {
                let record = Record::of("disconnected", namespace.name(), Some(&socket));
                this.tell(&record.reason(reason.as_str()));
            }
            std::future::ready(())
        };
        register!(place, on_disconnect(disconnected));
    }

    fn is_about_connections_of(&self, namespace: &str) -> bool {
        self.is_about(namespace) && self.settings.load().options.connections
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
                    self.tell(&Record::of("room_created", namespace, None).room(room));
                }
                self.tell(&Record::of("room_joined", namespace, Some(socket)).room(room));
            }
            Membership::Left => {
                *count = count.saturating_sub(1);
                let is_empty = *count == 0;
                self.tell(&Record::of("room_left", namespace, Some(socket)).room(room));
                if is_empty {
                    members.remove(&key);
                    self.tell(&Record::of("room_deleted", namespace, None).room(room));
                }
            }
        }
    }
}

//! The namespaces of a server: static ones, and families of dynamic ones that are made when a client asks.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix_router::{Path, ResourceDef};
use futures_util::FutureExt as _;

use crate::config::Config;
use crate::counters::Counters;
use crate::delivery::Hubs;
use crate::engine::{ConnectionHandle, Message, MessageBuilder};
use crate::handler::{Handlers, Refusal, Registry, registration};
use crate::id::IdSource;
use crate::namespace::{Namespace, NamespaceInner};
use crate::observer::Observers;
use crate::protocol::{Args, EncodeError, Parser};
use crate::trace::Tracing;
use crate::uplink::Uplink;

/// Asked for each message of one connection, with its size.
pub(crate) type ConnectionMeter = Box<dyn FnMut(usize) -> Result<(), Refusal>>;
/// Makes the meter of a connection.
pub(crate) type Meter = Arc<dyn Fn(&ConnectionHandle) -> ConnectionMeter + Send + Sync>;

/// What every part of a server needs.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ids: IdSource,
    /// The way to other nodes, if there are any.
    pub(crate) uplink: Option<Arc<Uplink>>,
    /// When the server was built.
    pub(crate) started: std::time::SystemTime,
    /// Tells the servers of a process apart.
    pub(crate) number: usize,
    pub(crate) observers: Observers,
    ack_ids: AtomicU64,
    /// Some socket listens to what goes out to it.
    has_curious_sockets: AtomicBool,
    states: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    /// What each new namespace begins with.
    every: Arc<Handlers>,
    pub(crate) meter: Option<Meter>,
    pub(crate) tracing: Tracing,
}

impl Core {
    pub(crate) fn new(
        config: Config,
        ids: IdSource,
        uplink: Option<Arc<Uplink>>,
        states: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
        (every, meter, tracing): (Arc<Handlers>, Option<Meter>, Tracing),
    ) -> Arc<Self> {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let counters = Arc::<Counters>::default();
        Arc::new(Self {
            config,
            hubs: Hubs::new(counters.clone()),
            counters,
            ids,
            uplink,
            started: std::time::SystemTime::now(),
            number,
            observers: Observers::default(),
            ack_ids: AtomicU64::new(0),
            has_curious_sockets: AtomicBool::new(false),
            states,
            every,
            meter,
            tracing,
        })
    }

    /// The registry of a new namespace.
    fn registry(&self) -> Arc<Registry> {
        Arc::new(Registry::new(self.every.clone()))
    }

    /// The next acknowledgement id: one for all sockets, so that a broadcast carries the same to each.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.ack_ids.fetch_add(1, Ordering::Relaxed)
    }

    /// A value that the application gave to the builder.
    pub(crate) fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.get(&TypeId::of::<T>()).cloned().and_then(|state| state.downcast().ok())
    }

    pub(crate) fn has_curious_sockets(&self) -> bool {
        self.has_curious_sockets.load(Ordering::Relaxed)
    }

    pub(crate) fn sockets_are_curious(&self) {
        self.has_curious_sockets.store(true, Ordering::Relaxed);
    }

    /// A message without attachments.
    pub(crate) fn message(
        &self,
        capacity: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Message, EncodeError> {
        let mut builder = match self.config.parser {
            Parser::Json => MessageBuilder::text(capacity),
            Parser::MsgPack => MessageBuilder::binary(capacity),
        };
        encode(builder.buffer())?;
        Ok(builder.finish(&[]))
    }
}

/// See the module's documentation.
pub(crate) struct Namespaces {
    core: Arc<Core>,
    live: RwLock<HashMap<Arc<str>, Arc<NamespaceInner>>>,
    families: RwLock<Vec<Arc<Family>>>,
    numbers: AtomicU64,
}

type Predicate = Box<dyn Fn(String, Args) -> Pin<Box<dyn Future<Output = bool>>> + Send + Sync>;

/// Which names belong to a family.
enum Matcher {
    Pattern(ResourceDef),
    Predicate(Predicate),
}

/// Dynamic namespaces with handlers in common.
pub(crate) struct Family {
    matcher: Matcher,
    registry: Arc<Registry>,
}

impl Namespaces {
    pub(crate) fn new(core: Arc<Core>) -> Arc<Self> {
        Arc::new(Self {
            core,
            live: RwLock::default(),
            families: RwLock::default(),
            numbers: AtomicU64::new(0),
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The namespace of that name, made if need be: as a child of the first pattern that matches, else a static one.
    /// (A static one in a pattern's place would keep the pattern's handlers from the clients that ask for it later.)
    pub(crate) fn of(self: &Arc<Self>, name: &str) -> Arc<NamespaceInner> {
        if let Some(known) = self.live(name) {
            return known;
        }
        let name = normalize(name);
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = live.get(&*name) {
            return known.clone();
        }
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        let family = families.iter().find_map(|family| match &family.matcher {
            Matcher::Pattern(pattern) => Some((family, captures(pattern, &name)?)),
            Matcher::Predicate(_) => None,
        });
        let namespace = match family {
            Some((family, params)) => self.make(&name, family.registry.clone(), params, true),
            None => self.make(&name, self.core.registry(), Vec::new(), false),
        };
        live.insert(name.into(), namespace.clone());
        namespace
    }

    fn make(
        self: &Arc<Self>,
        name: &str,
        registry: Arc<Registry>,
        params: Vec<(String, String)>,
        is_dynamic: bool,
    ) -> Arc<NamespaceInner> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        NamespaceInner::new(
            name.into(),
            number,
            self.core.clone(),
            Arc::downgrade(self),
            registry,
            params,
            is_dynamic,
        )
    }

    /// The namespace of exactly that name, if there is one now.
    pub(crate) fn live(&self, name: &str) -> Option<Arc<NamespaceInner>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The namespace of that name, if there is one now.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<NamespaceInner>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(&*normalize(name)).cloned()
    }

    /// The namespace of that name; if there is none here, one that nobody else will see, through which those of other nodes can be
    /// reached.
    pub(crate) fn reach(self: &Arc<Self>, name: &str) -> Arc<NamespaceInner> {
        // As if it were dynamic: it needs no subject.
        let unseen = |name: &str| self.make(name, Arc::default(), Vec::new(), true);
        self.get(name).unwrap_or_else(|| unseen(&normalize(name)))
    }

    /// All namespaces, at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<NamespaceInner>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The namespace a client asks for, claimed for one socket: whoever gets it must release it.
    pub(crate) async fn resolve(self: &Arc<Self>, name: &str, auth: &Args) -> Option<Arc<NamespaceInner>> {
        if let Some(known) = self.live.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            known.claim();
            return Some(known.clone());
        }
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner).clone();
        for family in families {
            let params = match &family.matcher {
                Matcher::Pattern(pattern) => captures(pattern, name),
                Matcher::Predicate(predicate) => {
                    // One that panics says no.
                    let ask = AssertUnwindSafe(async { predicate(name.to_owned(), auth.clone()).await });
                    ask.catch_unwind().await.is_ok_and(|matches| matches).then(Vec::new)
                }
            };
            let Some(params) = params else { continue };
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            let child = live
                .entry(name.into())
                .or_insert_with(|| self.make(name, family.registry.clone(), params, true));
            child.claim();
            return Some(child.clone());
        }
        None
    }

    /// Forgets a namespace; sockets that are in it stay until they leave, those on their way are turned away.
    pub(crate) fn remove(&self, name: &str) -> Option<Arc<NamespaceInner>> {
        let removed = self.live.write().unwrap_or_else(PoisonError::into_inner).remove(&*normalize(name));
        removed.inspect(|namespace| namespace.set_removed())
    }

    /// Forgets a dynamic namespace that nobody uses.
    pub(crate) fn remove_unused(&self, namespace: &Arc<NamespaceInner>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if namespace.is_unused()
            && live.get(namespace.name()).is_some_and(|known| Arc::ptr_eq(known, namespace))
        {
            live.remove(namespace.name());
        }
    }

    fn add_family(self: &Arc<Self>, matcher: Matcher) -> DynamicNamespace {
        let family = Arc::new(Family { matcher, registry: self.core.registry() });
        self.families.write().unwrap_or_else(PoisonError::into_inner).push(family.clone());
        DynamicNamespace { family, namespaces: self.clone() }
    }

    pub(crate) fn of_pattern(
        self: &Arc<Self>,
        pattern: &str,
    ) -> Result<DynamicNamespace, crate::error::NamespaceError> {
        let pattern = normalize(pattern);
        // The router's own parser panics on a malformed pattern.
        let parsed = std::panic::catch_unwind(|| ResourceDef::new(&*pattern));
        let parsed = parsed.map_err(|_| crate::error::NamespaceError::Pattern)?;
        Ok(self.add_family(Matcher::Pattern(parsed)))
    }

    pub(crate) fn of_predicate<F, R>(self: &Arc<Self>, predicate: F) -> DynamicNamespace
    where
        F: Fn(String, Args) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + 'static,
    {
        self.add_family(Matcher::Predicate(Box::new(move |name, auth| Box::pin(predicate(name, auth)))))
    }
}

/// Namespaces begin with a slash.
fn normalize(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

/// The parameters of a name that matches.
fn captures(pattern: &ResourceDef, name: &str) -> Option<Vec<(String, String)>> {
    let mut path = Path::new(name);
    pattern
        .capture_match_info(&mut path)
        .then(|| path.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// A family of dynamic namespaces: those whose name matches a pattern or satisfies a predicate. A child is made when the
/// first client asks for it and dropped when its last socket has left
/// (unless [`keep_empty_namespaces`](crate::config::Config::keep_empty_namespaces)).
#[derive(Clone)]
pub struct DynamicNamespace {
    family: Arc<Family>,
    namespaces: Arc<Namespaces>,
}

impl DynamicNamespace {
    fn registry(&self) -> &Registry {
        &self.family.registry
    }

    registration!();

    /// Its children at this moment.
    pub fn children(&self) -> Vec<Namespace> {
        let all = self.namespaces.all().into_iter();
        all.filter(|child| Arc::ptr_eq(&child.registry, &self.family.registry)).map(Namespace).collect()
    }
}

impl std::fmt::Debug for DynamicNamespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamicNamespace").finish_non_exhaustive()
    }
}

//! Who may connect: clients with a token, or those that the backend lets in.
//!
//! Asked before a socket is connected, in every namespace. What a token claims becomes the socket's data, the rooms that it is in from the
//! beginning, and what it may do ([`permissions`](super::permissions)). A token that ends takes the connection with it, unless the
//! client brings another in time; so does one that is revoked, on whatever node.

mod backend;
mod crypto;
mod jwks;
mod keys;
mod options;
mod place;
mod refused;
mod revocations;
mod sessions;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use actix_socketio::cluster::bus::Bus;
use actix_socketio::trace::Trace;
use actix_socketio::{DisconnectReason, EveryNamespace, Refusal, Reply, Socket, SocketIo, TryData};
use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};

use self::backend::{Backend, Verdict};
pub(in crate::node) use self::keys::KeyError;
pub(in crate::node) use self::options::AuthOptions;
pub(in crate::node) use self::refused::Refused;
pub(in crate::node) use self::revocations::Revoked;
use self::revocations::{Revocation, Revocations};
use self::sessions::Sessions;
use self::token::{Token, Verifier};
use super::config::SecretError;
use super::limits::client_address;
use super::namespaces::Wildcard;
use super::permissions::{Claims, Pattern, PermissionOptions, Rule};
use super::reload::Reload;

/// Rooms that claims put one socket into.
const MAX_ROOMS: usize = 100;
/// Rules that come with one token.
const MAX_RULES: usize = 100;

/// Why there is no authentication although it is configured.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum AuthError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("auth.backend.key: {0}")]
    Backend(#[from] SecretError),
}

/// How often what happened.
#[derive(Debug, Default)]
pub(in crate::node) struct AuthCounters {
    /// Sockets that were let in, with or without a token.
    pub(in crate::node) accepted: AtomicU64,
    pub(in crate::node) refused: AtomicU64,
    pub(in crate::node) refreshed: AtomicU64,
    /// Connections that were closed because of a revocation.
    pub(in crate::node) revoked: AtomicU64,
    /// Connections that were closed because their token had expired.
    pub(in crate::node) expired: AtomicU64,
}

/// What a revocation did.
pub(in crate::node) struct RevokedSockets {
    /// Connections that were closed on this node.
    pub(in crate::node) closed: u64,
    /// Nodes that did not confirm it: they ask for it by themselves.
    pub(in crate::node) missing_nodes: Vec<String>,
}

/// See the module's documentation.
pub(in crate::node) struct Auth {
    options: AuthOptions,
    /// Another after a reload.
    verifier: ArcSwapOption<Verifier>,
    backend: Option<Backend>,
    open: Vec<Wildcard>,
    other: Option<String>,
    rooms: Vec<Pattern>,
    sessions: Sessions,
    revocations: Arc<Revocations>,
    counters: AuthCounters,
}

/// What is known of a client that is let in.
struct Admitted {
    claims: Claims,
    expires: Option<SystemTime>,
    rooms: Vec<String>,
}

/// Left in the socket's data until it is connected: when its token ends.
#[derive(Clone)]
struct Expires(Option<SystemTime>);

/// Left in the socket's data: the rooms that its claims put it into.
#[derive(Clone)]
struct ClaimedRooms(BTreeSet<String>);

impl Auth {
    /// As configured; none if nobody is asked. `other`: a namespace that is none of its business.
    pub(in crate::node) async fn new(
        options: &AuthOptions,
        bus: Option<&Arc<dyn Bus>>,
        other: Option<&str>,
    ) -> Result<Option<Arc<Self>>, AuthError> {
        if !options.is_on() {
            return Ok(None);
        }
        crypto::install();
        let verifier = Verifier::new(options).await?;
        Ok(Some(Arc::new(Self {
            verifier: ArcSwapOption::new(verifier.map(Arc::new)),
            backend: Backend::new(&options.backend, bus)?,
            open: options.open.iter().map(|name| Wildcard::new(name)).collect(),
            other: other.map(str::to_owned),
            // Those that are none were refused with the configuration.
            rooms: options.rooms.iter().filter_map(|room| Pattern::parse(room).ok()).collect(),
            sessions: Sessions::new(&options.expiring_event, options.warn.into(), options.grace.into()),
            revocations: Arc::new(Revocations::new(options.max_revocations)),
            counters: AuthCounters::default(),
            options: options.clone(),
        })))
    }

    /// Asks in every namespace.
    pub(in crate::node) fn register(self: &Arc<Self>, every: EveryNamespace) -> EveryNamespace {
        let (asking, connected, gone, refreshing) = (self.clone(), self.clone(), self.clone(), self.clone());
        let every = every
            .middleware(move |socket: Socket, auth: TryData<Value>, trace: Trace| {
                let this = asking.clone();
                async move { this.admit(&socket, auth.0.unwrap_or_default(), &trace).await }
            })
            .on_connect(move |socket: Socket| {
                let Expires(expires) = socket.data().get().unwrap_or(Expires(None));
                let claims = Claims::of(&socket);
                if !claims.values().is_empty() {
                    connected.remember(&socket, &claims, expires);
                }
                std::future::ready(())
            })
            .on_disconnect(move |socket: Socket| {
                gone.sessions.remove(socket.id());
                std::future::ready(())
            });
        if !self.has_refresh() {
            return every;
        }
        every.on(&self.options.refresh_event, move |socket: Socket, token: TryData<String>| {
            let this = refreshing.clone();
            async move {
                let token = token.0.map_err(|_| Refused::Missing);
                let answer = match token {
                    Ok(token) => this.refresh(&socket, &token).await,
                    Err(refused) => Err(refused),
                };
                Reply(match answer {
                    Ok(left) => json!({ "ok": { "expires_in": left.map(|left| left.as_secs()) } }),
                    Err(refused) => json!({ "error": refused.code() }),
                })
            }
        })
    }

    /// Begins to warn and to close, to follow the other nodes, and to follow a configuration that changes. On the node's main thread.
    pub(in crate::node) fn start(self: &Arc<Self>, io: &SocketIo, reload: &Reload) {
        let this = self.clone();
        actix_web::rt::spawn(async move { this.sessions.run(&this.counters.expired).await });
        let this = self.clone();
        revocations::follow(io, &self.revocations, move |revocation| _ = this.apply(revocation));
        let this = self.clone();
        reload.part(move |config| {
            let options = config.auth.clone();
            if this.options.uses_cookies() && config.cors.is_any() {
                return Err(
                    "cors.origins: \"*\" excludes the cookies that this node takes until it is restarted"
                        .into(),
                );
            }
            if !this.options.has_key() || !options.has_key() {
                // With or without tokens: that takes a restart.
                return Ok(Box::new(|| ()));
            }
            Verifier::check(&options)?;
            let this = this.clone();
            Ok(Box::new(move || _ = actix_web::rt::spawn(async move { this.reload(&options).await })))
        });
    }

    /// Takes over keys that were checked, as far as they were there.
    async fn reload(&self, options: &AuthOptions) {
        match Verifier::new(options).await {
            Ok(Some(verifier)) if verifier.has_keys() => self.verifier.store(Some(Arc::new(verifier))),
            Ok(_) => tracing::error!("the new keys of tokens cannot be fetched: the old ones stay in force"),
            Err(error) => tracing::error!(%error, "the old keys of tokens stay in force"),
        }
    }

    /// Learns what was revoked before this node was there. On the node's main thread.
    pub(in crate::node) async fn catch_up(self: &Arc<Self>, io: &SocketIo) {
        let this = self.clone();
        revocations::catch_up(io, &self.revocations, move |revocation| _ = this.apply(revocation)).await;
    }

    pub(in crate::node) fn counters(&self) -> &AuthCounters {
        &self.counters
    }

    /// Whether a client may send the event whatever the rules say.
    pub(in crate::node) fn is_own_event(&self, event: &str) -> bool {
        self.has_refresh() && event == self.options.refresh_event
    }

    fn has_refresh(&self) -> bool {
        self.options.has_key() && !self.options.refresh_event.is_empty()
    }

    /// The socket is found from now on when its token ends or is revoked.
    fn remember(&self, socket: &Socket, claims: &Claims, expires: Option<SystemTime>) {
        self.sessions.insert(socket, claims.clone(), expires);
        // A revocation that came before it could be found.
        if self.revocations.hit(claims) {
            self.close(std::slice::from_ref(socket));
        }
    }

    /// From now on such tokens do not count, on any node, and their connections are closed.
    pub(in crate::node) async fn revoke(&self, io: &SocketIo, what: Revoked) -> RevokedSockets {
        let revocation = Revocation::new(what, self.options.revoked_for.into());
        self.revocations.add(&revocation);
        let closed = self.apply(&revocation);
        RevokedSockets { closed, missing_nodes: revocations::tell(io, &revocation).await }
    }

    /// Closes the connections that it is about: how many.
    fn apply(&self, revocation: &Revocation) -> u64 {
        self.close(&self.sessions.revoked(revocation))
    }

    fn close(&self, sockets: &[Socket]) -> u64 {
        let mut closed = BTreeSet::new();
        for socket in sockets {
            if closed.insert(socket.connection().sid()) {
                tracing::info!(sid = socket.id(), "the token is revoked: the connection is closed");
                socket.connection().close(DisconnectReason::ForcedServerClose);
            }
        }
        let count = closed.len() as u64;
        self.counters.revoked.fetch_add(count, Ordering::Relaxed);
        count
    }

    /// Before a socket is connected.
    async fn admit(&self, socket: &Socket, auth: Value, trace: &Trace) -> Result<(), Refusal> {
        let admitted = match self.ask(socket, &auth, trace).await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return Err(refusal);
            }
        };
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let rooms = BTreeSet::from_iter(admitted.rooms);
        for room in &rooms {
            // Returns at once: what has to be confirmed is waited for when the socket enters.
            if let Err(error) = socket.join(&**room).await {
                tracing::warn!(sid = socket.id(), room, %error, "a room of a client's claims cannot be joined");
            }
        }
        socket.data().set(ClaimedRooms(rooms));
        socket.data().set(Expires(admitted.expires));
        self.keep(socket, admitted.claims);
        Ok(())
    }

    async fn ask(&self, socket: &Socket, auth: &Value, trace: &Trace) -> Result<Admitted, Refusal> {
        let namespace = socket.namespace();
        if self.other.as_deref() == Some(namespace.name()) {
            return Ok(Admitted::nobody());
        }
        let is_open = self.open.iter().any(|open| open.matches(namespace.name()));
        let verifier = self.verifier.load_full();
        let token = match &verifier {
            Some(verifier) => match place::find(&self.options, &socket.handshake(), auth) {
                Some(token) => Some(verifier.verify(&token).await?),
                None if is_open => return Ok(Admitted::nobody()),
                None => return Err(Refused::Missing.into()),
            },
            None if is_open => return Ok(Admitted::nobody()),
            None => None,
        };
        let Token { claims, expires } = token.unwrap_or_default();
        let verdict = match &self.backend {
            Some(backend) => {
                let address = client_address(&socket.handshake()).map(|address| address.to_string());
                backend.ask(socket, auth, &claims, address, trace).await?
            }
            None => Verdict::default(),
        };
        Ok(self.admitted(claims, expires, verdict)?)
    }

    fn admitted(
        &self,
        mut claims: Map<String, Value>,
        expires: Option<SystemTime>,
        verdict: Verdict,
    ) -> Result<Admitted, Refused> {
        claims.extend(verdict.claims);
        let rules = self.rules(&claims)?;
        let claims = Claims::new(claims, rules);
        if self.revocations.hit(&claims) {
            return Err(Refused::Revoked);
        }
        let named = self.rooms.iter().flat_map(|room| room.names(&claims, MAX_ROOMS));
        let rooms = named.chain(verdict.rooms).filter(|room| !room.is_empty()).take(MAX_ROOMS).collect();
        Ok(Admitted { claims, expires, rooms })
    }

    /// The rules that come with the token. A token with rules that are none is refused: what it was meant to permit is unknown.
    fn rules(&self, claims: &Map<String, Value>) -> Result<Vec<Rule>, Refused> {
        let Some(value) = self.options.permissions.as_ref().and_then(|name| claims.get(name)) else {
            return Ok(Vec::new());
        };
        let rules: Vec<PermissionOptions> = serde_json::from_value(value.clone()).map_err(|error| {
            tracing::warn!(%error, "the permissions of a token are not understood");
            Refused::Invalid
        })?;
        if rules.len() > MAX_RULES {
            return Err(Refused::Invalid);
        }
        rules.iter().map(Rule::try_from).collect::<Result<_, _>>().map_err(|error| {
            tracing::warn!(%error, "the permissions of a token are not understood");
            Refused::Invalid
        })
    }

    /// The claims become the socket's data.
    fn keep(&self, socket: &Socket, claims: Claims) {
        if claims.values().is_empty() {
            return;
        }
        let shared = match &self.options.data {
            Some(names) => {
                let shown = claims.values().iter().filter(|(name, _)| names.contains(name));
                json!({ "claims": shown.collect::<std::collections::BTreeMap<_, _>>() })
            }
            None => json!({ "claims": claims.values() }),
        };
        if let Err(error) = socket.data().share(&shared) {
            tracing::error!(%error, "the claims of a client cannot be shared");
        }
        socket.data().set(claims);
    }

    /// A client brings another token: how long that counts.
    async fn refresh(&self, socket: &Socket, token: &str) -> Result<Option<Duration>, Refused> {
        let Some(verifier) = self.verifier.load_full() else { return Err(Refused::Unavailable) };
        let Token { claims, expires } = verifier.verify(token).await?;
        let before = Claims::of(socket);
        // What the backend said of the user still counts, unless the token says otherwise.
        let mut all = if self.backend.is_some() { before.values().clone() } else { Map::new() };
        all.extend(claims);
        let admitted = self.admitted(all, expires, Verdict::default())?;
        if admitted.claims.subject() != before.subject() {
            return Err(Refused::OtherUser);
        }
        // The connection ends as a whole, so all of its sockets live on.
        let mut sockets = match before.subject() {
            Some(user) => self.sessions.siblings(socket, &user),
            None => Vec::new(),
        };
        if !sockets.iter().any(|other| other.id() == socket.id()) {
            sockets.push(socket.clone());
        }
        for socket in &sockets {
            self.update(socket, &admitted).await;
        }
        self.counters.refreshed.fetch_add(1, Ordering::Relaxed);
        Ok(expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default()))
    }

    /// Other claims for a socket that is connected.
    async fn update(&self, socket: &Socket, admitted: &Admitted) {
        self.keep(socket, admitted.claims.clone());
        let wanted: BTreeSet<_> = admitted.rooms.iter().cloned().collect();
        let before = socket.data().set(ClaimedRooms(wanted.clone()));
        let before = before.map(|ClaimedRooms(rooms)| rooms).unwrap_or_default();
        if self.backend.is_none() {
            for room in before.difference(&wanted) {
                socket.leave(room).await;
            }
        }
        for room in wanted.difference(&before) {
            if let Err(error) = socket.join(&**room).await {
                tracing::warn!(sid = socket.id(), room, %error, "a room of a client's claims cannot be joined");
            }
        }
        if socket.is_connected() {
            self.remember(socket, &admitted.claims, admitted.expires);
            // It may have left meanwhile, before it was there to be removed.
            if !socket.is_connected() {
                self.sessions.remove(socket.id());
            }
        }
    }
}

impl Admitted {
    /// A client without a token, where it needs none.
    fn nobody() -> Self {
        Self { claims: Claims::default(), expires: None, rooms: Vec::new() }
    }
}

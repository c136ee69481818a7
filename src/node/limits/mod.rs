//! How much clients may do: connections, handshakes and messages, by connection, address and user.
//!
//! Exceeding a limit is answered as the protocol does: a handshake with status 429, CONNECT with CONNECT_ERROR, an event with an
//! acknowledgement that has an error. Each is counted, and logged at a bounded rate. Whoever goes on all the same is closed.

mod address;
mod bucket;
mod options;
mod user;
mod visitor;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_socketio::engine::{ConnectionError, ConnectionHandle, HandshakeRequest};
use actix_socketio::{DisconnectReason, Refusal, Socket, SocketIoBuilder};
use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use arc_swap::ArcSwap;
use serde_json::json;

pub(in crate::node) use self::address::key;
use self::address::{Origin, Proxies};
pub(in crate::node) use self::bucket::Bucket;
pub(in crate::node) use self::options::LimitOptions;
use self::user::{Membership, Users};
use self::visitor::{Address, Count, Seat, Visitor};
use super::permissions::Claims;
use super::reload::Reload;
use super::warning::Warning;

/// What is logged is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(5);
/// Below that the table of addresses is not worth looking through.
const FEW_ADDRESSES: usize = 1024;

/// Which limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::node) enum Refused {
    #[error("too many handshakes")]
    Handshakes,
    #[error("too many handshakes from this address")]
    HandshakesOfAddress,
    #[error("too many connections from this address")]
    ConnectionsOfAddress,
    #[error("too many connections without a namespace")]
    Unconnected,
    #[error("too many connections without a namespace from this address")]
    UnconnectedOfAddress,
    #[error("too many connections of this user")]
    ConnectionsOfUser,
    #[error("too many messages")]
    Messages,
    #[error("too many bytes")]
    Bytes,
    #[error("too many messages from this address")]
    MessagesOfAddress,
    #[error("too many bytes from this address")]
    BytesOfAddress,
    #[error("too many messages of this user")]
    MessagesOfUser,
    #[error("too many bytes of this user")]
    BytesOfUser,
}

impl Refused {
    /// All of them, in the order of the counters.
    pub(in crate::node) const ALL: [Self; 12] = [
        Self::Handshakes,
        Self::HandshakesOfAddress,
        Self::ConnectionsOfAddress,
        Self::Unconnected,
        Self::UnconnectedOfAddress,
        Self::ConnectionsOfUser,
        Self::Messages,
        Self::Bytes,
        Self::MessagesOfAddress,
        Self::BytesOfAddress,
        Self::MessagesOfUser,
        Self::BytesOfUser,
    ];

    /// What programs tell them apart by: the option.
    pub(in crate::node) fn option(self) -> &'static str {
        match self {
            Self::Handshakes => "handshakes",
            Self::HandshakesOfAddress => "handshakes_per_address",
            Self::ConnectionsOfAddress => "connections_per_address",
            Self::Unconnected => "unconnected",
            Self::UnconnectedOfAddress => "unconnected_per_address",
            Self::ConnectionsOfUser => "connections_per_user",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::MessagesOfAddress => "messages_per_address",
            Self::BytesOfAddress => "bytes_per_address",
            Self::MessagesOfUser => "messages_per_user",
            Self::BytesOfUser => "bytes_per_user",
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::new(refused.to_string()).data(&json!({ "code": "too_many", "limit": refused.option() }))
    }
}

/// How often what happened.
#[derive(Debug, Default)]
pub(in crate::node) struct LimitCounters {
    refused: [AtomicU64; Refused::ALL.len()],
    /// Connections that were closed because they went on all the same.
    pub(in crate::node) closed: AtomicU64,
}

impl LimitCounters {
    /// How often each limit was exceeded.
    pub(in crate::node) fn refused(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// What changes with a reload.
struct Settings {
    options: LimitOptions,
    proxies: Proxies,
    handshakes: Bucket,
}

impl Settings {
    fn new(options: &LimitOptions) -> Self {
        Self {
            proxies: Proxies::new(options),
            handshakes: Bucket::new(options.handshakes as usize, options.burst.into()),
            options: options.clone(),
        }
    }
}

/// Addresses that have connections, or had some not long ago.
#[derive(Default)]
struct Addresses {
    table: HashMap<IpAddr, Arc<Address>>,
    /// With more than that those without connections are forgotten.
    most: usize,
}

/// See the module's documentation.
pub(in crate::node) struct Limits {
    settings: Arc<ArcSwap<Settings>>,
    addresses: Mutex<Addresses>,
    users: Arc<Users>,
    unconnected: Arc<Count>,
    counters: LimitCounters,
    warnings: [Warning; Refused::ALL.len()],
    closing: Warning,
    proxy: Warning,
}

impl Limits {
    /// As configured, now and after a reload; what was counted goes on being counted.
    pub(in crate::node) fn new(options: &LimitOptions, reload: &Reload) -> Arc<Self> {
        let settings = Arc::new(ArcSwap::from_pointee(Settings::new(options)));
        let current = settings.clone();
        reload.part(move |config| {
            let (next, current) = (Settings::new(&config.limits), current.clone());
            Ok(Box::new(move || current.store(Arc::new(next))))
        });
        Arc::new(Self {
            settings,
            addresses: Mutex::default(),
            users: Arc::default(),
            unconnected: Arc::default(),
            counters: LimitCounters::default(),
            warnings: std::array::from_fn(|_| Warning::every(LOG_EVERY)),
            closing: Warning::every(LOG_EVERY),
            proxy: Warning::every(Duration::from_secs(3600)),
        })
    }

    /// Limits a server. After whatever makes claims.
    pub(in crate::node) fn register(self: &Arc<Self>, builder: SocketIoBuilder) -> SocketIoBuilder {
        let (entering, metering, admitting) = (self.clone(), self.clone(), self.clone());
        builder
            .handshake_extension::<Seat>()
            .allow_request(move |request| std::future::ready(entering.enter(&request)))
            .meter(move |connection| metering.meter(connection))
            .every_namespace(|every| {
                every
                    .middleware(move |socket: Socket| std::future::ready(admitting.admit(&socket)))
                    .on_connect(|socket: Socket| {
                        if let Some(visitor) = visitor(&socket.handshake()) {
                            visitor.connected();
                        }
                        std::future::ready(())
                    })
            })
    }

    pub(in crate::node) fn counters(&self) -> &LimitCounters {
        &self.counters
    }

    fn refuse(&self, refused: Refused, address: Option<IpAddr>) -> Refused {
        let index = refused as usize;
        self.counters.refused[index].fetch_add(1, Ordering::Relaxed);
        self.warnings[index].give(|more| {
            let address = address.map(tracing::field::display);
            tracing::warn!(limit = refused.option(), address, more, "a limit is exceeded");
        });
        refused
    }

    /// A handshake.
    fn enter(&self, request: &HttpRequest) -> Result<(), ConnectionError> {
        let settings = self.settings.load();
        let origin = settings.proxies.origin_of(request);
        let address = origin.address();
        let counted = match origin {
            Origin::Known(address) => Some(self.address(key(address), &settings.options)),
            Origin::Here(_) => None,
            Origin::Proxy(proxy) => {
                self.proxy.give(|_| {
                    tracing::warn!(
                        %proxy,
                        "a proxy that limits.trusted_proxies does not name: nothing is counted by address behind it"
                    );
                });
                None
            }
        };
        // The address first: what is refused to one must not use up what all have together.
        let entered = if counted.as_ref().is_some_and(|counted| !counted.handshakes.take(1)) {
            Err(Refused::HandshakesOfAddress)
        } else if !settings.handshakes.take(1) {
            Err(Refused::Handshakes)
        } else {
            Visitor::enter(&settings.options, address, counted, &self.unconnected)
        };
        match entered {
            Ok(seat) => {
                request.extensions_mut().insert(seat);
                Ok(())
            }
            Err(refused) => Err(ConnectionError::TooManyRequests(self.refuse(refused, address).to_string())),
        }
    }

    fn address(&self, key: IpAddr, options: &LimitOptions) -> Arc<Address> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = addresses.table.get(&key) {
            return address.clone();
        }
        if addresses.table.len() >= addresses.most.max(FEW_ADDRESSES) {
            addresses.table.retain(|_, address| Arc::strong_count(address) > 1);
            addresses.most = addresses.table.len() * 2;
        }
        let address = Arc::new(Address::new(options));
        addresses.table.insert(key, address.clone());
        address
    }

    /// A socket of a user.
    fn admit(&self, socket: &Socket) -> Result<(), Refusal> {
        let claims = Claims::of(socket);
        let Some(user) = claims.subject() else { return Ok(()) };
        let handshake = socket.handshake();
        let visitor = visitor(&handshake);
        let settings = self.settings.load();
        let Some(membership) = self.users.enter(&user, socket.connection().sid(), &settings.options) else {
            let address = visitor.and_then(|visitor| visitor.address());
            return Err(self.refuse(Refused::ConnectionsOfUser, address).into());
        };
        if let Some(visitor) = visitor {
            visitor.belongs_to(membership.user());
        }
        socket.data().set::<Membership>(membership);
        Ok(())
    }

    /// What is asked for each message of one connection.
    fn meter(
        self: &Arc<Self>,
        connection: &ConnectionHandle,
    ) -> impl FnMut(usize) -> Result<(), Refusal> + use<> {
        let settings = self.settings.load();
        let options = &settings.options;
        let burst: Duration = options.burst.into();
        let (messages, bytes) =
            (Bucket::new(options.messages as usize, burst), Bucket::new(options.bytes.bytes(), burst));
        let most = f64::from(options.patience) / burst.as_secs_f64();
        let patience = Bucket::new((most.ceil()) as usize, burst);
        let guard = connection.request().extension::<Seat>().and_then(Seat::take_guard);
        let (this, connection) = (self.clone(), connection.clone());
        move |size| {
            // Dropped with the connection.
            let _ = &guard;
            let visitor = visitor(connection.request());
            let refused = if !messages.take(1) {
                Refused::Messages
            } else if !bytes.take(size) {
                Refused::Bytes
            } else {
                match visitor.map_or(Ok(()), |visitor| visitor.may_send(size)) {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused,
                }
            };
            let address = visitor.and_then(|visitor| visitor.address());
            this.refuse(refused, address);
            if !patience.take(1) && !connection.is_closed() {
                this.counters.closed.fetch_add(1, Ordering::Relaxed);
                this.closing.give(|more| {
                    let address = address.map(tracing::field::display);
                    tracing::warn!(
                        address,
                        more,
                        "a client that exceeds its limits goes on all the same: closed"
                    );
                });
                connection.close(DisconnectReason::ForcedServerClose);
            }
            Err(refused.into())
        }
    }
}

impl Visitor {
    /// A message of so many bytes.
    fn may_send(&self, size: usize) -> Result<(), Refused> {
        if let Some(address) = self.counted() {
            if !address.messages.take(1) {
                return Err(Refused::MessagesOfAddress);
            }
            if !address.bytes.take(size) {
                return Err(Refused::BytesOfAddress);
            }
        }
        if let Some(user) = self.user() {
            if !user.messages.take(1) {
                return Err(Refused::MessagesOfUser);
            }
            if !user.bytes.take(size) {
                return Err(Refused::BytesOfUser);
            }
        }
        Ok(())
    }
}

/// The visitor that made the handshake.
fn visitor(request: &HandshakeRequest) -> Option<&Visitor> {
    request.extension::<Seat>().map(|seat| &*seat.visitor)
}

/// Where the client comes from, as far as it is known.
pub(in crate::node) fn client_address(request: &HandshakeRequest) -> Option<IpAddr> {
    visitor(request)?.address()
}

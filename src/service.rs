//! The server helper: an Actix `App` on actix-http, with the native websocket transport.
//!
//! Ordinary requests go to the `App`. Requests with `Upgrade: websocket` go through a second instance of the same
//! `App` (middleware, scopes and extensions included); when the answer is ours, the socket is taken over. That
//! catches *every* upgrade: websocket routes of the application's own need the embedded transport, that is
//! `actix_web::HttpServer` with [`configure`](crate::SocketIo::configure).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{HttpService, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, ServiceFactory, map_config};
use actix_web::dev::AppConfig;

#[cfg(feature = "tls")]
use crate::engine::Secure;
use crate::engine::upgrade_factory;
use crate::unread::closing_unread;

/// Idle HTTP connections stay open so long: polling clients post at ping cadence.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections per worker that speak HTTP; websockets that were taken over do not count.
const MAX_HTTP_CONNECTIONS: usize = 100_000;
const BACKLOG: u32 = 4096;
/// TLS handshakes that a worker has going on at a time; more connections wait. Each may take three seconds, so with few of them whoever connects
/// and says nothing keeps everybody else away.
#[cfg(feature = "tls")]
const MAX_HANDSHAKES: usize = 4096;

/// How long the kernel keeps a connection whose client does not take what was sent.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

type Hook = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// An HTTP server for an `App` factory. Made by [`SocketIo::server`](crate::SocketIo::server), or by
/// [`Server::new`] for a bare [`Engine`](crate::engine::Engine).
pub struct Server<F> {
    factory: F,
    listeners: Vec<Listening>,
    workers: Option<usize>,
    keep_alive: Duration,
    shutdown_timeout: Duration,
    before_stop: Vec<Hook>,
    signals: bool,
}

struct Listening {
    listener: TcpListener,
    tls: Tls,
    /// What it accepts has its options from it, without a system call for each. Not so where others have opened it: connections may
    /// have been waiting since before.
    bequeaths: bool,
}

impl Listening {
    fn at(address: SocketAddr, tls: Tls) -> io::Result<Self> {
        Ok(Self { listener: listen(address)?, tls, bequeaths: cfg!(target_os = "linux") })
    }

    fn on(listener: TcpListener, tls: Tls) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, tls, bequeaths: false })
    }
}

#[derive(Clone)]
enum Tls {
    No,
    #[cfg(feature = "tls")]
    Rustls(Arc<rustls::ServerConfig>),
}

#[cfg(feature = "tls")]
impl Tls {
    fn rustls(mut config: rustls::ServerConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        actix_tls::accept::max_concurrent_tls_connect(MAX_HANDSHAKES);
        Self::Rustls(Arc::new(config))
    }
}

impl<F> Server<F> {
    /// A server for the `App` that `factory` makes, once or twice per worker thread: what its instances
    /// share must be made outside of it.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            listeners: Vec::new(),
            workers: None,
            keep_alive: KEEP_ALIVE,
            shutdown_timeout: Duration::from_secs(30),
            before_stop: Vec::new(),
            signals: true,
        }
    }

    /// Listens on an address; may be called several times.
    pub fn bind(mut self, address: impl ToSocketAddrs) -> io::Result<Self> {
        for address in address.to_socket_addrs()? {
            self.listeners.push(Listening::at(address, Tls::No)?);
        }
        Ok(self)
    }

    /// Listens on an address with TLS. ALPN is set to HTTP/1.1: websockets need it. Each worker has up to 4096 handshakes going on at a
    /// time, which actix-tls keeps for the whole process.
    #[cfg(feature = "tls")]
    pub fn bind_rustls(
        mut self,
        address: impl ToSocketAddrs,
        config: rustls::ServerConfig,
    ) -> io::Result<Self> {
        let tls = Tls::rustls(config);
        for address in address.to_socket_addrs()? {
            self.listeners.push(Listening::at(address, tls.clone())?);
        }
        Ok(self)
    }

    /// Serves a listener that is open already.
    pub fn listen(mut self, listener: TcpListener) -> io::Result<Self> {
        self.listeners.push(Listening::on(listener, Tls::No)?);
        Ok(self)
    }

    /// Serves a listener that is open already, with TLS. ALPN is set to HTTP/1.1: websockets need it.
    #[cfg(feature = "tls")]
    pub fn listen_rustls(mut self, listener: TcpListener, config: rustls::ServerConfig) -> io::Result<Self> {
        self.listeners.push(Listening::on(listener, Tls::rustls(config))?);
        Ok(self)
    }

    /// The addresses it listens on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|each| each.listener.local_addr().ok()).collect()
    }

    /// Worker threads. Default: one per core.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// How long an HTTP connection on which nothing is asked stays open. Default 75 s. A load balancer that reuses connections to the
    /// server has to give up before that.
    pub fn keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = idle;
        self
    }

    /// How long a stop waits for HTTP requests that are being answered. Default 30 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Leaves SIGINT and SIGTERM alone: the server ends when the future of [`run`](Self::run) is dropped or
    /// that of [`run_until`](Self::run_until) is told to.
    pub fn disable_signals(mut self) -> Self {
        self.signals = false;
        self
    }

    /// Run before the server stops, while it still answers: the place to close sessions.
    pub fn before_stop<R: Future<Output = ()> + 'static>(
        mut self,
        hook: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        self.before_stop.push(Arc::new(move || Box::pin(hook())));
        self
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl<F> Server<F> {
    /// Serves until SIGINT or SIGTERM, then stops gracefully: sessions first, then HTTP.
    pub async fn run<I, S, B>(self) -> io::Result<()>
    where
        F: Fn() -> I + Clone + Send + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as actix_service::Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        if self.signals {
            let signal = stop_signal()?;
            self.run_until(signal).await
        } else {
            self.run_until(std::future::pending()).await
        }
    }

    /// Serves until `stop` is ready, then stops gracefully.
    pub async fn run_until<I, S, B>(self, stop: impl Future<Output = ()>) -> io::Result<()>
    where
        F: Fn() -> I + Clone + Send + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as actix_service::Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let mut builder = actix_server::Server::build()
            .disable_signals()
            .max_concurrent_connections(MAX_HTTP_CONNECTIONS)
            .shutdown_timeout(self.shutdown_timeout.as_secs());
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        for listening in self.listeners {
            builder = add(builder, listening, self.keep_alive, self.factory.clone())?;
        }
        let mut server = builder.run();
        let handle = server.handle();
        tokio::select! {
            ended = &mut server => return ended,
            () = stop => {}
        }
        for hook in &self.before_stop {
            tokio::select! {
                ended = &mut server => return ended,
                () = hook() => {}
            }
        }
        // The server has to be polled for its workers to stop.
        let ((), ended) = futures_util::future::join(handle.stop(true), server).await;
        ended
    }
}

/// Ready at SIGINT or SIGTERM. Listens from now on, so that no signal between here and the wait is missed.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Waits for SIGINT or SIGTERM; for ever if they cannot be listened to.
pub(crate) async fn stopped_by_signal() {
    match stop_signal() {
        Ok(signal) => signal.await,
        Err(error) => {
            tracing::error!(%error, "cannot listen to signals");
            std::future::pending().await
        }
    }
}

fn add<F, I, S, B>(
    builder: ServerBuilder,
    Listening { listener, tls, bequeaths }: Listening,
    keep_alive: Duration,
    factory: F,
) -> io::Result<ServerBuilder>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let config = AppConfig::default();
    match tls {
        Tls::No => builder.listen("socketio", listener, move || {
            let upgrade = upgrade_factory(factory.clone(), config.clone());
            let config = config.clone();
            let mut service = HttpService::build().keep_alive(keep_alive).h1_allow_half_closed(false);
            if !bequeaths {
                service = service
                    .tcp_nodelay(true)
                    .on_connect_ext(|stream: &actix_web::rt::net::TcpStream, _| limit_unsent(stream));
            }
            service
                .upgrade(upgrade)
                .finish(closing_unread(map_config(factory(), move |_| config.clone())))
                .tcp()
        }),
        #[cfg(feature = "tls")]
        Tls::Rustls(rustls) => {
            let rustls = rustls.clone();
            builder.listen("socketio", listener, move || {
                let upgrade = upgrade_factory(factory.clone(), config.clone());
                let config = config.clone();
                let mut service = HttpService::build().keep_alive(keep_alive).h1_allow_half_closed(false);
                if !bequeaths {
                    service = service.tcp_nodelay(true);
                }
                service
                    .on_connect_ext(
                        move |stream: &actix_tls::accept::rustls_0_23::TlsStream<_>, extensions| {
                            if !bequeaths {
                                limit_unsent(stream);
                            }
                            extensions.insert(Secure);
                        },
                    )
                    .upgrade(upgrade)
                    .finish(closing_unread(map_config(factory(), move |_| config.clone())))
                    .rustls_0_23((*rustls).clone())
            })
        }
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// Lets the kernel cut off a connection whose client has not taken what was sent for 30 seconds (`TCP_USER_TIMEOUT`). For an
/// `on_connect` of one's own; without effect on anything but Linux, and on connections that are not TCP.
pub fn limit_unsent(connection: &dyn Any) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    #[cfg(feature = "tls")]
    let stream = stream.or_else(|| {
        type Tls = actix_tls::accept::rustls_0_23::TlsStream<actix_web::rt::net::TcpStream>;
        connection.downcast_ref::<Tls>().map(|stream| stream.get_ref().0)
    });
    #[cfg(target_os = "linux")]
    if let Some(stream) = stream
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT))
    {
        tracing::debug!(%error, "TCP_USER_TIMEOUT cannot be set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, USER_TIMEOUT);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn accepted_connections_have_the_options_of_their_listener() {
        let server = Server::new(()).bind("127.0.0.1:0").expect("a free port");
        let listener = &server.listeners[0].listener;
        listener.set_nonblocking(false).expect("it can wait");
        let _client = TcpStream::connect(server.addresses()[0]).expect("it listens");
        let (accepted, _) = listener.accept().expect("the client is there");
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().expect("it can be asked"));
        assert_eq!(accepted.tcp_user_timeout().expect("it can be asked"), Some(USER_TIMEOUT));
    }
}

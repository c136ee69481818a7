//! Servers in process: an `App` on the native or the embedded transport, with one or several workers.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::Server;
use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How websockets are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By the server helper.
    Native,
    /// By `actix_web::HttpServer`.
    Embedded,
}

/// One column of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) transport: Transport,
    pub(crate) workers: usize,
    /// Every request of a session goes to another node than its own.
    pub(crate) relayed: bool,
}

/// A byte stream to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub(crate) type Io = Box<dyn Stream>;

/// Where a server is.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) socket: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// The node that gets the requests of sessions, if it is another one.
    pub(crate) edge: Option<SocketAddr>,
}

impl Address {
    /// A new connection, for a request that begins with `bytes`.
    pub(crate) async fn dial(&self, bytes: &[u8]) -> Io {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let has_sid = line.windows(5).any(|part| part == b"&sid=" || part == b"?sid=");
        let socket = self.edge.filter(|_| has_sid).unwrap_or(self.socket);
        let stream = TcpStream::connect(socket).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        match &self.tls {
            None => Box::new(stream),
            Some(config) => Box::new(super::tls::client(config.clone(), stream).await),
        }
    }
}

type Hook = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// What is not the same for all servers.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) tls: Option<rustls::ServerConfig>,
    /// Run by [`TestServer::stop`] before HTTP stops.
    pub(crate) before_stop: Option<Hook>,
}

/// A running server. Stops when dropped.
pub(crate) struct TestServer {
    pub(crate) address: Address,
    stop: Option<oneshot::Sender<bool>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl TestServer {
    /// Serves an `App` configured by `configure`. Its answers say in `x-thread` which thread made them.
    pub(crate) fn start<F>(variant: Variant, options: Options, configure: F) -> Self
    where
        F: Fn(&mut web::ServiceConfig) + Clone + Send + Sync + 'static,
    {
        let (address, addresses) = std::sync::mpsc::channel();
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let is_tls = options.tls.is_some();
        std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let factory = move || {
                    App::new()
                        .wrap_fn(|request, service| {
                            let is_refused = request.path() == "/refused";
                            let response = service.call(request);
                            async move {
                                if is_refused {
                                    return Err(actix_web::error::ErrorForbidden("by a middleware"));
                                }
                                let mut response = response.await?;
                                let thread = format!("{:?}", std::thread::current().id());
                                response.headers_mut().insert(
                                    HeaderName::from_static("x-thread"),
                                    HeaderValue::from_str(&thread).expect("a plain id"),
                                );
                                Ok(response)
                            }
                        })
                        .configure(configure.clone())
                };
                match variant.transport {
                    Transport::Native => {
                        let server = Server::new(factory)
                            .workers(variant.workers)
                            .shutdown_timeout(Duration::from_secs(1))
                            .disable_signals();
                        let server = match options.tls {
                            None => server.bind("127.0.0.1:0"),
                            Some(tls) => server.bind_rustls("127.0.0.1:0", tls),
                        };
                        let server = server.expect("bind");
                        let _ = address.send(server.addresses()[0]);
                        let stop = async move {
                            if stopping.await == Ok(true)
                                && let Some(hook) = options.before_stop
                            {
                                hook().await;
                            }
                        };
                        server.run_until(stop).await.expect("serve");
                    }
                    Transport::Embedded => {
                        assert!(options.tls.is_none(), "TLS is tested on the server helper");
                        let closing = move || factory().wrap(from_fn(actix_socketio::close_unread));
                        let server = HttpServer::new(closing)
                            .workers(variant.workers)
                            .h1_allow_half_closed(false)
                            .keep_alive(Duration::from_secs(75))
                            .shutdown_timeout(1)
                            .disable_signals()
                            .bind("127.0.0.1:0")
                            .expect("bind");
                        let _ = address.send(server.addrs()[0]);
                        let server = server.run();
                        let handle = server.handle();
                        let stop = async move {
                            let is_graceful = stopping.await == Ok(true);
                            if is_graceful && let Some(hook) = options.before_stop {
                                hook().await;
                            }
                            handle.stop(is_graceful).await;
                        };
                        let (served, ()) = futures_util::future::join(server, stop).await;
                        served.expect("serve");
                    }
                }
                let _ = ended.send(());
            });
        });
        let socket = addresses.recv().expect("the server binds");
        let tls = is_tls.then(super::tls::client_config);
        Self { address: Address { socket, tls, edge: None }, stop: Some(stop), stopped: Some(stopped) }
    }

    /// Stops gracefully: the hook first, then HTTP.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(true);
        }
        if let Some(stopped) = self.stopped.take() {
            super::within("the server stops", stopped).await.expect("the server ends in order");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(false);
        }
    }
}

//! What an application's own `HttpServer` needs to carry the embedded transport well.

use std::fmt;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::HttpServer;
use actix_web::dev::AppConfig;

use crate::server::SocketIo;
use crate::service::limit_unsent;

/// Idle HTTP connections stay open so long: polling clients post at ping cadence.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const MAX_CONNECTIONS: usize = 100_000;
const BACKLOG: u32 = 4096;

/// Prepares an `HttpServer` for sessions: aborted polls are noticed, frames leave at once, idle connections live as long as
/// polling needs them, a client that stopped reading is cut off by the kernel after 30 s, and SIGINT and
/// SIGTERM close the sessions before the server stops.
///
/// Call it before `bind`. It sets `keep_alive`, `tcp_nodelay`, `h1_allow_half_closed`, `backlog`, `max_connections`,
/// `on_connect` and `shutdown_signal`; what you set afterwards wins. An `on_connect` of your own should call
/// [`limit_unsent`], and a `shutdown_signal` of your own should await [`SocketIo::close`].
///
/// ```no_run
/// use actix_socketio::{SocketIo, embed};
/// use actix_web::{App, HttpServer};
///
/// #[actix_web::main]
/// async fn main() -> std::io::Result<()> {
///     let io = SocketIo::new();
///     let mounted = io.clone();
///     let server = HttpServer::new(move || App::new().configure(|config| mounted.configure(config)));
///     embed(server, &io).bind("127.0.0.1:3000")?.run().await
/// }
/// ```
pub fn embed<F, I, S, B>(server: HttpServer<F, I, S, B>, io: &SocketIo) -> HttpServer<F, I, S, B>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let io = io.clone();
    server
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .backlog(BACKLOG)
        .max_connections(MAX_CONNECTIONS)
        .on_connect(|connection, _| limit_unsent(connection))
        .shutdown_signal(async move {
            crate::service::stopped_by_signal().await;
            io.close().await;
        })
}

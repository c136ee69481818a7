//! The internal listener: an HTTP API that drives the cluster, for backends and operators.
//!
//! On an address of its own, loopback unless keys are configured. What it can do is what the public handle can do; its messages have the
//! fields and limits of those over NATS (PROTOCOL.md). Every error is a problem as RFC 9457 describes them.

mod batch;
mod body;
mod emit;
mod health;
mod keys;
mod list;
mod manage;
mod metrics;
mod openapi;
mod options;
mod presence;
mod problem;
mod revoke;
mod state;
mod target;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_socketio::{SocketIo, close_unread};
use actix_web::dev::{Handler, ServerHandle};
use actix_web::{App, FromRequest, HttpServer, Resource, Responder, middleware, web};

use self::keys::KeyError;
pub(in crate::node) use self::options::ApiOptions;
use self::problem::Problem;
use self::state::ApiState;
pub(in crate::node) use self::state::Known;
use super::admin::Files;
use super::reload::Reload;
use super::telemetry::{Telemetry, traced};

/// Why the internal listener is not there.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum ApiError {
    #[error("api: {0}")]
    Key(#[from] KeyError),
    #[error("the HTTP API cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
}

/// The internal listener while it serves.
pub(in crate::node) struct Api {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Api {
    /// Serves from now on, if the options name a port.
    pub(in crate::node) fn start(
        io: &SocketIo,
        known: Known,
        options: &ApiOptions,
        reload: &Reload,
        admin: Option<&Files>,
        telemetry: &Telemetry,
    ) -> Result<Option<Self>, ApiError> {
        let Some(address) = options.address() else { return Ok(None) };
        let max_connections = options.max_connections;
        let state = web::Data::new(ApiState::new(io.clone(), known, options.clone(), reload)?);
        let telemetry = web::Data::new(telemetry.clone());
        let admin = admin.cloned();
        let server = HttpServer::new(move || {
            let pages = |config: &mut web::ServiceConfig| {
                if let Some(files) = &admin {
                    files.configure(config);
                }
            };
            App::new()
                .app_data(state.clone())
                .app_data(telemetry.clone())
                .wrap(middleware::from_fn(problem::every_error))
                .wrap(middleware::from_fn(traced))
                .wrap(middleware::from_fn(close_unread))
                .configure(routes)
                .configure(pages)
                .default_service(web::to(not_found))
        });
        // What it does is done by the nodes' own threads; it only asks.
        let server = server
            .workers(1)
            .max_connections(max_connections)
            .shutdown_timeout(1)
            .client_request_timeout(Duration::from_secs(5))
            .disable_signals()
            .bind(address)
            .map_err(|source| ApiError::Listen { address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(Some(Self { address, handle }))
    }

    /// Where it listens.
    pub(in crate::node) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    pub(in crate::node) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(post("/api/v1/emit", emit::emit))
        .service(post("/api/v1/emit-with-ack", emit::emit_with_ack))
        .service(post("/api/v1/batch", batch::batch))
        .service(post("/api/v1/join", manage::join))
        .service(post("/api/v1/leave", manage::leave))
        .service(post("/api/v1/disconnect", manage::disconnect))
        .service(post("/api/v1/close-room", manage::close_room))
        .service(post("/api/v1/revoke", revoke::revoke))
        .service(post("/api/v1/drain", health::drain))
        .service(get("/healthz", health::healthz))
        .service(get("/readyz", health::readyz))
        .service(get("/metrics", metrics::metrics))
        .service(get("/api/v1/rooms", list::rooms))
        .service(get("/api/v1/sockets", list::sockets))
        .service(get("/api/v1/presence", presence::presence))
        .service(get("/api/v1/nodes", list::nodes))
        .service(get("/api/v1/openapi.json", openapi::openapi));
}

fn get<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { Err::<(), _>(Problem::method_not_allowed("GET")) };
    web::resource(path).route(web::get().to(handler)).default_service(web::to(other))
}

fn post<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { Err::<(), _>(Problem::method_not_allowed("POST")) };
    web::resource(path).route(web::post().to(handler)).default_service(web::to(other))
}

async fn not_found() -> Result<(), Problem> {
    Err(Problem::new(actix_web::http::StatusCode::NOT_FOUND, "there is nothing at this path"))
}

//! A node: what it is made of, from its configuration until it is told to stop.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::cluster::NatsBus;
use actix_socketio::cluster::bus::Bus;
use actix_socketio::cluster::nats::ConnectError;
use actix_socketio::error::NamespaceError;
use actix_socketio::{SocketIo, SocketIoBuilder, WorkerOptions};
use actix_web::App;

use super::admin::{self, AdminError};
use super::api::{Api, ApiError, Known};
use super::auth::{Auth, AuthError};
use super::config::{Config, Loaded, SecretError};
use super::demo::{self, Demo};
use super::drain::Stop;
use super::limits::Limits;
use super::metrics::Metrics;
use super::namespaces::{self, Gate};
use super::nats::NODE_INBOX;
use super::origin::Pages;
use super::permissions::{LivePermissions, PatternError};
use super::reload::Reload;
use super::systemd::{self, State};
use super::telemetry::{Telemetry, TelemetryError};
use super::tls::{Tls, TlsError};
use super::webhooks::Webhooks;
use super::{process, signals};

/// Where the browser client is looked for when nobody says: an application's npm install, or that of the tests.
const CLIENT_FOLDERS: [&str; 2] =
    ["node_modules/socket.io-client", "tests/clients/js/node_modules/socket.io-client"];
/// A stopping node closes its sessions first; HTTP connections that are merely kept open are not worth waiting for.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a stopping node waits for its webhooks, and for its collector.
const LAST_DEADLINE: Duration = Duration::from_secs(5);
/// The part of that which is the collector's, if there is one.
const TELEMETRY_DEADLINE: Duration = Duration::from_secs(1);
/// A node in which nothing but this is configured has the demo.
const DEMO_SECTIONS: [&str; 9] =
    ["server", "tls", "nats", "cluster", "workers", "drain", "api", "telemetry", "log"];

/// Why a node ends before it is told to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error("cannot listen on {address}: {source}{}", hint(.source))]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the socket that the node was given cannot be used: {0}")]
    Inherited(io::Error),
    #[error("server.client_dir: {} has no socket.io.min.js, nor has its folder dist", .0.display())]
    ClientFolder(PathBuf),
    #[error(transparent)]
    Config(#[from] actix_socketio::config::ConfigError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("permissions: {0}")]
    Permissions(#[from] PatternError),
    #[error("namespaces: {0}")]
    Namespaces(#[from] NamespaceError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (is another node running? --port chooses another port, 0 any free one)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    }
}

/// Each client takes one, and so does whoever asks how the node is.
const FEW_FILES: u64 = 4096;

/// Serves until it is told to stop. `listener`: a socket that is open already, instead of the configured address.
pub(super) async fn serve(
    Loaded { config, sources }: Loaded,
    listener: Option<TcpListener>,
    reload: &Reload,
) -> Result<ExitCode, ServeError> {
    match process::raise_open_files() {
        Some(limit) if limit < FEW_FILES => {
            tracing::warn!(
                limit,
                "so few files may be open that as many clients keep everybody else away (ulimit -n, LimitNOFILE)"
            );
        }
        _ => {}
    }
    let stop = Stop::new();
    let hang_up = signals::listen(&stop)?;
    let address = match &listener {
        Some(listener) => listener.local_addr().map_err(ServeError::Inherited)?,
        None => SocketAddr::new(config.server.host, config.server.port),
    };
    let client_folder = client_folder(config.server.client_dir.clone())?;
    let is_local = address.ip().is_loopback();
    let has_demo = config.server.demo.unwrap_or(is_local && sources.is_bare(&DEMO_SECTIONS));
    let tls = Tls::start(&config.tls, reload)?;
    let demo = has_demo.then(|| Demo::new(client_folder.is_some(), is_local));

    let mut builder =
        Pages::new(&config.cors, is_local, reload).builder(&config.cors).adjust(|protocol, engine| {
            config.protocol.apply(protocol);
            config.engine.apply(engine);
            engine.cookie = config.cookie.to_library();
        });
    if let Some(folder) = &client_folder {
        builder = builder.client_files(folder);
    }
    let is_clustered = config.nats.is_given();
    let mut bus = None;
    if is_clustered {
        (builder, bus) = join_cluster(builder, &config).await?;
    }
    // Its admins have passwords.
    let admin_namespace = config.admin.namespace();
    let auth = Auth::new(&config.auth, bus.as_ref(), admin_namespace).await?;
    if let Some(auth) = &auth {
        builder = builder.every_namespace(|every| auth.register(every));
    }
    let telemetry = Telemetry::start(&config.telemetry, &config.cluster.name())?;
    builder = telemetry.register(builder);
    let limits = Limits::new(&config.limits, reload);
    builder = limits.register(builder);
    let gate: Arc<dyn Gate> = Arc::new(LivePermissions::new(&config.permissions, reload)?);
    let guard = namespaces::guard(gate.clone(), auth.clone(), admin_namespace);
    builder = builder.every_namespace(|every| every.guard(guard));
    let io = builder.try_build()?;
    if let Some(auth) = &auth {
        auth.start(&io, reload);
    }
    if let Some(demo) = &demo {
        io.of("/").on("echo", demo::echo);
        demo.register(&io);
    }
    for event in &config.workers.events {
        let options = WorkerOptions::default().timeout(config.workers.timeout.into());
        io.of(&event.namespace).hand_to_workers(&event.event, options);
    }

    let admin_files = admin::start(&io, &config.admin, reload)?;
    let webhooks = Webhooks::start(&io, &config.webhooks, &telemetry, reload)?;
    let presences = namespaces::declare(&io, &config, &gate, &webhooks)?;

    // Before the port is open: whoever is let in finds everybody.
    if is_clustered {
        tokio::select! {
            () = stop.said() => {}
            is_ready = io.cluster_ready(config.cluster.start_timeout.into()) => if !is_ready {
                tracing::warn!("NATS is not there: this node is alone until it is");
            }
        }
    }
    if let Some(auth) = &auth {
        auth.catch_up(&io).await;
    }

    let mounted = io.clone();
    let pages = demo.clone();
    let public_files = admin_files.clone().filter(|files| files.is_public());
    let server = io
        .server(move || {
            App::new().configure(|config| mounted.configure(config)).configure(|config| {
                if let Some(pages) = &pages {
                    pages.configure(config);
                }
                if let Some(files) = &public_files {
                    files.configure(config);
                }
            })
        })
        .keep_alive(config.server.keep_alive.into())
        .shutdown_timeout(SHUTDOWN_TIMEOUT);
    let server = match (listener, &tls) {
        (None, None) => server.bind(address),
        (None, Some(tls)) => server.bind_rustls(address, tls.server_config()?),
        (Some(listener), None) => server.listen(listener),
        (Some(listener), Some(tls)) => server.listen_rustls(listener, tls.server_config()?),
    };
    let mut server = server.map_err(|source| ServeError::Listen { address, source })?;
    if let Some(workers) = config.server.workers {
        server = server.workers(workers.get());
    }
    let address = server.addresses().first().copied().unwrap_or(address);
    hang_up.reload(&stop, reload);
    let mut metrics = Metrics::of(&io, config.namespaces.keys());
    metrics.add(webhooks.clone());
    metrics.add(telemetry.clone());
    metrics.add(auth.clone());
    metrics.add(limits);
    let known = Known { stop: stop.clone(), metrics, auth, presences };
    let api = Api::start(&io, known, &config.api, reload, admin_files.as_ref(), &telemetry)?;
    let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
    // Whoever started it may have closed its end: that is no reason to fail.
    let _ = introduce(&io, &url, demo.is_some(), is_clustered, client_folder.as_deref(), api.as_ref());
    systemd::keep_alive();
    systemd::tell(State::Ready);
    server.run_until(stop.drained(&io, &config.drain, is_clustered)).await?;
    if let Some(api) = api {
        api.stop().await;
    }
    let for_telemetry = if telemetry.is_on() { TELEMETRY_DEADLINE } else { Duration::ZERO };
    webhooks.finish(LAST_DEADLINE - for_telemetry).await;
    telemetry.finish(for_telemetry).await;
    let _ = writeln!(io::stdout(), "stopped");
    Ok(ExitCode::SUCCESS)
}

/// Makes the node one of a cluster.
async fn join_cluster(
    builder: SocketIoBuilder,
    config: &Config,
) -> Result<(SocketIoBuilder, Option<Arc<dyn Bus>>), ServeError> {
    let connection = config.nats.options(format!("actix-socketio {}", config.cluster.name()))?;
    let connection = connection.wait_for_server(true).inbox_prefix(NODE_INBOX);
    let (bus, events) = NatsBus::connect(connection).await?;
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let builder = builder.bus((bus.clone(), events)).cluster(|cluster| config.cluster.apply(cluster));
    Ok((builder, Some(bus)))
}

/// Says what is served where.
fn introduce(
    io: &SocketIo,
    url: &str,
    has_demo: bool,
    is_clustered: bool,
    client_folder: Option<&Path>,
    api: Option<&Api>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let path = &io.engine().config().path;
    writeln!(out, "actix-socketio {}\n", env!("CARGO_PKG_VERSION"))?;
    if has_demo {
        writeln!(out, "  demo page   {url}/")?;
    } else {
        writeln!(out, "  demo page   off: configured, or not on loopback (--demo serves it all the same)")?;
    }
    writeln!(out, "  clients     {url}   (path {path})")?;
    if is_clustered {
        let nodes = io.nodes();
        writeln!(
            out,
            "  cluster     {} nodes, this one is {} ({})",
            nodes.len(),
            nodes[0].name,
            nodes[0].id
        )?;
    }
    if let Some(api) = api {
        writeln!(out, "  HTTP API    http://{}/api/v1/openapi.json", api.address())?;
    }
    match client_folder {
        Some(folder) => {
            writeln!(out, "  bundles     {url}{path}socket.io.min.js   (from {})", folder.display())?;
        }
        None => {
            let hint = "no npm package socket.io-client here (--client-dir names its folder)";
            writeln!(out, "  bundles     none: {hint}")?;
        }
    }
    writeln!(out)?;
    writeln!(out, "  import {{ io }} from \"socket.io-client\";   // npm install socket.io-client")?;
    writeln!(out, "  const socket = io(\"{url}\");")?;
    if has_demo {
        writeln!(out, "  socket.emit(\"echo\", \"hello\", (answer) => console.log(answer));")?;
    }
    writeln!(out)?;
    writeln!(out, "listening on {url}, Ctrl-C stops")
}

/// The folder of the npm package whose bundles are served: the one that was asked for, or one that is there.
fn client_folder(asked: Option<PathBuf>) -> Result<Option<PathBuf>, ServeError> {
    let has_client =
        |folder: &Path| ["", "dist"].iter().any(|sub| folder.join(sub).join("socket.io.min.js").is_file());
    match asked {
        Some(folder) if has_client(&folder) => Ok(Some(folder)),
        Some(folder) => Err(ServeError::ClientFolder(folder)),
        None => Ok(CLIENT_FOLDERS.iter().map(PathBuf::from).find(|folder| has_client(folder))),
    }
}

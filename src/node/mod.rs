//! The service behind the binary: command line, logs, and what a node serves.
//!
//! Everything here is an application of the library: it must never use anything that is not public.

mod ask;
mod command_line;
mod demo;
mod nats;
mod origin;
// Asked by what lets clients act by themselves.
#[allow(dead_code)]
mod permissions;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use actix_socketio::cluster::NatsBus;
use actix_socketio::cluster::nats::ConnectError;
use actix_socketio::config::ClusterConfig;
use actix_socketio::{SocketIo, SocketIoBuilder, WorkerOptions};
use actix_web::App;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use self::ask::AskError;
use self::command_line::{Command, CommandLine, Serve};
use self::demo::Demo;
use self::nats::{NODE_INBOX, NatsArgsError};

/// Where the browser client is looked for when nobody says: an application's npm install, or that of the tests.
const CLIENT_FOLDERS: [&str; 2] =
    ["node_modules/socket.io-client", "tests/clients/js/node_modules/socket.io-client"];
/// A stopping node closes its sessions first; HTTP connections that are merely kept open are not worth waiting for.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a node waits for NATS and for the other nodes before it lets clients in all the same.
const CLUSTER_WAIT: Duration = Duration::from_secs(10);
const DEFAULT_LOG: &str = "info,actix_server=warn";
/// Of a command that only asks: what it has to say is its output.
const DEFAULT_ASK_LOG: &str = "error";

/// Why a node ends before it is told to.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error("cannot listen on {address}: {source}{}", hint(.source))]
    Listen { address: SocketAddr, source: io::Error },
    #[error("--client-dir: {} has no socket.io.min.js, nor has its folder dist", .0.display())]
    ClientFolder(PathBuf),
    #[error("--worker-event: the namespace {0:?} does not begin with a slash")]
    WorkerNamespace(String),
    #[error(transparent)]
    Config(#[from] actix_socketio::config::ConfigError),
    #[error(transparent)]
    Nats(#[from] NatsArgsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Ask(#[from] AskError),
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

/// Runs the node until it is told to stop, or whatever else the command line says.
pub(crate) fn main() -> ExitCode {
    let CommandLine { command, serve: node } = CommandLine::parse();
    let command = command.unwrap_or_else(|| Command::Serve(Box::new(node)));
    let default_log = if matches!(command, Command::Serve(_)) { DEFAULT_LOG } else { DEFAULT_ASK_LOG };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_log));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let done: Result<ExitCode, NodeError> = actix_web::rt::System::new().block_on(async {
        match command {
            Command::Serve(options) => serve(*options).await,
            Command::Ask(question) => Ok(ask::ask(*question).await?),
        }
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(command_line: Serve) -> Result<ExitCode, NodeError> {
    let address = SocketAddr::new(command_line.host, command_line.port);
    let client_folder = client_folder(command_line.client_dir.clone())?;
    let is_local = address.ip().is_loopback();
    let demo = (is_local || command_line.demo).then(|| Demo::new(client_folder.is_some(), is_local));

    let mut builder = if is_local { origin::only_this_machine() } else { origin::only_own_pages() };
    if let Some(folder) = &client_folder {
        builder = builder.client_files(folder);
    }
    let is_clustered = command_line.nats.is_given();
    if is_clustered {
        builder = join_cluster(builder, &command_line).await?;
    }
    let io = builder.try_build()?;
    io.of("/").on("echo", demo::echo);
    if let Some(demo) = &demo {
        demo.register(&io);
    }

    for (namespace, event) in command_line.worker_events() {
        if !namespace.starts_with('/') {
            return Err(NodeError::WorkerNamespace(namespace.to_owned()));
        }
        let timeout = Duration::from_secs(command_line.worker_timeout);
        io.of(namespace).hand_to_workers(event, WorkerOptions::default().timeout(timeout));
    }

    // Before the port is open: whoever is let in finds everybody.
    if is_clustered && !io.cluster_ready(CLUSTER_WAIT).await {
        tracing::warn!("NATS is not there: this node is alone until it is");
    }

    let mounted = io.clone();
    let pages = demo.clone();
    let mut server = io
        .server(move || {
            App::new().configure(|config| mounted.configure(config)).configure(|config| {
                if let Some(pages) = &pages {
                    pages.configure(config);
                }
            })
        })
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .bind(address)
        .map_err(|source| NodeError::Listen { address, source })?;
    if let Some(workers) = command_line.workers {
        server = server.workers(workers.get());
    }
    let address = server.addresses().first().copied().unwrap_or(address);
    actix_web::rt::spawn(end_at_second_signal());
    introduce(&io, address, demo.is_some(), is_clustered, client_folder.as_deref());
    server.run().await?;
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Makes the node one of a cluster.
async fn join_cluster(builder: SocketIoBuilder, options: &Serve) -> Result<SocketIoBuilder, NodeError> {
    let nats = &options.nats;
    // Before anything is connected.
    nats.subjects()?;
    let name = options.name.clone().unwrap_or_else(|| ClusterConfig::default().name);
    let connection = nats.options(format!("actix-socketio {name}"))?;
    let bus = NatsBus::connect(connection.wait_for_server(true).inbox_prefix(NODE_INBOX)).await?;
    Ok(builder.bus(bus).cluster(|cluster| {
        cluster.prefix.clone_from(&nats.prefix);
        cluster.name = name;
    }))
}

/// The first Ctrl-C closes the sessions; whoever presses it again does not want to wait for that.
async fn end_at_second_signal() {
    for _ in 0..2 {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
    }
    eprintln!("error: interrupted before all sessions were closed");
    std::process::exit(130);
}

/// Says what is served where.
fn introduce(
    io: &SocketIo,
    address: SocketAddr,
    has_demo: bool,
    is_clustered: bool,
    client_folder: Option<&Path>,
) {
    let url = format!("http://{address}");
    println!("actix-socketio {}\n", env!("CARGO_PKG_VERSION"));
    if has_demo {
        println!("  demo page   {url}/");
    } else {
        println!("  demo page   off: not on loopback (--demo serves it all the same)");
    }
    println!("  clients     {url}   (path {})", io.engine().config().path);
    if is_clustered {
        let nodes = io.nodes();
        println!("  cluster     {} nodes, this one is {} ({})", nodes.len(), nodes[0].name, nodes[0].id);
    }
    match client_folder {
        Some(folder) => {
            println!("  bundles     {url}/socket.io/socket.io.min.js   (from {})", folder.display())
        }
        None => println!(
            "  bundles     none: no npm package socket.io-client here (--client-dir names its folder)"
        ),
    }
    println!();
    println!("  import {{ io }} from \"socket.io-client\";   // npm install socket.io-client");
    println!("  const socket = io(\"{url}\");");
    println!("  socket.emit(\"echo\", \"hello\", (answer) => console.log(answer));\n");
    println!("listening on {url}, Ctrl-C stops");
}

/// The folder of the npm package whose bundles are served: the one that was asked for, or one that is there.
fn client_folder(asked: Option<PathBuf>) -> Result<Option<PathBuf>, NodeError> {
    let has_client =
        |folder: &Path| ["", "dist"].iter().any(|sub| folder.join(sub).join("socket.io.min.js").is_file());
    match asked {
        Some(folder) if has_client(&folder) => Ok(Some(folder)),
        Some(folder) => Err(NodeError::ClientFolder(folder)),
        None => Ok(CLIENT_FOLDERS.iter().map(PathBuf::from).find(|folder| has_client(folder))),
    }
}

//! The server that outside clients, suites and load generators are pointed at. Its behaviour is fixed: see the
//! table in `tests/README.md`. Configured by environment only.

mod meter;

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_socketio::cluster::{NatsBus, NatsOptions};
use actix_socketio::config::{Config, CorsConfig, EngineConfig, Origins};
use actix_socketio::engine::{ConnectionHandle, ConnectionHandler, Engine, Incoming};
use actix_socketio::protocol::Parser;
use actix_socketio::{
    Args, Data, DisconnectReason, Namespace, Refusal, Reply, ServerSideEvent, Socket, SocketIo, State,
    WorkerOptions, concurrent, embed,
};
use actix_web::{App, HttpServer};
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Why sockets that are gone went: the last ones.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<LastReasons>>);

#[derive(Default)]
struct LastReasons {
    of: HashMap<String, DisconnectReason>,
    order: VecDeque<String>,
}

const MAX_REASONS: usize = 10_000;

/// An argument that must be there.
fn argument(args: &Args, index: usize) -> Outcome<Args> {
    Ok(args.get(index).ok_or_else(|| format!("argument {index} is missing"))?)
}

/// The arguments as one list: what an acknowledgement with a list of answers is made of.
fn as_list(args: &Args) -> Outcome<Args> {
    let (text, attachments) = args.to_json()?;
    Ok(Args::from_json(format!("[{text}]"), attachments.to_vec())?)
}

async fn connected(socket: Socket, Data(auth): Data<Args>) -> Outcome<()> {
    Ok(socket.emit("auth", &auth).await?)
}

async fn message(socket: Socket, args: Args) -> Outcome<()> {
    Ok(socket.emit("message-back", &args).await?)
}

async fn echo(args: Args) -> Args {
    args
}

async fn emit_with_ack(socket: Socket, args: Args) -> Outcome<()> {
    let answer: Args = socket.emit_with_ack("emit-with-ack", &args).await?;
    Ok(socket.emit("emit-with-ack", &answer).await?)
}

async fn join(socket: Socket, Data(room): Data<String>) -> Outcome<&'static str> {
    socket.join(room).await?;
    Ok("ok")
}

async fn leave(socket: Socket, Data(room): Data<String>) -> &'static str {
    socket.leave(&room).await;
    "ok"
}

async fn rooms(socket: Socket) -> Vec<String> {
    socket.rooms()
}

async fn bcast(namespace: Namespace, Data(room): Data<String>, args: Args) -> Outcome<()> {
    Ok(namespace.to(room).emit("msg", &argument(&args, 1)?).await?)
}

async fn bcast_except(socket: Socket, Data(room): Data<String>, args: Args) -> Outcome<()> {
    Ok(socket.to(room).emit("msg", &argument(&args, 1)?).await?)
}

async fn bcast_many(namespace: Namespace, args: Args) -> Outcome<()> {
    let rooms: Vec<String> = argument(&args, 0)?.deserialize()?;
    let except: Vec<String> = argument(&args, 1)?.deserialize()?;
    Ok(namespace.to(rooms).except(except).emit("msg", &argument(&args, 2)?).await?)
}

async fn bcast_ack(namespace: Namespace, Data(room): Data<String>, args: Args) -> Outcome<Args> {
    let operator = namespace.to(room).timeout(Duration::from_secs(1));
    let acks = operator.emit_with_ack::<Args, _>("msg-ack", &argument(&args, 1)?).await?;
    let mut answers = Args::default();
    for answer in acks.answers {
        answers = answers.concat(&answer.data.get(0).unwrap_or(Args::from_json("[null]", vec![])?))?;
    }
    as_list(&answers)
}

async fn bcast_volatile(namespace: Namespace, Data(room): Data<String>, args: Args) -> Outcome<()> {
    Ok(namespace.to(room).volatile().emit("msg", &argument(&args, 1)?).await?)
}

async fn fetch(namespace: Namespace, Data(room): Data<String>) -> Vec<String> {
    let sockets = namespace.to(room).fetch_sockets().await;
    sockets.into_iter().map(|socket| socket.id().to_owned()).collect()
}

async fn kick(namespace: Namespace, Data(whom): Data<String>) {
    namespace.to(whom).disconnect_sockets(false).await;
}

async fn kick_close(namespace: Namespace, Data(whom): Data<String>) {
    namespace.to(whom).disconnect_sockets(true).await;
}

async fn remote_join(namespace: Namespace, Data((whom, room)): Data<(String, String)>) -> &'static str {
    namespace.to(whom).sockets_join(room).await;
    "ok"
}

async fn remote_leave(namespace: Namespace, Data((whom, room)): Data<(String, String)>) -> &'static str {
    namespace.to(whom).sockets_leave(room).await;
    "ok"
}

async fn disconnect_me(socket: Socket, Data(close): Data<Option<bool>>) {
    socket.disconnect(close.unwrap_or(false)).await;
}

impl Reasons {
    fn of(&self, id: &str) -> Option<String> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.of.get(id).map(ToString::to_string)
    }

    fn note(&self, id: &str, reason: DisconnectReason) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.order.len() == MAX_REASONS
            && let Some(oldest) = reasons.order.pop_front()
        {
            reasons.of.remove(&oldest);
        }
        reasons.of.insert(id.to_owned(), reason);
        reasons.order.push_back(id.to_owned());
    }
}

/// The socket may have been another node's.
async fn reason(
    namespace: Namespace,
    reasons: State<Reasons>,
    Data(id): Data<String>,
) -> Outcome<Reply<Option<String>>> {
    if let Some(reason) = reasons.of(&id) {
        return Ok(Reply(Some(reason)));
    }
    let asked = namespace.server_side_emit_with_ack::<Option<String>, _>("reason", &id).await?;
    Ok(Reply(asked.answers.into_iter().find_map(|(_, reason)| reason)))
}

async fn set_data(socket: Socket, args: Args) -> Outcome<&'static str> {
    socket.data().set(argument(&args, 0)?);
    Ok("ok")
}

/// What workers get as the claims.
async fn share(socket: Socket, Data(value): Data<serde_json::Value>) -> Outcome<&'static str> {
    socket.data().share(&value)?;
    Ok("ok")
}

async fn get_data(socket: Socket) -> Outcome<Args> {
    match socket.data().get::<Args>() {
        Some(value) => Ok(value),
        None => Ok(Args::from_json("[null]", vec![])?),
    }
}

async fn was_recovered(socket: Socket) -> bool {
    socket.was_recovered()
}

async fn server_side(namespace: Namespace, args: Args) -> Outcome<Args> {
    let acks = namespace.server_side_emit_with_ack::<Args, _>("ping", &argument(&args, 0)?).await?;
    let mut answers = Args::default();
    for (_, answer) in acks.answers {
        answers = answers.concat(&answer)?;
    }
    as_list(&answers)
}

/// What this node answers to a server-side `ping`.
fn pong(node: &str, event: &ServerSideEvent) -> Args {
    let node = Args::from_json(format!("[\"{node}\"]"), vec![]);
    let answer = node.map_err(|error| error.to_string()).and_then(|node| {
        let pair = node.concat(event.args()).map_err(|error| error.to_string())?;
        as_list(&pair).map_err(|error| error.to_string())
    });
    answer.unwrap_or_default()
}

async fn slow(Data(millis): Data<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    "ok"
}

async fn panics() {
    panic!("as the client wished");
}

async fn disconnected(socket: Socket, reason: DisconnectReason, reasons: State<Reasons>) {
    reasons.note(socket.id(), reason);
}

/// The handlers that all namespaces have, static and dynamic ones alike.
macro_rules! with_handlers {
    ($namespace:expr, $node:expr, $reasons:expr) => {
        $namespace
            .on_connect(connected)
            .on("message", message)
            .on("message-with-ack", echo)
            .on("emit-with-ack", concurrent(emit_with_ack))
            .on("echo", echo)
            .on("join", join)
            .on("leave", leave)
            .on("rooms", rooms)
            .on("bcast", bcast)
            .on("bcast-except", bcast_except)
            .on("bcast-many", bcast_many)
            .on("bcast-ack", concurrent(bcast_ack))
            .on("bcast-volatile", bcast_volatile)
            .on("fetch", fetch)
            .on("kick", kick)
            .on("kick-close", kick_close)
            .on("remote-join", remote_join)
            .on("remote-leave", remote_leave)
            .on("disconnect-me", disconnect_me)
            .on("reason", reason)
            .on("set-data", set_data)
            .on("get-data", get_data)
            .on("was-recovered", was_recovered)
            .on("server-side", server_side)
            .on_server_side_emit("ping", {
                let node = $node.to_owned();
                move |event: ServerSideEvent| std::future::ready(pong(&node, &event))
            })
            .hand_to_workers("work", worker_options())
            .hand_to_workers("work-in-order", worker_options().in_order(true).with_rooms(true))
            .on("share", share)
            .on_server_side_emit("reason", {
                let reasons = $reasons.clone();
                move |event: ServerSideEvent| {
                    let id: String = event.data().unwrap_or_default();
                    std::future::ready(reasons.of(&id))
                }
            })
            .on("slow", slow)
            .on("panic", panics)
            .on_disconnect(disconnected)
    };
}

#[derive(Deserialize)]
struct Auth {
    token: Option<String>,
}

async fn authorize(Data(auth): Data<Auth>) -> Result<(), Refusal> {
    match auth.token.as_deref() {
        Some("secret") => Ok(()),
        _ => Err(Refusal::new("not authorized").data(&serde_json::json!({ "code": "E_AUTH" }))),
    }
}

/// The engine by itself: echoes every message.
struct Echo(ConnectionHandle);

impl ConnectionHandler for Echo {
    fn on_message(&mut self, message: Incoming<'_>) -> Result<(), DisconnectReason> {
        match message {
            Incoming::Text(text) => self.0.send_text(text),
            Incoming::Binary(bytes) => self.0.send_binary(&bytes.into_bytes()),
        };
        Ok(())
    }

    fn on_close(&mut self, _: DisconnectReason) {}
}

fn variable<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} is not valid: {value}")),
        Err(_) => default,
    }
}

fn worker_options() -> WorkerOptions {
    WorkerOptions::default().timeout(Duration::from_millis(variable("WORKER_TIMEOUT", 10_000)))
}

fn engine_config(path: &str) -> EngineConfig {
    let mut config = EngineConfig::default();
    config.path = path.to_owned();
    config.ping_interval = Duration::from_millis(variable("PING_INTERVAL", 25_000));
    config.ping_timeout = Duration::from_millis(variable("PING_TIMEOUT", 20_000));
    config.upgrade_timeout = Duration::from_millis(variable("UPGRADE_TIMEOUT", 10_000));
    config.max_http_buffer_size = variable("MAX_PAYLOAD", 1_000_000);
    config.allow_eio3 = variable("EIO3", 1) == 1;
    config.cors = Some(CorsConfig { origins: Origins::Any, credentials: true, ..CorsConfig::default() });
    config
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Silent unless RUST_LOG says otherwise; stdout has the one line that others wait for.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let mut config = Config::default();
    config.connect_timeout = Duration::from_millis(variable("CONNECT_TIMEOUT", 45_000));
    config.parser = match &*variable("PARSER", "default".to_owned()) {
        "default" => Parser::Json,
        "msgpack" => Parser::MsgPack,
        other => return Err(format!("PARSER is not valid: {other}").into()),
    };
    let reasons = Reasons::default();
    let mut builder = SocketIo::builder()
        .config(config)
        .engine_config(engine_config("/socket.io/"))
        .state(reasons.clone())
        .cluster(|cluster| cluster.prefix = variable("PREFIX", "sio".to_owned()));
    if let Ok(url) = std::env::var("NATS_URL") {
        let urls: Vec<&str> = url.split(',').collect();
        builder = builder.bus(NatsBus::connect(NatsOptions::new(urls).wait_for_server(true)).await?);
    }
    let io = builder.try_build()?;
    let node = io.node_id();
    with_handlers!(io.of("/"), node, reasons);
    with_handlers!(io.of("/custom"), node, reasons);
    with_handlers!(io.of("/auth").middleware(authorize), node, reasons);
    with_handlers!(io.of_pattern(r"/dyn-{id:\d+}")?, node, reasons);
    io.cluster_ready(Duration::from_secs(30)).await;
    let engine = Engine::builder()
        .config(engine_config("/engine.io/"))
        .build(|connection| Box::new(Echo(connection)))?;

    let (port, workers) = (variable("PORT", 3000u16), variable("WORKERS", 1));
    let mounted = io.clone();
    let meter = std::env::var_os("LAB").map(|_| Arc::new(meter::Meter::default()));
    let app = move || {
        App::new()
            .configure(|config| mounted.configure(config))
            .configure(|config| engine.configure(config))
            .configure(|config| {
                if let Some(meter) = &meter {
                    meter.configure(&mounted, config);
                }
            })
    };
    let address = ("127.0.0.1", port);
    match &*variable("TRANSPORT", "native".to_owned()) {
        "native" => {
            let server =
                io.server(app).workers(workers).shutdown_timeout(Duration::from_secs(1)).bind(address)?;
            println!("listening on http://{}", server.addresses()[0]);
            server.run().await?;
        }
        "embedded" => {
            let server =
                embed(HttpServer::new(app), &io).workers(workers).shutdown_timeout(1).bind(address)?;
            println!("listening on http://{}", server.addrs()[0]);
            server.run().await?;
        }
        other => return Err(format!("TRANSPORT is not valid: {other}").into()),
    }
    Ok(())
}

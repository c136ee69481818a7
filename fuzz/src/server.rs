//! Running servers, one per transport and parser, each with a healthy client whose service nobody else may disturb. They
//! live as long as the process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_socketio::config::{Config, EngineConfig};
use actix_socketio::protocol::{Decoder, PacketBody, Parser, encode_event};
use actix_socketio::{Args, Data, Namespace, Socket, SocketIo, ToArgs as _, concurrent, embed};
use actix_web::{App, HttpServer};
use bytes::Bytes;

use super::client::{Client, Opcode};

/// Whatever the load: a healthy client is answered within this.
const PATIENCE: Duration = Duration::from_secs(20);
/// A session on polling that the server closed is kept for half a minute, so that the next poll is told so.
const ALL_GONE: Duration = Duration::from_secs(60);

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) parser: Parser,
    io: SocketIo,
    witness: Mutex<Witness>,
}

struct Witness {
    client: Client,
    acks: Receiver<u64>,
    asked: u64,
}

/// The JSON parser on the native transport, the msgpack parser on it, and the JSON parser on the embedded one.
pub(super) static SERVERS: LazyLock<[Server; 3]> =
    LazyLock::new(|| [start(Parser::Json, true), start(Parser::MsgPack, true), start(Parser::Json, false)]);

impl Server {
    /// Asserts that the witness is still served, and now and then that all other clients are forgotten.
    pub(super) fn check(&self) {
        static CHECKS: AtomicU64 = AtomicU64::new(1);
        {
            let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
            witness.asked += 1;
            let asked = witness.asked;
            let args = asked.to_args(self.parser).expect("a number");
            let mut message = Vec::new();
            encode_event(self.parser, "/", "echo", &args, Some(asked), &mut message).expect("encodable");
            witness.client.message(self.parser, &message);
            let answered = witness.acks.recv_timeout(PATIENCE).expect("the healthy client is served");
            assert_eq!(answered, asked);
        }
        if CHECKS.fetch_add(1, Ordering::Relaxed).is_multiple_of(4096) {
            let begin = Instant::now();
            while SERVERS.iter().any(|server| server.io.connection_count() > 1) {
                assert!(begin.elapsed() < ALL_GONE, "connections of clients that are gone are kept");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn start(parser: Parser, is_native: bool) -> Server {
    let io = io(parser);
    let (sender, address) = channel();
    let mounted = io.clone();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let served = mounted.clone();
            let app = move || App::new().configure(|config| served.configure(config));
            let any = ("127.0.0.1", 0);
            if is_native {
                let server = mounted.server(app).workers(1).disable_signals().bind(any).expect("bind");
                sender.send(server.addresses()[0]).expect("somebody waits");
                server.run().await.expect("serve");
            } else {
                let server = embed(HttpServer::new(app), &mounted).workers(1).disable_signals();
                let server = server.bind(any).expect("bind");
                sender.send(server.addrs()[0]).expect("somebody waits");
                server.run().await.expect("serve");
            }
        });
    });
    let address = address.recv().expect("the server starts");
    Server { address, parser, io, witness: Mutex::new(witness(address, parser)) }
}

fn io(parser: Parser) -> SocketIo {
    let mut config = Config::default();
    config.parser = parser;
    config.connect_timeout = Duration::from_secs(1);
    config.packet_timeout = Duration::from_secs(1);
    config.ack_timeout = Duration::from_millis(100);
    let mut engine = EngineConfig::default();
    engine.path = "/socket.io/".to_owned();
    engine.allow_eio3 = true;
    engine.ping_interval = Duration::from_secs(2);
    engine.ping_timeout = Duration::from_secs(10);
    engine.upgrade_timeout = Duration::from_secs(1);
    engine.max_http_buffer_size = 10_000;
    engine.outbox_bytes = 64 * 1024;
    engine.inbox_bytes = 64 * 1024;
    engine.max_fragments = 8;
    let io = SocketIo::builder().engine_config(engine).config(config).build();
    macro_rules! with_handlers {
        ($namespace:expr) => {
            $namespace
                .on("echo", |args: Args| async move { args })
                .on("join", |socket: Socket, Data(room): Data<String>| async move {
                    // The script may have left the namespace by now.
                    socket.join(room).await.is_ok()
                })
                .on(
                    "leave",
                    |socket: Socket, Data(room): Data<String>| async move { socket.leave(&room).await },
                )
                .on("bcast", |namespace: Namespace, Data(room): Data<String>, args: Args| async move {
                    let _ = namespace.to(room).emit("msg", &args).await;
                })
                .on(
                    "ask",
                    concurrent(|socket: Socket, args: Args| async move {
                        let _ = socket.emit_with_ack::<Args, _>("asked", &args).await;
                    }),
                )
                .on("typed", |Data(_): Data<(String, Vec<u32>, Option<f64>)>| async move { 1 })
                .on("binary", |Data(bytes): Data<Vec<Bytes>>| async move { bytes })
                .on("slow", |_: Socket| async move { tokio::time::sleep(Duration::from_millis(5)).await })
                .on(
                    "go",
                    |socket: Socket, Data(close): Data<bool>| async move { socket.disconnect(close).await },
                )
        };
    }
    with_handlers!(io.of("/"));
    with_handlers!(io.of("/custom"));
    with_handlers!(io.of_pattern(r"/dyn-{id:\d+}").expect("a pattern"));
    io
}

fn witness(address: SocketAddr, parser: Parser) -> Witness {
    let mut client = Client::connect(address);
    client.open_websocket("/socket.io/?EIO=4&transport=websocket");
    let mut reader = client.try_clone();
    let mut writer = client.try_clone();
    let (sender, acks) = channel();
    std::thread::spawn(move || {
        let mut decoder = Decoder::new(parser, Default::default(), Default::default());
        while let Some((opcode, body)) = reader.next_frame() {
            let packet = match (opcode, &*body) {
                (Opcode::TEXT, b"2") => {
                    writer.frame(Opcode::TEXT, b"3");
                    continue;
                }
                (Opcode::TEXT, [b'4', text @ ..]) => decoder.text(Bytes::copy_from_slice(text)),
                (Opcode::BINARY, bytes) => decoder.binary(Bytes::copy_from_slice(bytes)),
                _ => continue,
            };
            if let Ok(Some(packet)) = packet
                && let PacketBody::Ack { id, .. } = packet.body
                && sender.send(id).is_err()
            {
                return;
            }
        }
    });
    match parser {
        Parser::Json => client.message(parser, b"0"),
        Parser::MsgPack => client.message(parser, b"\x82\xa4type\x00\xa3nsp\xa1/"),
    }
    Witness { client, acks, asked: 0 }
}

//! A whole server, its connections' sockets in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_socketio::engine::{Message, bench};
use actix_socketio::test::run_local;
use actix_socketio::{Args, Data, Namespace, Reply, Socket, SocketIo};
use actix_web::test::TestRequest;
use actix_web::{App, test};

use crate::line::{Line, masked};

const MEMBERS: usize = 200;

/// Runs on a runtime of its own, in which everything of the server lives.
fn alone<F: Future<Output = Duration>>(run: F) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run_local(run))
}

/// The handlers of the testbed that the paths need.
fn server() -> SocketIo {
    let io = SocketIo::new();
    io.of("/")
        .on("echo", async |args: Args| args)
        .on("join", async |socket: Socket, Data(room): Data<String>| {
            socket.join(&room).await.map(|_| Reply("ok"))
        })
        .on("leave", async |socket: Socket, Data(room): Data<String>| {
            socket.leave(&room).await;
            "ok"
        })
        .on("bcast", async |namespace: Namespace, Data((room, data)): Data<(String, String)>| {
            namespace.to(room).emit("msg", &data).await
        });
    io
}

/// A websocket that has joined the namespace `/`.
async fn connected(io: &SocketIo) -> Line {
    let line = Line::default();
    let request = TestRequest::get().uri("/socket.io/?EIO=4&transport=websocket").to_http_request();
    bench::connect(io.engine(), &request, line.clone()).await.expect("nobody refuses");
    line.keep();
    line.send(&masked(b"40"));
    while !line.ends_with(b"\"}") {
        tokio::task::yield_now().await;
    }
    line
}

/// Sends `frames` and waits for an answer of `bytes`.
async fn ask(line: &Line, frames: &[u8], bytes: usize) {
    let until = line.received() + bytes;
    line.send(frames);
    line.receives(until).await;
}

async fn joined(io: &SocketIo, room: &str) -> Line {
    let line = connected(io).await;
    ask(&line, &masked(format!(r#"421["join","{room}"]"#).as_bytes()), br#"__431["ok"]"#.len()).await;
    line
}

pub(crate) fn outbox(n: u64) -> Duration {
    let message = Arc::new(Message::text(r#"2["msg","a text of some length"]"#));
    let mut outbox = bench::Outbox::new(1 << 20);
    let begin = Instant::now();
    for _ in 0..n / 8 {
        for _ in 0..8 {
            outbox.push(&message, begin);
        }
        assert_eq!(outbox.drain(), 8 * message.size());
    }
    begin.elapsed()
}

pub(crate) fn echo(n: u64) -> Duration {
    echo_of(n, 4)
}

pub(crate) fn echo_one(n: u64) -> Duration {
    echo_of(n, 1)
}

fn echo_of(n: u64, in_flight: usize) -> Duration {
    alone(async move {
        let io = server();
        let line = connected(&io).await;
        let question = masked(br#"421["echo","a text of some length"]"#).repeat(in_flight);
        let answer = br#"__431["a text of some length"]"#.len() * in_flight;
        ask(&line, &question, answer).await;
        let begin = Instant::now();
        for _ in 0..n / in_flight as u64 {
            ask(&line, &question, answer).await;
        }
        begin.elapsed()
    })
}

pub(crate) fn broadcast(n: u64) -> Duration {
    broadcast_of(n, 1)
}

pub(crate) fn broadcast_8(n: u64) -> Duration {
    broadcast_of(n, 8)
}

fn broadcast_of(n: u64, in_flight: usize) -> Duration {
    alone(async move {
        let io = server();
        let mut members = Vec::with_capacity(MEMBERS);
        for _ in 0..MEMBERS {
            members.push(joined(&io, "all").await);
        }
        let sender = connected(&io).await;
        let question = masked(br#"42["bcast","all","a text of some length"]"#).repeat(in_flight);
        let answer = br#"__42["msg","a text of some length"]"#.len() * in_flight;
        let begin = Instant::now();
        for _ in 0..n / (MEMBERS * in_flight) as u64 {
            let until: Vec<_> = members.iter().map(|member| member.received() + answer).collect();
            sender.send(&question);
            for (member, until) in members.iter().zip(until) {
                member.receives(until).await;
            }
        }
        begin.elapsed()
    })
}

pub(crate) fn join_leave(n: u64) -> Duration {
    alone(async move {
        let io = server();
        let mut members = Vec::with_capacity(MEMBERS);
        for _ in 0..MEMBERS {
            members.push(joined(&io, "all").await);
        }
        let line = connected(&io).await;
        let question = [masked(br#"421["join","all"]"#), masked(br#"421["leave","all"]"#)].concat();
        let answer = br#"__431["ok"]"#.len() * 2;
        let begin = Instant::now();
        for _ in 0..n {
            ask(&line, &question, answer).await;
        }
        begin.elapsed()
    })
}

pub(crate) fn connect_close(n: u64) -> Duration {
    alone(async move {
        let io = server();
        let _other = connected(&io).await;
        let begin = Instant::now();
        for _ in 0..n {
            let line = connected(&io).await;
            line.close();
            while !line.is_dropped() {
                tokio::task::yield_now().await;
            }
        }
        begin.elapsed()
    })
}

pub(crate) fn polling(n: u64) -> Duration {
    alone(async move {
        let io = server();
        let mounted = io.clone();
        let app = test::init_service(App::new().configure(|config| mounted.configure(config))).await;
        let open = TestRequest::get().uri("/socket.io/?EIO=4&transport=polling").to_request();
        let open = test::call_and_read_body(&app, open).await;
        let open: serde_json::Value = serde_json::from_slice(&open[1..]).expect("the OPEN packet");
        let uri = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().expect("a sid"));
        let post = async |body: &'static str| {
            let request = TestRequest::post().uri(&uri).set_payload(body).to_request();
            assert_eq!(&test::call_and_read_body(&app, request).await[..], b"ok");
        };
        let poll = async || test::call_and_read_body(&app, TestRequest::get().uri(&uri).to_request()).await;
        post("40").await;
        assert!(poll().await.starts_with(b"40"));
        let begin = Instant::now();
        for _ in 0..n {
            post(r#"421["echo","a text of some length"]"#).await;
            assert!(poll().await.starts_with(b"431["));
        }
        begin.elapsed()
    })
}

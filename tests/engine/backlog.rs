//! Events that wait for their handlers: past the bound the client is not read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_socketio::config::EngineConfig;
use actix_socketio::{Ack, Data, DisconnectReason, Socket, SocketIo};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::support::ws::frame;
use crate::support::{Frame, IoServer, Polling, Variant, eventually, matrix};

matrix![
    past_the_bound_a_websocket_is_not_read_and_its_clock_stands_still,
    past_the_bound_a_post_waits,
    a_handler_that_awaits_an_ack_still_gets_it,
    twice_the_bound_while_awaiting_an_ack_closes,
];

const BOUND: usize = 64 * 1024;

/// What the handlers of a server share with the test.
#[derive(Clone)]
struct Stage {
    /// A permit lets one event pass.
    gate: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<usize>>>,
    reason: Arc<Mutex<Option<DisconnectReason>>>,
}

fn start(variant: Variant, change: impl FnOnce(&mut EngineConfig)) -> (IoServer, Stage) {
    let mut config = EngineConfig::default();
    config.path = "/socket.io/".to_owned();
    config.inbox_bytes = BOUND;
    change(&mut config);
    let io = SocketIo::builder().engine_config(config).build();
    let stage = Stage { gate: Arc::new(Semaphore::new(0)), seen: Arc::default(), reason: Arc::default() };
    let (gate, seen) = (stage.gate.clone(), stage.seen.clone());
    let asking = seen.clone();
    let reason = stage.reason.clone();
    io.of("/")
        .on("work", move |Data((number, _)): Data<(usize, String)>| {
            let (gate, seen) = (gate.clone(), seen.clone());
            async move {
                gate.acquire().await.expect("open").forget();
                seen.lock().unwrap().push(number);
            }
        })
        .on("ask", move |socket: Socket| {
            let seen = asking.clone();
            async move {
                let answer: Result<usize, _> = socket.emit_with_ack("question", &()).await;
                seen.lock().unwrap().push(answer.unwrap_or(0));
            }
        })
        .on("echo", |Data(text): Data<String>, ack: Ack| async move {
            let _ = ack.send(&text);
        })
        .on_disconnect(move |why: DisconnectReason| {
            let reason = reason.clone();
            async move { *reason.lock().unwrap() = Some(why) }
        });
    (IoServer::start(variant, io), stage)
}

fn work(number: usize) -> String {
    format!(r#"42["work",{number},"{}"]"#, "x".repeat(10_000))
}

async fn past_the_bound_a_websocket_is_not_read_and_its_clock_stands_still(variant: Variant) {
    const EVENTS: usize = 2_000;
    let (server, stage) = start(variant, |config| {
        config.ping_interval = Duration::from_millis(400);
        config.ping_timeout = Duration::from_millis(1_600);
    });
    let mut other = server.connect().await;
    let ws = server.connect().await;
    let (mut reader, mut writer) = tokio::io::split(ws.http.into_io());
    let (pong, mut pongs) = tokio::sync::mpsc::unbounded_channel();
    // Answers pings, as any client does.
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt as _;
        let mut chunk = [0; 1024];
        while let Ok(1..) = reader.read(&mut chunk).await {
            if pong.send(()).is_err() {
                return;
            }
        }
    });
    let writing = tokio::spawn(async move {
        for number in 0..EVENTS {
            while pongs.try_recv().is_ok() {
                writer.write_all(&frame(0x81, b"3")).await.expect("write");
            }
            writer.write_all(&frame(0x81, work(number).as_bytes())).await.expect("write");
        }
        loop {
            pongs.recv().await;
            if writer.write_all(&frame(0x81, b"3")).await.is_err() {
                return;
            }
        }
    });
    // Twice the time after which a silent client is given up. The other client is served meanwhile.
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(4_000) {
        server.assert_serves(&mut other).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.io.connection_count(), 2, "its clock stands still");
    assert!(stage.seen.lock().unwrap().is_empty());
    assert!(!writing.is_finished(), "20 MB are not taken while 64 KiB may wait");
    stage.gate.add_permits(EVENTS);
    eventually("all events", || (stage.seen.lock().unwrap().len() == EVENTS).then_some(())).await;
    assert_eq!(*stage.seen.lock().unwrap(), (0..EVENTS).collect::<Vec<_>>(), "in order");
    writing.abort();
}

async fn past_the_bound_a_post_waits(variant: Variant) {
    let (server, stage) = start(variant, |_| {});
    let polling = Polling::open_at(&server.address, "/socket.io/", "").await;
    polling.send("40").await;
    let body = (0..8).map(work).collect::<Vec<_>>().join("\x1e");
    let mut post = crate::support::Http::connect(&server.address).await;
    post.send("POST", &polling.target("polling"), &[], body.as_bytes()).await;
    let answer = tokio::time::timeout(Duration::from_millis(500), post.receive());
    assert!(answer.await.is_err(), "not taken while it does not fit");
    stage.gate.add_permits(8);
    assert_eq!(post.receive().await.text(), "ok");
    eventually("all events", || (stage.seen.lock().unwrap().len() == 8).then_some(())).await;
    assert_eq!(*stage.seen.lock().unwrap(), (0..8).collect::<Vec<_>>());
    stage.gate.add_permits(1);
    polling.send(&work(8)).await;
    eventually("one more", || (stage.seen.lock().unwrap().len() == 9).then_some(())).await;
}

/// Acks are read although events pile up behind the handler that waits for one.
async fn a_handler_that_awaits_an_ack_still_gets_it(variant: Variant) {
    let (server, stage) = start(variant, |_| {});
    stage.gate.add_permits(1_000);
    let mut ws = server.connect().await;
    ws.send(r#"42["ask"]"#).await;
    let question = ws.text().await;
    let id = question.strip_prefix("42").and_then(|rest| rest.split('[').next()).unwrap();
    // More than the bound, less than twice of it.
    for number in 1..=9 {
        ws.send(&work(number)).await;
    }
    ws.send(&format!("43{id}[4711]")).await;
    let seen = stage.seen.clone();
    eventually("the ack and the events", || (seen.lock().unwrap().len() == 10).then_some(())).await;
    assert_eq!(*stage.seen.lock().unwrap(), [4711, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

async fn twice_the_bound_while_awaiting_an_ack_closes(variant: Variant) {
    let (server, stage) = start(variant, |_| {});
    let mut other = server.connect().await;
    let mut ws = server.connect().await;
    ws.send(r#"42["ask"]"#).await;
    assert!(matches!(ws.receive().await, Frame::Text(_)));
    let flood: Vec<u8> = (0..40).flat_map(|number| frame(0x81, work(number).as_bytes())).collect();
    let _ = ws.http.io().write_all(&flood).await;
    ws.ended().await;
    // Handlers of what came before the end run before the one that hears of it.
    stage.gate.add_permits(1_000);
    let reason = stage.reason.clone();
    let reason = eventually("the end", || *reason.lock().unwrap()).await;
    assert_eq!(reason, DisconnectReason::TransportError);
    server.assert_serves(&mut other).await;
}

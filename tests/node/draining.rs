//! A node that is told to stop: new clients go elsewhere, those that are there are let go one after the other.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::client::Client;
use crate::nats_server::NatsServer;
use crate::port::free_port;
use crate::program::Program;
use crate::support::session::Polling;
use crate::support::{Address, Http, Ws};
use crate::{ms, until};

const TARGET: &str = "/socket.io/?EIO=4&transport=polling";

fn environment<'a>(wait: &'a str, spread: &'a str, deadline: &'a str) -> [(&'a str, &'a str); 3] {
    [("SOCKETIO_DRAIN_WAIT", wait), ("SOCKETIO_DRAIN_SPREAD", spread), ("SOCKETIO_DRAIN_DEADLINE", deadline)]
}

#[tokio::test]
async fn sessions_outlive_the_wait_and_go_one_after_the_other() {
    let mut node = Program::spawn(&["--port", "0"], &environment("3s", "1500ms", "10s"));
    let address = node.address().await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(Client::connect(&address).await);
    }
    let polling = Polling::open_at(&address, "/socket.io/", "").await;
    polling.send("40").await;
    assert!(polling.poll().await[0].starts_with("40"));

    let mut http = Http::connect(&address).await;
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400, "what balancers look at");
    let begin = Instant::now();
    node.signal("TERM");
    node.logs("no new sessions").await;
    for target in ["/socket.io/", TARGET] {
        let mut http = Http::connect(&address).await;
        http.send("GET", target, &[], b"").await;
        let answer = http.receive().await;
        answer.assert_error(503, 4, "Service unavailable");
        assert_eq!(answer.header("connection"), Some("close"), "the next request finds another node");
    }
    let refusal = Ws::try_open(&address, "/socket.io/?EIO=4&transport=websocket", &[]).await.err().unwrap();
    assert_eq!(refusal.status, 503);
    // Who is there does not notice.
    let answer = r#"44/none,{"message":"Invalid namespace"}"#;
    clients[0].ws.send("40/none,").await;
    assert_eq!(clients[0].packet().await.unwrap(), answer);
    polling.send("40/none,").await;
    assert_eq!(polling.poll().await, [answer]);
    assert!(begin.elapsed() < ms(3000), "the machine is too slow for this test");

    let ends = clients
        .into_iter()
        .map(|mut client| tokio::spawn(async move { (client.packet().await, begin.elapsed()) }));
    let ends: Vec<_> = ends.collect();
    assert_eq!(polling.poll().await, ["1"]);
    let mut times = Vec::new();
    for end in ends {
        let (end, after) = end.await.unwrap();
        assert_eq!(end, Err(Some(1001)), "the transport is closed, and no DISCONNECT before");
        times.push(after);
    }
    times.sort();
    assert!(times[0] > ms(2900), "after the wait: {times:?}");
    assert!(times[times.len() - 1] - times[0] > ms(900), "not all at once: {times:?}");
    let steps = times.windows(2).filter(|pair| pair[1] - pair[0] > ms(5)).count();
    assert!(steps > 10, "in small groups: {times:?}");
    assert_eq!(node.ended().await.0, Some(0));
    assert!(begin.elapsed() < ms(9000), "{:?}", begin.elapsed());
    node.logs("drained").await;
    assert!(node.said().ends_with("stopped\n"));
    assert!(!node.log().contains("WARN") && !node.log().contains("ERROR"), "{}", node.log());
}

#[tokio::test]
async fn a_node_without_clients_ends_at_once() {
    let nats = NatsServer::start(&[]);
    let mut nodes = [Program::start(&["--nats", &nats.url()]).await, Program::start(&[]).await];
    for node in &mut nodes {
        node.signal("TERM");
        let (code, took) = node.ended().await;
        assert_eq!(code, Some(0));
        assert!(took < ms(2000), "{took:?}");
    }
}

#[tokio::test]
async fn the_last_client_ends_the_wait() {
    let mut node = Program::spawn(&["--port", "0"], &environment("1m", "1m", "3m"));
    let address = node.address().await;
    let mut client = Client::connect(&address).await;
    node.signal("TERM");
    node.logs("no new sessions").await;
    assert!(node.is_running());
    client.ws.close(1000).await;
    assert_eq!(node.ended().await.0, Some(0));
}

#[tokio::test]
async fn the_deadline_holds_and_an_impatient_person_does_not_wait_for_it() {
    let stuck = async || {
        let node = Program::spawn(&["--port", "0"], &environment("0s", "500ms", "2s"));
        // A polling client that is gone for good: nobody fetches its last packet.
        let polling = Polling::open_at(&node.address().await, "/socket.io/", "").await;
        (node, polling)
    };
    let (mut node, _polling) = stuck().await;
    node.signal("TERM");
    let (code, took) = node.ended().await;
    assert_eq!(code, Some(0));
    assert!(took < ms(5000), "{took:?}");

    let (mut node, _polling) = stuck().await;
    node.signal("TERM");
    node.logs("no new sessions").await;
    node.signal("INT");
    assert_eq!(node.ended().await.0, Some(130));
}

#[tokio::test]
async fn times_that_do_not_fit_are_refused() {
    let mut node = Program::spawn(&["check-config"], &environment("5s", "5s", "10s"));
    assert_eq!(node.ended().await.0, Some(1));
    node.logs("drain.deadline: has to be longer than wait and spread together").await;
}

#[tokio::test]
async fn a_node_that_nobody_listens_to_any_more_ends_in_good_order() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_actix-socketio"))
        .args(["--port", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().starts_with("listening on ") {}
    // What it says from now on cannot be written.
    drop(lines);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let mut status = None;
    until(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
}

/// As on a full disk, or when whoever read the log is gone.
#[tokio::test]
async fn what_cannot_be_written_costs_nothing() {
    let nowhere = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let nats = NatsServer::start(&[]);
    let port = free_port();
    let address = Address { socket: SocketAddr::from(([127, 0, 0, 1], port)), tls: None, edge: None };
    let mut child = Command::new(env!("CARGO_BIN_EXE_actix-socketio"))
        .args(["--port", &port.to_string(), "--nats", &nats.url()])
        .stdin(Stdio::null())
        .stdout(nowhere())
        .stderr(nowhere())
        .spawn()
        .unwrap();
    until(|| std::net::TcpStream::connect(address.socket).is_ok()).await;
    let signal = |name: &str| {
        let arguments = [format!("-{name}"), child.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
    };
    // Each has something to say.
    for _ in 0..3 {
        signal("HUP");
        tokio::time::sleep(ms(20)).await;
        drop(Client::connect(&address).await);
    }
    signal("TERM");
    let mut status = None;
    until(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
}

#[tokio::test]
async fn signals_count_while_a_node_starts() {
    // Nobody listens there: it waits.
    let nats = format!("nats://127.0.0.1:{}", free_port());
    let mut node = Program::spawn(
        &["--port", "0", "--nats", &nats],
        &[("SOCKETIO_LOG_FILTER", "info,async_nats=debug")],
    );
    node.logs("async_nats").await;
    node.signal("HUP");
    tokio::time::sleep(ms(100)).await;
    assert!(node.is_running(), "SIGHUP reads the configuration again, later");
    node.signal("TERM");
    let (code, took) = node.ended().await;
    assert_eq!(code, Some(0));
    assert!(took < ms(5000), "{took:?}");
}

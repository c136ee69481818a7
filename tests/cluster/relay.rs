//! No sticky sessions: the requests of one session may land on any node.
//!
//! That a relayed request behaves as one at home is shown by `tests/engine`, whose tests of polling, upgrades, websockets and slow
//! clients all run over a relay, too. Here is what needs a cluster: several nodes, their deaths, and lost messages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::cluster::message::Message;
use actix_socketio::cluster::relay::{Event, Part};
use actix_socketio::{Args, DisconnectReason, Socket, SocketIo, SocketIoBuilder};
use tokio::io::AsyncReadExt as _;

use crate::support::http::{get, request};
use crate::support::{Frame, IoServer, Polling, Transport, Variant, Ws, within};
use crate::tap::Tap;
use crate::{LONG, ms, until};

const PATH: &str = "/socket.io/";
const NATIVE: Variant = Variant { transport: Transport::Native, workers: 2, relayed: false };
const EMBEDDED: Variant = Variant { transport: Transport::Embedded, workers: 2, relayed: false };

/// A node that serves HTTP.
struct Node {
    server: IoServer,
    tap: Tap,
    reasons: Arc<Mutex<Vec<DisconnectReason>>>,
}

impl Node {
    fn start(
        hub: &MemoryHub,
        variant: Variant,
        change: impl FnOnce(SocketIoBuilder) -> SocketIoBuilder,
    ) -> Self {
        let (tap, events) = Tap::new(hub);
        let builder = SocketIo::builder()
            .bus((tap.clone(), events))
            .cluster(|cluster| cluster.heartbeat_interval = ms(300));
        let io = change(builder).build();
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let of_handler = reasons.clone();
        io.of("/")
            .on("echo", |socket: Socket, args: Args| async move { socket.emit("echo", &args).await })
            .on("ask", |args: Args| async move { args })
            .on_disconnect(move |reason: DisconnectReason| {
                of_handler.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
                async {}
            });
        Self { server: IoServer::start(variant, io), tap, reasons }
    }

    fn io(&self) -> &SocketIo {
        &self.server.io
    }

    /// How the sockets of this node went.
    fn reasons(&self) -> Vec<DisconnectReason> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn assert_reason(&self, expected: DisconnectReason) {
        until(|| !self.reasons().is_empty()).await;
        assert_eq!(self.reasons(), [expected]);
    }
}

async fn start(count: usize, variant: Variant) -> Vec<Node> {
    start_with(count, variant, |builder| builder).await
}

async fn start_with(
    count: usize,
    variant: Variant,
    change: impl Fn(SocketIoBuilder) -> SocketIoBuilder,
) -> Vec<Node> {
    let hub = MemoryHub::default();
    let nodes: Vec<_> = (0..count).map(|_| Node::start(&hub, variant, &change)).collect();
    until(|| nodes.iter().all(|node| node.io().nodes().len() == count)).await;
    nodes
}

fn soon(builder: SocketIoBuilder) -> SocketIoBuilder {
    builder.ping_interval(ms(400)).ping_timeout(ms(800))
}

/// A polling session in `/`, of the first node; its requests go to the others in turn.
struct Session {
    polling: Polling,
    addresses: Vec<crate::support::Address>,
    next: usize,
}

impl Session {
    async fn open(nodes: &[Node]) -> Self {
        let addresses: Vec<_> = nodes.iter().map(|node| node.server.address.clone()).collect();
        let polling = Polling::open_at(&addresses[0], PATH, "").await;
        let mut session = Self { polling, addresses, next: 0 };
        session.elsewhere().send("40").await;
        loop {
            let packets = session.elsewhere().poll().await;
            if packets.iter().any(|packet| packet == "2") {
                session.elsewhere().send("3").await;
            }
            if packets.iter().any(|packet| packet.starts_with(r#"40{"sid":""#)) {
                return session;
            }
        }
    }

    /// The session, as the next node that is not its own sees it.
    fn elsewhere(&mut self) -> &Polling {
        self.next = self.next % (self.addresses.len() - 1) + 1;
        self.polling.address = self.addresses[self.next].clone();
        &self.polling
    }

    /// As the next node sees it, its own included.
    fn anywhere(&mut self) -> &Polling {
        self.next = (self.next + 1) % self.addresses.len();
        self.polling.address = self.addresses[self.next].clone();
        &self.polling
    }

    /// A relayed websocket that has taken over.
    async fn websocket(&mut self) -> Ws {
        let mut ws = self.elsewhere().upgrade().await;
        echo(&mut ws, "upgraded").await;
        ws
    }
}

async fn echo(ws: &mut Ws, text: &str) {
    ws.send(&format!(r#"42["echo","{text}"]"#)).await;
    assert_eq!(packet(ws).await, Frame::Text(format!(r#"42["echo","{text}"]"#)));
}

/// The next frame but pings, which are answered.
async fn packet(ws: &mut Ws) -> Frame {
    loop {
        match ws.receive().await {
            Frame::Text(text) if text == "2" => ws.send("3").await,
            other => return other,
        }
    }
}

/// The websocket ends, by a close frame or without.
async fn ended(ws: &mut Ws) -> Option<u16> {
    within("the end of a websocket", async {
        loop {
            match packet(ws).await {
                Frame::Close(code) => return code,
                Frame::End => return None,
                _ => {}
            }
        }
    })
    .await
}

#[tokio::test]
async fn every_request_of_a_polling_session_goes_to_another_node() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start(3, variant).await;
        let mut session = Session::open(&nodes).await;
        for number in 0..12 {
            let packets = format!(
                "42[\"echo\",{number}]\x1e451-[\"echo\",{{\"_placeholder\":true,\"num\":0}}]\x1ebAQID"
            );
            session.anywhere().send(&packets).await;
            let mut got = Vec::new();
            while got.len() < 3 {
                got.extend(session.anywhere().poll().await);
            }
            assert_eq!(got.join("\x1e"), packets);
        }
        session.elsewhere().send(r#"427["ask","x"]"#).await;
        assert_eq!(session.elsewhere().poll().await, [r#"437["x"]"#]);
        session.elsewhere().send("1").await;
        nodes[0].assert_reason(DisconnectReason::TransportClose).await;
        session.elsewhere().gone().await;
    }
}

#[tokio::test]
async fn an_upgrade_goes_to_another_node_and_stays_there() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start_with(3, variant, soon).await;
        let mut session = Session::open(&nodes).await;
        let mut ws = session.websocket().await;
        // Longer than an interval and a timeout: pings pass.
        let begin = Instant::now();
        while begin.elapsed() < ms(2000) {
            echo(&mut ws, "still here").await;
            tokio::time::timeout(ms(100), packet(&mut ws)).await.unwrap_err();
        }
        session.anywhere().get().await.assert_error(400, 3, "Bad request");
        session.anywhere().get().await.assert_error(400, 3, "Bad request");
        ws.close(1000).await;
        assert_eq!(ended(&mut ws).await, Some(1000));
        nodes[0].assert_reason(DisconnectReason::TransportClose).await;
    }
}

/// Larger than what the broker takes at once, and than every window.
#[tokio::test]
async fn large_messages_pass() {
    for variant in [NATIVE, EMBEDDED] {
        let change = |builder: SocketIoBuilder| {
            builder.adjust(|_, engine| {
                engine.max_http_buffer_size = 4_000_000;
                engine.outbox_bytes = 8_000_000;
            })
        };
        let nodes = start_with(2, variant, change).await;
        let mut session = Session::open(&nodes).await;
        let large = format!(r#"42["echo","{}"]"#, "x".repeat(3_000_000));
        session.elsewhere().send(&large).await;
        assert!(session.elsewhere().poll().await == [large]);
        let mut ws = session.websocket().await;
        for length in [0, 1, 70_000, 3_000_000] {
            ws.send(r#"451-["echo",{"_placeholder":true,"num":0}]"#).await;
            ws.send_binary(&vec![7; length]).await;
            assert!(matches!(packet(&mut ws).await, Frame::Text(text) if text.starts_with("451-")));
            assert!(packet(&mut ws).await == Frame::Binary(vec![7; length]));
        }
    }
}

/// Order and completeness, with everything at once.
#[tokio::test]
async fn many_sessions_at_once_lose_and_mix_nothing() {
    let nodes = start(3, NATIVE).await;
    let clients = (0..24).map(|client| {
        let nodes = &nodes;
        async move {
            let mut session = Session::open(nodes).await;
            let mut ws = if client % 2 == 0 { Some(session.websocket().await) } else { None };
            let (mut sent, mut got) = (0, 0);
            while got < 100 {
                let burst: Vec<_> =
                    (sent..100.min(sent + 10)).map(|n| format!(r#"42["echo",{n}]"#)).collect();
                sent += burst.len();
                match &mut ws {
                    Some(ws) => {
                        for packet in &burst {
                            ws.send(packet).await;
                        }
                        for expected in burst {
                            assert_eq!(packet(ws).await, Frame::Text(expected));
                            got += 1;
                        }
                    }
                    None => {
                        session.anywhere().send(&burst.join("\x1e")).await;
                        let target = got + burst.len();
                        while got < target {
                            for text in session.anywhere().poll().await {
                                assert_eq!(text, format!(r#"42["echo",{got}]"#));
                                got += 1;
                            }
                        }
                    }
                }
            }
        }
    });
    within("all echoes", futures_util::future::join_all(clients)).await;
}

#[tokio::test]
async fn what_nobody_has_is_refused_at_once() {
    let nodes = start(2, NATIVE).await;
    let (here, there) = (&nodes[1].server.address, nodes[0].io().engine().node().as_str().to_owned());
    let begin = Instant::now();
    let unknown_there = format!("AAAAAAAAAAAAAAAAAAAAAA{there}");
    for sid in [
        &*unknown_there,
        "AAAAAAAAAAAAAAAAAAAAAAnobodyXX",
        "short",
        "",
        &there,
        "%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9",
    ] {
        let target = format!("{PATH}?EIO=4&transport=polling&sid={sid}");
        get(here, &target).await.assert_error(400, 1, "Session ID unknown");
        let post = request(here, "POST", &target, &[], b"4hello").await;
        post.assert_error(400, 1, "Session ID unknown");
        let target = format!("{PATH}?EIO=4&transport=websocket&sid={sid}");
        let refusal = Ws::try_open(here, &target, &[]).await.err().unwrap();
        refusal.assert_error(400, 1, "Session ID unknown");
    }
    let target = format!("{PATH}?EIO=4&transport=polling&sid={unknown_there}");
    request(here, "PUT", &target, &[], b"").await.assert_error(400, 2, "Bad handshake method");
    assert!(begin.elapsed() < LONG);
}

#[tokio::test]
async fn hooks_and_limits_are_those_of_the_node_that_the_client_reached() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = errors.clone();
    let change = move |builder: SocketIoBuilder| {
        let seen = seen.clone();
        builder
            .max_http_buffer_size(1_000)
            .headers(|headers, _| {
                headers.insert(
                    actix_web::http::header::HeaderName::from_static("x-hook"),
                    actix_web::http::header::HeaderValue::from_static("yes"),
                );
            })
            .on_connection_error(move |request, error| {
                let uri = request.uri().to_string();
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((uri, error.code()));
            })
    };
    let nodes = start_with(2, EMBEDDED, change).await;
    let mut session = Session::open(&nodes).await;
    session.elsewhere().send(r#"42["echo",1]"#).await;
    let answer = session.elsewhere().get().await;
    assert_eq!(answer.header("x-hook"), Some("yes"));
    let target = session.elsewhere().target("polling").replace("EIO=4", "EIO=3");
    get(&nodes[1].server.address, &target).await.assert_error(400, 5, "Unsupported protocol version");
    let target = session.elsewhere().target("polling").replace(&session.polling.sid[..4], "AAAA");
    get(&nodes[1].server.address, &target).await.assert_error(400, 1, "Session ID unknown");
    let codes: Vec<_> =
        errors.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [5, 1]);
    assert_eq!(session.elsewhere().post(&"4".repeat(1_001)).await.status, 413);
    nodes[0].assert_reason(DisconnectReason::TransportError).await;
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let change = |builder: SocketIoBuilder| builder.cluster(|cluster| cluster.relay_sessions = false);
    let nodes = start_with(2, NATIVE, change).await;
    let mut polling = Polling::open_at(&nodes[0].server.address, PATH, "").await;
    polling.address = nodes[1].server.address.clone();
    polling.assert_gone().await;
}

// ---- the end of nodes ----------------------------------------------------------------------------------

#[tokio::test]
async fn the_death_of_the_owner_ends_what_is_relayed() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start(2, variant).await;
        let mut upgraded = Session::open(&nodes).await;
        let mut ws = upgraded.websocket().await;
        let mut session = Session::open(&nodes).await;
        let mut poll = session.elsewhere().begin_poll().await;
        tokio::time::sleep(ms(100)).await;
        let begin = Instant::now();
        nodes[0].tap.set_connected(false);
        poll.receive().await.assert_error(400, 1, "Session ID unknown");
        assert_eq!(ended(&mut ws).await, None);
        session.elsewhere().assert_gone().await;
        assert!(begin.elapsed() < Duration::from_secs(5), "long before the ping timeout of 45 s");
    }
}

#[tokio::test]
async fn the_death_of_the_edge_ends_what_it_relayed() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start(2, variant).await;
        let mut session = Session::open(&nodes).await;
        let ws = session.websocket().await;
        nodes[1].tap.set_connected(false);
        nodes[0].assert_reason(DisconnectReason::TransportClose).await;
        drop(ws);
        let nodes = start(2, variant).await;
        let mut session = Session::open(&nodes).await;
        let _poll = session.elsewhere().begin_poll().await;
        tokio::time::sleep(ms(100)).await;
        nodes[1].tap.set_connected(false);
        nodes[0].assert_reason(DisconnectReason::TransportError).await;
    }
}

#[tokio::test]
async fn an_owner_that_stops_says_goodbye_through_the_edge() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start(2, variant).await;
        let mut upgraded = Session::open(&nodes).await;
        let mut ws = upgraded.websocket().await;
        let mut session = Session::open(&nodes).await;
        let mut poll = session.elsewhere().begin_poll().await;
        tokio::time::sleep(ms(100)).await;
        nodes[0].io().close().await;
        assert_eq!(poll.receive().await.packets(), ["1"]);
        assert_eq!(ended(&mut ws).await, Some(1001));
        assert_eq!(nodes[0].reasons(), [DisconnectReason::ServerShuttingDown; 2]);
    }
}

#[tokio::test]
async fn an_edge_that_stops_closes_the_websockets_it_relays() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start(2, variant).await;
        let mut session = Session::open(&nodes).await;
        let mut ws = session.websocket().await;
        nodes[1].io().close().await;
        assert_eq!(ended(&mut ws).await, Some(1001));
        nodes[0].assert_reason(DisconnectReason::TransportClose).await;
    }
}

#[tokio::test]
async fn with_the_broker_away_relayed_sessions_end_within_the_ping_timeout() {
    for variant in [NATIVE, EMBEDDED] {
        let nodes = start_with(2, variant, soon).await;
        let mut session = Session::open(&nodes).await;
        let mut ws = session.websocket().await;
        let begin = Instant::now();
        for node in &nodes {
            node.tap.set_connected(false);
        }
        ended(&mut ws).await;
        until(|| nodes[0].reasons().len() == 1).await;
        assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
        // New requests are not kept waiting.
        let mut polling = Polling::open_at(&nodes[0].server.address, PATH, "").await;
        polling.address = nodes[1].server.address.clone();
        polling.assert_gone().await;
    }
}

// ---- lost messages -------------------------------------------------------------------------------------

/// A pair of nodes with two upgraded sessions.
async fn pair() -> (Vec<Node>, Session, Ws, Ws) {
    let nodes = start(2, NATIVE).await;
    let mut session = Session::open(&nodes).await;
    let ws = session.websocket().await;
    let other = Session::open(&nodes).await.websocket().await;
    (nodes, session, ws, other)
}

#[tokio::test]
async fn a_lost_message_to_the_edge_closes_its_session_only() {
    let (nodes, session, mut ws, mut other) = pair().await;
    nodes[0].tap.lose_one(|part| matches!(part, Part::Frames(_)));
    ws.send(r#"42["echo","lost"]"#).await;
    // Nothing follows on that stream: the heartbeat shows it.
    ended(&mut ws).await;
    nodes[0].assert_reason(DisconnectReason::TransportError).await;
    session.polling.gone().await;
    echo(&mut other, "unhurt").await;
}

#[tokio::test]
async fn a_lost_message_to_the_owner_closes_its_session_only() {
    let (nodes, _session, mut ws, mut other) = pair().await;
    nodes[1]
        .tap
        .lose_one(|part| matches!(part, Part::Event(Event::Text(text)) if text.ends_with(b"\"lost\"]")));
    ws.send(r#"42["echo","lost"]"#).await;
    ws.send(r#"42["echo","must not arrive without the one before"]"#).await;
    assert!(ended(&mut ws).await != Some(1000));
    nodes[0].assert_reason(DisconnectReason::TransportError).await;
    echo(&mut other, "unhurt").await;
}

#[tokio::test]
async fn lost_beginnings_answers_and_ends_close_the_session() {
    type IsIt = fn(&Part) -> bool;
    let cases: [(usize, IsIt); 5] = [
        (1, |part| matches!(part, Part::Open(_))),
        (0, |part| matches!(part, Part::Accepted(_))),
        (1, |part| matches!(part, Part::Body(_))),
        (0, |part| matches!(part, Part::Answer(_))),
        (1, |part| matches!(part, Part::Taken)),
    ];
    for (node, is_it) in cases {
        let nodes = start(2, NATIVE).await;
        let mut session = Session::open(&nodes).await;
        nodes[node].tap.lose_one(is_it);
        let begin = Instant::now();
        let answer = session.elsewhere().post(r#"42["echo",1]"#).await;
        if answer.status != 200 {
            answer.assert_error(400, 1, "Session ID unknown");
        }
        nodes[0].assert_reason(DisconnectReason::TransportError).await;
        assert!(begin.elapsed() < Duration::from_secs(5), "long before the ping timeout of 45 s");
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_poll_closes_the_session() {
    for (node, is_answer) in [(0, true), (1, false)] {
        let nodes = start(2, NATIVE).await;
        let mut session = Session::open(&nodes).await;
        session.elsewhere().send(r#"42["echo",1]"#).await;
        nodes[node].tap.lose_one(move |part| match part {
            Part::Answer(_) => is_answer,
            Part::Taken => !is_answer,
            _ => false,
        });
        let answer = session.elsewhere().get().await;
        assert_eq!(answer.status, if is_answer { 400 } else { 200 });
        nodes[0].assert_reason(DisconnectReason::TransportError).await;
    }
}

#[tokio::test]
async fn an_edge_that_hears_nothing_gives_up_by_itself() {
    let nodes = start_with(2, NATIVE, soon).await;
    let mut session = Session::open(&nodes).await;
    let mut ws = session.websocket().await;
    let begin = Instant::now();
    // Whatever the owner says about sessions is lost, and what it is asked about that, too.
    nodes[0].tap.lose(|message| matches!(message, Message::Relay(_)));
    ended(&mut ws).await;
    // Its pings are not answered: they were lost, too.
    nodes[0].assert_reason(DisconnectReason::PingTimeout).await;
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
}

// ---- clients that take their time ----------------------------------------------------------------------

/// How many connections to a port the kernel holds open on the server's side.
fn open_connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Ours: the same port of another loopback address may be somebody's client.
    let (local, established) = (format!("0100007F:{port:04X}"), "01");
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|address| address == local) && fields.nth(1) == Some(established)
    };
    table.lines().filter(is_open).count()
}

#[tokio::test]
async fn a_client_that_trickles_does_not_hold_the_edge_after_its_session() {
    let nodes = start(2, NATIVE).await;
    let mut session = Session::open(&nodes).await;
    let mut ws = session.websocket().await;
    let port = nodes[1].server.address.socket.port();
    until(|| open_connections(port) == 1).await;
    let message = "x".repeat(100_000);
    let flooding = async {
        // More than it takes, until its session ends.
        while nodes[0].reasons().is_empty() {
            nodes[0].io().emit("e", &message).await.unwrap();
            tokio::time::sleep(ms(1)).await;
        }
    };
    within("the end of the session", flooding).await;
    assert_eq!(nodes[0].reasons(), [DisconnectReason::TransportError]);
    // The edge is not to wait for the owner's last words.
    nodes[0].tap.set_connected(false);
    let trickling = tokio::spawn(async move {
        let mut some = [0; 1024];
        while let Ok(1..) = ws.http.io().read(&mut some).await {
            tokio::time::sleep(ms(100)).await;
        }
    });
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(open_connections(port), 1, "it may take what was sent");
    until(|| open_connections(port) == 0).await;
    trickling.abort();
}

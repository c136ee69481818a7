//! Many rooms, many joins, many emits from outside; and a server as a user of the library builds it.

use std::time::{Duration, Instant};

use actix_socketio::cluster::{Credentials, Emitter, NatsOptions};
use actix_socketio::{Data, Socket};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use crate::nats::{acquainted, builder, nodes};
use crate::nats_server::{NatsServer, scratch};
use crate::support::{IoServer, Transport, Variant};
use crate::{LONG, client, ms, until};

#[actix_web::test]
async fn a_thousand_emits_of_one_emitter_arrive_in_order_once() {
    let server = NatsServer::start(&[]);
    let all = nodes::<3>(&server).await;
    let mut clients = Vec::new();
    for node in &all {
        for _ in 0..2 {
            let (client, socket) = client(node).await;
            socket.join("r").await.unwrap();
            clients.push(client);
        }
    }
    let emitter = Emitter::connect(server.url()).await.unwrap();
    for number in 0..1000_usize {
        emitter.to("r").emit("n", &[number]).unwrap();
    }
    let confirmed = emitter.to("r").confirmed(LONG);
    let receipts = join_all((1000..2000_usize).map(|number| {
        let confirmed = &confirmed;
        async move { confirmed.emit("n", &[number]).await }
    }));
    for receipt in receipts.await {
        let receipt = receipt.unwrap();
        assert_eq!((receipt.nodes, receipt.sockets, receipt.missing), (3, 6, vec![]));
    }
    emitter.to("r").emit("last", &[0]).unwrap();
    for client in &clients {
        for number in 0..2000_usize {
            assert_eq!(client.expect::<usize>("n").await.unwrap(), number);
        }
        client.expect::<usize>("last").await.unwrap();
    }
    let refused = confirmed.emit("connect", &[0]).await.unwrap_err().to_string();
    assert!(refused.contains("reserved"), "{refused}");
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[actix_web::test]
async fn a_hundred_thousand_rooms_share_the_buckets() {
    const ROOMS: usize = 100_000;
    let server = NatsServer::start(&[]);
    // With the usual times: both nodes share a thread with the clients, which an unoptimized build keeps busy.
    let (io, other) =
        (builder(server.url(), "one").await.build(), builder(server.url(), "two").await.build());
    acquainted(&[&io, &other]).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(client(&io).await);
    }
    let begin = Instant::now();
    let before = resident();
    for (index, (_, socket)) in clients.iter().enumerate() {
        let rooms: Vec<String> = (0..1000).map(|number| format!("room {}", index * 1000 + number)).collect();
        assert!(socket.join(rooms).await.unwrap().missing_nodes.is_empty());
    }
    let after = resident();
    println!("{ROOMS} rooms in {:?}, {} bytes each", begin.elapsed(), (after - before) / ROOMS);
    assert!((after - before) / ROOMS < 4096, "bytes for a room");
    assert!(io.cluster_stats().subscriptions <= 1025, "{:?}", io.cluster_stats());
    other.to("room 77777").emit("e", &1).await.unwrap();
    assert_eq!(clients[77].0.expect::<i32>("e").await.unwrap(), 1);

    // And 1,000 joins and as many leaves per second.
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < ms(3000) {
        let (_client, passer_by) = client(&io).await;
        for number in 0..100 {
            let room = format!("passing {rounds} {number}");
            assert!(passer_by.join(&*room).await.unwrap().missing_nodes.is_empty());
            passer_by.leave(&room).await;
        }
        rounds += 1;
        let due = Duration::from_millis(100) * rounds;
        tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
    }
    assert!(rounds >= 25, "only {} joins in 3 s", rounds * 100);
    assert!(io.cluster_stats().subscriptions <= 1025);
    other.to("room 1").emit("e", &2).await.unwrap();
    assert_eq!(clients[0].0.expect::<i32>("e").await.unwrap(), 2);
    for node in [&io, &other] {
        let stats = node.cluster_stats();
        assert_eq!((stats.lost, stats.unsent, stats.refused), (0, 0, 0));
        assert_eq!(node.nodes().len(), 2);
    }
}

#[actix_web::test]
async fn an_emit_after_a_join_arrives_across_servers() {
    let servers = NatsServer::cluster::<2>(false);
    let mut all = Vec::new();
    for server in &servers {
        // Each round opens its subject anew.
        all.push(builder(server.url(), "n").await.cluster(|cluster| cluster.linger = ms(1)).build());
    }
    let [io, other] = &all[..] else { panic!() };
    acquainted(&[io, other]).await;
    let ((a, a_socket), (b, b_socket)) = (client(io).await, client(other).await);
    for number in 0..400_usize {
        let room = format!("room {number}");
        assert!(a_socket.join(&*room).await.unwrap().missing_nodes.is_empty());
        other.to(&*room).emit("e", &number).await.unwrap();
        assert_eq!(a.expect::<usize>("e").await.unwrap(), number);
        assert!(b_socket.join(&*room).await.unwrap().missing_nodes.is_empty());
        a_socket.to(&*room).emit("e", &number).await.unwrap();
        assert_eq!(b.expect::<usize>("e").await.unwrap(), number);
        a_socket.leave(&room).await;
        b_socket.leave(&room).await;
    }
    for node in [io, other] {
        assert_eq!(node.cluster_stats().lost, 0);
        until(|| node.cluster_stats().subscriptions < 300).await;
    }
}

fn pem(name: &str, what: &str, der: &[u8]) -> std::path::PathBuf {
    let file = scratch(name);
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> =
        encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    std::fs::write(&file, format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n")))
        .unwrap();
    file
}

#[actix_web::test]
async fn what_a_new_node_says_reaches_rooms_that_opened_while_it_came() {
    // Two servers: what one of them knows of subscriptions, the other one learns later.
    let servers = NatsServer::cluster::<2>(false);
    let io = builder(servers[0].url(), "old").await.build();
    assert!(io.cluster_ready(LONG).await);
    let (member, socket) = client(&io).await;
    for round in 0..8 {
        let new = builder(servers[1].url(), "new").await.build();
        let rooms: Vec<_> = (0..20).map(|number| format!("{round} {number}")).collect();
        let joining = async {
            for room in &rooms {
                socket.join(&**room).await.unwrap();
                tokio::time::sleep(ms(round * 2)).await;
            }
        };
        let (_, is_ready) = tokio::join!(joining, new.cluster_ready(LONG));
        assert!(is_ready);
        for room in &rooms {
            new.to(&**room).emit("news", room).await.unwrap();
            assert_eq!(member.expect::<String>("news").await.unwrap(), *room);
        }
        new.close().await;
        until(|| io.nodes().len() == 1).await;
    }
}

#[actix_web::test]
async fn a_server_over_tls_with_a_token() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = pem("server.pem", "CERTIFICATE", certified.cert.der());
    let key = pem("key.pem", "PRIVATE KEY", &certified.signing_key.serialize_der());
    let server = NatsServer::configured(&format!(
        "authorization {{ token: \"s3cret\" }}\ntls {{ cert_file: {certificate:?}, key_file: {key:?} }}"
    ));
    let options = || {
        let mut options = NatsOptions::new([format!("tls://127.0.0.1:{}", server.port)])
            .credentials(Credentials::Token("s3cret".to_owned().into()));
        options.root_certificates = vec![certificate.clone()];
        options
    };
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for name in ["one", "two"] {
        let io = builder(options(), name).await.build();
        io.of("/")
            .on("join", async |socket: Socket, Data(room): Data<String>| {
                socket.join(room).await.map(|_| "joined").map_err(|error| error.to_string())
            })
            .on("say", async |socket: Socket, Data(text): Data<String>| {
                socket.to("lobby").emit("said", &text).await.map_err(|error| error.to_string())
            });
        servers
            .push(IoServer::start(Variant { transport: Transport::Native, workers: 2, relayed: false }, io));
    }
    acquainted(&[&servers[0].io, &servers[1].io]).await;
    for server in &servers {
        let mut client = server.connect().await;
        client.send(r#"421["join","lobby"]"#).await;
        assert_eq!(client.text().await, r#"431["joined"]"#);
        clients.push(client);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        clients[from].send(r#"42["say","hello"]"#).await;
        assert_eq!(clients[to].text().await, r#"42["said","hello"]"#);
    }
}

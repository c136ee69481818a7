//! The broker goes away, or one node's way to it, or one server of several; and what comes faster than it can be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_socketio::cluster::NatsOptions;
use actix_socketio::test::TestClient;
use actix_socketio::{Socket, SocketIo};

use crate::nats::{NatsServer, acquainted, nodes, quick};
use crate::proxy::{Proxy, Way};
use crate::{client, ms, until};

/// Emits numbers to the room `r` until told to stop: how many.
fn talk(io: &SocketIo, pause: Duration) -> (Arc<AtomicBool>, actix_web::rt::task::JoinHandle<usize>) {
    let (stop, io) = (Arc::new(AtomicBool::new(false)), io.clone());
    let stopped = stop.clone();
    let talking = actix_web::rt::spawn(async move {
        let mut number = 0_usize;
        while !stopped.load(Ordering::Relaxed) {
            io.to("r").emit("n", &number).await.unwrap();
            number += 1;
            tokio::time::sleep(pause).await;
        }
        number
    });
    (stop, talking)
}

/// The numbers up to an event `last`.
async fn numbers(client: &TestClient) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let next = client.next().await.unwrap();
        match &*next.name {
            "n" => numbers.push(next.args.deserialize().unwrap()),
            "last" => return numbers,
            other => panic!("{other}"),
        }
    }
}

/// Each node emits, and each client gets it.
async fn everybody_reaches_everybody(nodes: &[&SocketIo], clients: &[&TestClient]) {
    for node in nodes {
        node.emit("last", &()).await.unwrap();
        for client in clients {
            client.expect::<()>("last").await.unwrap();
        }
    }
}

fn reachable(io: &SocketIo) -> usize {
    io.nodes().into_iter().filter(|node| node.is_reachable).count()
}

fn ids(nodes: &[&SocketIo]) -> BTreeSet<String> {
    nodes.iter().map(|node| node.node_id().to_owned()).collect()
}

/// Two nodes with a member of the room `r` each, and the broker is away for so long.
async fn the_broker_is_away_for(outage: Duration) {
    let mut server = NatsServer::start(&[]);
    let [one, two] = nodes(&server).await;
    let ((a, a_socket), (b, b_socket)) = (client(&one).await, client(&two).await);
    for socket in [&a_socket, &b_socket] {
        assert!(socket.join("r").await.unwrap().missing_nodes.is_empty());
    }
    let (stop, talking) = talk(&one, ms(5));
    assert_eq!(b.expect::<usize>("n").await.unwrap(), 0);

    server.stop();
    until(|| !one.is_cluster_connected() && !two.is_cluster_connected()).await;
    let begin = Instant::now();
    while begin.elapsed() < outage {
        // A round trip within the node, among all the other numbers.
        let sent = Instant::now();
        a_socket.emit("here", &()).await.unwrap();
        a.wait_for::<()>("here").await.unwrap();
        assert!(sent.elapsed() < ms(500), "local delivery is late: {:?}", sent.elapsed());
        tokio::time::sleep(ms(20)).await;
    }
    // Nobody hangs, and nobody claims that all have answered.
    let asked = Instant::now();
    let (joined, found) = tokio::join!(b_socket.join("meanwhile"), two.fetch_sockets());
    assert!(asked.elapsed() < ms(3000), "{:?}", asked.elapsed());
    for missing in [joined.unwrap().missing_nodes, found.missing_nodes] {
        assert_eq!(missing, [one.node_id()]);
    }
    assert!(!one.is_cluster_connected());

    server.restart();
    until(|| [&one, &two].iter().all(|node| node.is_cluster_connected() && reachable(node) == 2)).await;
    // Rooms are known again, those of before and those that were joined meanwhile.
    assert!(b_socket.join("afterwards").await.unwrap().missing_nodes.is_empty());
    for room in ["meanwhile", "afterwards"] {
        one.to(room).emit("to b", &room).await.unwrap();
        assert_eq!(b.wait_for::<String>("to b").await.unwrap(), room);
    }
    let found = one.fetch_sockets().await;
    assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
    tokio::time::sleep(ms(100)).await;
    stop.store(true, Ordering::Relaxed);
    let total = talking.await.unwrap();
    one.to("r").emit("last", &()).await.unwrap();
    let (at_a, at_b) = tokio::join!(rest(&a), rest(&b));
    assert!(at_a.is_sorted() && at_b.is_sorted());
    assert_eq!(at_b.last(), Some(&(total - 1)), "it goes on");
    for node in [&one, &two] {
        assert_eq!(node.cluster_stats().reconnects, 1);
    }
}

/// The numbers up to the last, whatever else comes.
async fn rest(client: &TestClient) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let next = client.next().await.unwrap();
        match &*next.name {
            "n" => numbers.push(next.args.deserialize().unwrap()),
            "last" => return numbers,
            _ => {}
        }
    }
}

#[actix_web::test]
async fn the_broker_is_away_for_a_second() {
    the_broker_is_away_for(ms(1000)).await;
}

#[actix_web::test]
async fn the_broker_is_away_for_ten_seconds() {
    the_broker_is_away_for(ms(10_000)).await;
}

#[actix_web::test]
#[ignore = "takes more than a minute: see tests/README.md"]
async fn the_broker_is_away_for_a_minute() {
    the_broker_is_away_for(ms(60_000)).await;
}

#[actix_web::test]
async fn what_an_outage_swallows_is_counted() {
    let mut server = NatsServer::start(&[]);
    let [one, two] = nodes(&server).await;
    let (b, b_socket) = client(&two).await;
    b_socket.join("r").await.unwrap();
    let (stop, talking) = talk(&one, ms(1));
    b.wait_for::<usize>("n").await.unwrap();
    for _ in 0..3 {
        server.stop();
        until(|| !one.is_cluster_connected()).await;
        server.restart();
        until(|| one.is_cluster_connected() && two.is_cluster_connected()).await;
        // Behind this, a number comes or is missed.
        b_socket.join("fence").await.unwrap();
        tokio::time::sleep(ms(300)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let total = talking.await.unwrap();
    until(|| reachable(&one) == 2 && reachable(&two) == 2).await;
    one.to("r").emit("last", &()).await.unwrap();
    let got = numbers(&b).await;
    let order: BTreeSet<_> = got.iter().copied().collect();
    assert_eq!(order.into_iter().collect::<Vec<_>>(), got, "in order, each once");
    // The first was taken above.
    let missing = (total - 1 - got.len()) as u64;
    let stats = two.cluster_stats();
    assert!(missing <= stats.lost, "{missing} of {total} did not come, {stats:?}");
    assert_eq!((stats.reconnects, stats.refused), (3, 0));
}

/// One node of three is parted from the others, and comes back.
async fn a_node_is_parted(way: Way) {
    let server = NatsServer::start(&[]);
    let proxy = Proxy::start(server.port).await;
    let parted = quick(proxy.url(), "parted").await.build();
    let one = quick(server.url(), "one").await.build();
    let two = quick(server.url(), "two").await.build();
    let all = [&parted, &one, &two];
    acquainted(&all).await;
    let mut clients = Vec::new();
    for node in all {
        let (client, socket) = client(node).await;
        socket.join("r").await.unwrap();
        clients.push((client, socket));
    }
    let receivers: Vec<_> = clients.iter().map(|(client, _)| client).collect();
    everybody_reaches_everybody(&all, &receivers).await;

    for round in 0..2 {
        proxy.set(way);
        let begin = Instant::now();
        while begin.elapsed() < ms(2500) {
            // Who is parted from the others knows that, from the first moment on: it counts them, or names them.
            let asked = Instant::now();
            let found = parted.fetch_sockets().await;
            assert!(asked.elapsed() < ms(2500));
            assert_eq!(found.sockets.len() + found.missing_nodes.len(), 3, "{:?}", found.missing_nodes);
            assert!(found.missing_nodes.iter().all(|id| ids(&[&one, &two]).contains(id)));
            parted.local().emit("here", &()).await.unwrap();
            receivers[0].expect::<()>("here").await.unwrap();
            tokio::time::sleep(ms(20)).await;
        }
        assert_eq!(reachable(&parted), 1);
        let joined = clients[0].1.join(format!("while {way:?}")).await.unwrap();
        assert_eq!(joined.missing_nodes.len(), 2, "nobody could be told");
        // For the others it is dead: they go on without it.
        until(|| one.nodes().len() == 2 && two.nodes().len() == 2).await;
        let asked = Instant::now();
        let found = one.fetch_sockets().await;
        assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
        assert!(asked.elapsed() < ms(500), "nobody waits for it");
        two.to("r").emit("without", &()).await.unwrap();
        for client in &receivers[1..] {
            client.expect::<()>("without").await.unwrap();
        }

        proxy.set(Way::Open);
        until(|| all.iter().all(|node| reachable(node) == 3)).await;
        for ((_, socket), node) in clients.iter().zip(all) {
            let missing = socket.join("healed").await.unwrap().missing_nodes;
            assert!(missing.is_empty(), "round {round}, {} of {:?}: {missing:?}", node.node_id(), ids(&all));
        }
        // What the broker kept comes late, if at all.
        for node in [&one, &two] {
            node.to("r").emit("back", &round).await.unwrap();
            for client in &receivers {
                client.wait_for::<i32>("back").await.unwrap();
            }
        }
        everybody_reaches_everybody(&all, &receivers).await;
        for node in all {
            let asked = Instant::now();
            let found = node.to("r").fetch_sockets().await;
            assert_eq!((found.sockets.len(), found.missing_nodes), (3, vec![]));
            assert_eq!(node.of("/").room_size("healed").await.members, 3);
            assert!(asked.elapsed() < ms(1000), "answers are not taken for old ones: {:?}", asked.elapsed());
            node.to("healed").emit("healed", &()).await.unwrap();
            for client in &receivers {
                client.expect::<()>("healed").await.unwrap();
            }
        }
        for (_, socket) in &clients {
            socket.leave("healed").await;
        }
    }
}

#[actix_web::test]
async fn a_node_is_cut_off_and_back() {
    a_node_is_parted(Way::Cut).await;
}

#[actix_web::test]
async fn the_way_of_a_node_stalls_and_goes_on() {
    a_node_is_parted(Way::Stalled).await;
}

#[actix_web::test]
async fn one_of_three_servers_dies_while_nodes_talk() {
    let mut servers = NatsServer::cluster::<3>();
    let mut all = Vec::new();
    for server in &servers {
        all.push(quick(server.url(), "n").await.build());
    }
    let all: [SocketIo; 3] = all.try_into().unwrap();
    let [moving, one, two] = &all;
    acquainted(&[moving, one, two]).await;
    let mut clients = Vec::new();
    for node in &all {
        let (client, socket): (TestClient, Socket) = client(node).await;
        assert!(socket.join("r").await.unwrap().missing_nodes.is_empty());
        clients.push((client, socket));
    }
    let mut talking = Vec::new();
    for node in &all {
        let (io, name) = (node.clone(), node.node_id().to_owned());
        talking.push(actix_web::rt::spawn(async move {
            for number in 0..1000_usize {
                io.to("r").emit("n", &(&name, number)).await.unwrap();
                tokio::time::sleep(ms(3)).await;
            }
        }));
    }
    tokio::time::sleep(ms(500)).await;
    servers[0].stop();
    for talking in talking {
        talking.await.unwrap();
    }
    until(|| all.iter().all(|node| reachable(node) == 3 && node.is_cluster_connected())).await;
    // Behind it, everything has come or will not.
    clients[0].1.join("fence").await.unwrap();
    tokio::time::sleep(ms(500)).await;
    for node in &all {
        node.to("r").emit("last", &()).await.unwrap();
    }
    assert_eq!(moving.cluster_stats().reconnects, 1);
    for ((client, _), node) in clients.iter().zip(&all) {
        let mut got = vec![Vec::new(); 3];
        let mut lasts = 0;
        while lasts < 3 {
            let next = client.next().await.unwrap();
            if next.name == "last" {
                lasts += 1;
                continue;
            }
            let (from, number): (String, usize) = next.args.deserialize().unwrap();
            got[all.iter().position(|node| node.node_id() == from).unwrap()].push(number);
        }
        let mut missing = 0;
        for (from, numbers) in all.iter().zip(&got) {
            let each_once: BTreeSet<_> = numbers.iter().copied().collect();
            assert_eq!(&each_once.into_iter().collect::<Vec<_>>(), numbers, "in order, each once");
            missing += 1000 - numbers.len() as u64;
            let has_moved = [node, from].iter().any(|node| node.node_id() == moving.node_id());
            assert!(!has_moved || numbers.len() > 500, "it goes on after the failover");
            assert!(has_moved || numbers.len() == 1000, "nothing between the nodes of servers that live");
        }
        let stats = node.cluster_stats();
        assert!(missing <= stats.lost, "{missing} did not come, {stats:?}");
    }
}

#[actix_web::test]
async fn a_burst_that_is_too_fast_is_noticed() {
    const BURST: usize = 20_000;
    let server = NatsServer::start(&[]);
    let one = quick(server.url(), "one").await.build();
    let mut options = NatsOptions::from(server.url());
    (options.subscription_capacity, options.inbound_capacity) = (64, 64);
    let two = quick(options, "two").await.build();
    acquainted(&[&one, &two]).await;
    let ((_a, a_socket), (b, b_socket)) = (client(&one).await, client(&two).await);
    for socket in [&a_socket, &b_socket] {
        socket.join("r").await.unwrap();
    }
    for number in 0..BURST {
        one.to("r").emit("n", &number).await.unwrap();
    }
    // It is quiet again.
    until(|| reachable(&one) == 2 && reachable(&two) == 2).await;
    tokio::time::sleep(ms(500)).await;
    one.to("r").emit("last", &()).await.unwrap();
    let got = numbers(&b).await;
    let each_once: BTreeSet<_> = got.iter().copied().collect();
    assert_eq!(each_once.into_iter().collect::<Vec<_>>(), got, "in order, each once");
    let missing = (BURST - got.len()) as u64;
    let stats = two.cluster_stats();
    assert!(missing > 0, "the burst was too slow for this test");
    assert!(missing <= stats.lost, "{missing} did not come, {stats:?}");
    let found = one.to("r").fetch_sockets().await;
    assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
    assert!(b_socket.join("new").await.unwrap().missing_nodes.is_empty());
    one.to("new").emit("new", &()).await.unwrap();
    b.expect::<()>("new").await.unwrap();
}

#[actix_web::test]
async fn a_node_that_reads_too_slowly_is_cut_off_by_the_broker_and_noticed() {
    let server = NatsServer::configured("max_pending: 1MB\nmax_payload: 100KB\nwrite_deadline: \"1s\"");
    let proxy = Proxy::start(server.port).await;
    let slow = quick(proxy.url(), "slow").await.build();
    let one = quick(server.url(), "one").await.build();
    acquainted(&[&slow, &one]).await;
    let (a, a_socket) = client(&slow).await;
    let (_b, b_socket) = client(&one).await;
    for socket in [&a_socket, &b_socket] {
        socket.join("r").await.unwrap();
    }
    // Of a subject on which nothing was ever heard nobody can tell what is missing.
    one.to("r").emit("first", &()).await.unwrap();
    a.expect::<()>("first").await.unwrap();
    proxy.set(Way::Stalled);
    let large = "x".repeat(50_000);
    const COUNT: usize = 600;
    for number in 0..COUNT {
        one.to("r").emit("n", &(number, &large)).await.unwrap();
        tokio::time::sleep(ms(2)).await;
    }
    tokio::time::sleep(ms(1500)).await;
    proxy.set(Way::Open);
    until(|| slow.cluster_stats().reconnects == 1).await;
    until(|| reachable(&slow) == 2 && reachable(&one) == 2).await;
    a_socket.join("fence").await.unwrap();
    one.to("r").emit("last", &()).await.unwrap();
    let mut got = Vec::new();
    loop {
        let next = a.next().await.unwrap();
        match &*next.name {
            "last" => break,
            _ => got.push(next.args.deserialize::<(usize, String)>().unwrap().0),
        }
    }
    assert!(got.is_sorted());
    let missing = (COUNT - got.len()) as u64;
    let stats = slow.cluster_stats();
    assert!(missing > 0, "the broker was patient");
    assert!(missing <= stats.lost, "{missing} did not come, {stats:?}");
    let found = slow.to("r").fetch_sockets().await;
    assert_eq!((found.sockets.len(), found.missing_nodes), (2, vec![]));
}

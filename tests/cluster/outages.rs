//! The broker goes away, or one node's way to it, or one server of several.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_socketio::test::TestClient;
use actix_socketio::{RoomEvent, RoomHandle, Socket, SocketIo};

use crate::nats::{acquainted, quick};
use crate::nats_server::NatsServer;
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

/// Each node emits, and each client gets it.
async fn everybody_reaches_everybody(nodes: &[&SocketIo], clients: &[&TestClient]) {
    for node in nodes {
        node.emit("last", &()).await.unwrap();
        for client in clients {
            client.expect::<()>("last").await.unwrap();
        }
    }
}

pub(crate) fn reachable(io: &SocketIo) -> usize {
    io.nodes().into_iter().filter(|node| node.is_reachable).count()
}

fn ids(nodes: &[&SocketIo]) -> BTreeSet<String> {
    nodes.iter().map(|node| node.node_id().to_owned()).collect()
}

/// Two nodes with a member of the room `r` each, and the broker is away for so long.
async fn the_broker_is_away_for(outage: Duration) {
    let mut server = NatsServer::start(&[]);
    let (one, two) = (quick(server.url(), "one").await.build(), quick(server.url(), "two").await.build());
    acquainted(&[&one, &two]).await;
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
async fn the_broker_is_away_for_a_minute() {
    the_broker_is_away_for(ms(60_000)).await;
}

#[actix_web::test]
async fn what_an_outage_swallows_is_counted() {
    let mut server = NatsServer::start(&[]);
    let (one, two) = (quick(server.url(), "one").await.build(), quick(server.url(), "two").await.build());
    acquainted(&[&one, &two]).await;
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
    let got = rest(&b).await;
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

/// The actor of a room that does nothing.
struct Watch;

impl Actor for Watch {
    type Context = Context<Self>;
}

impl Handler<RoomEvent> for Watch {
    type Result = ();
    fn handle(&mut self, _: RoomEvent, _: &mut Self::Context) {}
}

#[actix_web::test]
async fn what_nodes_know_of_each_others_rooms_is_right_again() {
    let server = NatsServer::start(&[]);
    let proxy = Proxy::start(server.port).await;
    let parted = quick(proxy.url(), "parted").await.build();
    let one = quick(server.url(), "one").await.build();
    acquainted(&[&parted, &one]).await;
    let (sender, rooms) = std::sync::mpsc::channel();
    one.of("/").rooms(move |room: RoomHandle| {
        sender.send(room).unwrap();
        Watch
    });
    let (_a, a) = client(&one).await;
    a.join("r").await.unwrap();
    let room = rooms.recv_timeout(ms(5000)).unwrap();
    let [(_b, b), (_c, c)] = [client(&parted).await, client(&parted).await];
    let of_parted = parted.node_id().to_owned();
    // Too short to be noticed by the other, and long enough.
    for pause in [200, 1500] {
        b.join("r").await.unwrap();
        until(|| room.other_nodes() == [(of_parted.clone(), 1)]).await;
        proxy.set(Way::Cut);
        until(|| !parted.is_cluster_connected()).await;
        b.leave("r").await;
        tokio::time::sleep(ms(pause)).await;
        proxy.set(Way::Open);
        until(|| room.other_nodes().is_empty() && reachable(&one) == 2 && reachable(&parted) == 2).await;
        proxy.set(Way::Cut);
        until(|| !parted.is_cluster_connected()).await;
        let _ = tokio::join!(b.join("r"), c.join("r"));
        tokio::time::sleep(ms(pause)).await;
        proxy.set(Way::Open);
        until(|| !room.other_nodes().is_empty() && reachable(&one) == 2 && reachable(&parted) == 2).await;
        assert_eq!(room.size().await.members, 3);
        c.leave("r").await;
        b.leave("r").await;
        until(|| room.other_nodes().is_empty()).await;
    }
}

#[actix_web::test]
async fn one_of_three_servers_dies_while_nodes_talk() {
    let mut servers = NatsServer::cluster::<3>(false);
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

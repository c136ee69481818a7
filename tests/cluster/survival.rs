//! Nodes that die, say goodbye, or sleep: what the others and their clients notice.

use std::time::{Duration, Instant};

use actix_socketio::config::ClusterConfig;
use actix_socketio::test::TestClient;
use actix_socketio::{Socket, SocketIo};
use serde_json::{Value, json};

use crate::nats::{builder, nodes};
use crate::nats_server::NatsServer;
use crate::processes::{Client, Process};
use crate::{client, ms, until};

/// A node of this process, and two processes with a client each.
async fn cluster(server: &NatsServer) -> (SocketIo, [Process; 2], [Client; 2]) {
    let starting = [(); 2].map(|()| Process::starting(&server.url()));
    let io = builder(server.url(), "here").await.build();
    assert!(io.cluster_ready(ms(10_000)).await);
    let processes = starting.map(|process| process.wait());
    let clients = [processes[0].client().await, processes[1].client().await];
    until(|| io.nodes().len() == 3).await;
    (io, processes, clients)
}

/// The numbers that came in `msg` from whom, until the last of `io`'s.
async fn numbers_of_io(mut next: impl AsyncFnMut() -> Value, last: u64) -> (Vec<u64>, Vec<u64>) {
    let (mut here, mut doomed) = (Vec::new(), Vec::new());
    while here.last() != Some(&last) {
        let (from, number): (String, u64) = serde_json::from_value(next().await).unwrap();
        if from == "here" { here.push(number) } else { doomed.push(number) }
    }
    (here, doomed)
}

#[actix_web::test]
async fn a_node_is_killed_while_everybody_talks() {
    const LAST: u64 = 1500;
    let server = NatsServer::start(&[]);
    let (io, [mut doomed, _survivor], [mut of_doomed, mut of_survivor]) = cluster(&server).await;
    let (here, socket) = client(&io).await;
    assert!(socket.join("r").await.unwrap().missing_nodes.is_empty());
    of_doomed.join("r").await;
    of_survivor.join("r").await;
    let dead = of_doomed.node().to_owned();

    let talking = {
        let io = io.clone();
        actix_web::rt::spawn(async move {
            for number in 0..=LAST {
                io.to("r").emit("msg", &json!(["here", number])).await.unwrap();
                tokio::time::sleep(ms(2)).await;
            }
        })
    };
    // The doomed one talks, too, up to its death.
    for number in 0..1000 {
        of_doomed.emit("bcast", &[json!("r"), json!(["doomed", number])]).await;
    }
    // What is asked when it no longer answers, and is not known to be dead.
    doomed.signal("STOP");
    let begin = Instant::now();
    let pending = {
        let (io, id) = (io.clone(), of_doomed.id.clone());
        async move {
            let all = async {
                let found = io.fetch_sockets().await;
                (found, begin.elapsed())
            };
            let servers = io.server_side_emit_with_ack::<Value, _>("ping", &1);
            let one = io.to(&*id).timeout(Duration::from_secs(30));
            let one =
                async { one.emit_with_ack::<Value, _>("ask", &()).await.map(|acks| (acks, begin.elapsed())) };
            tokio::join!(all, one, servers)
        }
    };
    let pending = actix_web::rt::spawn(pending);
    tokio::time::sleep(ms(300)).await;
    doomed.kill();

    let one = async || here.expect::<Value>("msg").await.unwrap();
    let two = async || of_survivor.next().await[1].clone();
    let ((from_here, from_doomed), (also_from_here, also_from_doomed)) =
        tokio::join!(numbers_of_io(one, LAST), numbers_of_io(two, LAST));
    let all: Vec<_> = (0..=LAST).collect();
    assert!(from_here == all && also_from_here == all, "every message, once, in order");
    for numbers in [from_doomed, also_from_doomed] {
        let begin: Vec<_> = (0..numbers.len() as u64).collect();
        assert_eq!(numbers, begin, "what it said before its death, in order");
    }
    talking.await.unwrap();

    let ((found, found_after), acks, servers) = pending.await.unwrap();
    let servers = servers.unwrap();
    assert_eq!(servers.missing_nodes, [&*dead]);
    assert_eq!(servers.answers, [(of_survivor.node().to_owned(), json!([of_survivor.node(), 1]))]);
    let (acks, acked_after) = acks.unwrap();
    assert_eq!(found.missing_nodes, [&*dead]);
    assert_eq!(found.sockets.len(), 2);
    assert_eq!(acks.answers.len(), 0);
    assert_eq!(acks.missing_nodes, [&*dead]);
    assert!(found_after < ms(4950), "found dead before the timeout: {found_after:?}");
    assert!(acked_after < ms(8000), "{acked_after:?}");

    until(|| io.nodes().len() == 2).await;
    let begin = Instant::now();
    assert!(io.fetch_sockets().await.missing_nodes.is_empty());
    assert!(socket.join("new").await.unwrap().missing_nodes.is_empty());
    assert_eq!(of_survivor.ask("remote-join", &[json!(here.id()), json!("newer")]).await, "ok");
    assert!(begin.elapsed() < ms(2000), "nobody waits for the dead");
    assert!(io.nodes().iter().all(|node| node.id != dead));
}

#[actix_web::test]
async fn acknowledgements_of_a_killed_nodes_sockets_are_missing() {
    let server = NatsServer::start(&[]);
    let (io, [mut doomed, _survivor], [mut of_doomed, mut of_survivor]) = cluster(&server).await;
    let operator = io.timeout(Duration::from_secs(30));
    let begin = Instant::now();
    let killing = async {
        assert_eq!(of_doomed.next().await[0], "ask");
        doomed.kill();
        of_survivor.answer("ask", &json!(7)).await;
    };
    let (acks, ()) = tokio::join!(operator.emit_with_ack::<i32, _>("ask", &()), killing);
    let acks = acks.unwrap();
    assert!(begin.elapsed() < ms(9000), "it ends with the node's death: {:?}", begin.elapsed());
    assert_eq!(acks.answers.len(), 1);
    assert_eq!((&*acks.answers[0].socket, acks.answers[0].data), (&*of_survivor.id, 7));
    let is_named = acks.missing.contains(&of_doomed.id) || acks.missing_nodes == [of_doomed.node()];
    assert!(is_named, "{acks:?}");
}

#[actix_web::test]
async fn a_node_that_is_terminated_says_goodbye() {
    let server = NatsServer::start(&[]);
    let (io, [mut leaving, _staying], [mut of_leaving, mut of_staying]) = cluster(&server).await;
    for room in 0..50 {
        of_leaving.join(&format!("r{room}")).await;
        of_staying.join(&format!("r{room}")).await;
    }
    leaving.signal("TERM");
    until(|| leaving.has_ended()).await;
    let ended = Instant::now();
    until(|| io.nodes().len() == 2).await;
    assert!(ended.elapsed() < ms(500), "dropped at once: {:?}", ended.elapsed());
    // Nothing that it said at its end brings it back.
    while ended.elapsed() < ms(1500) {
        assert_eq!(io.nodes().len(), 2);
        tokio::time::sleep(ms(10)).await;
    }
    let begin = Instant::now();
    assert!(io.fetch_sockets().await.missing_nodes.is_empty());
    assert_eq!(of_staying.ask("fetch", &[json!("r0")]).await, json!([of_staying.id]));
    assert!(begin.elapsed() < ms(500));
    assert_eq!(io.cluster_stats().lost, 0);
}

#[actix_web::test]
async fn what_is_said_after_a_goodbye_arrives_and_brings_nobody_back() {
    let server = NatsServer::start(&[]);
    let [leaving, staying] = nodes(&server).await;
    leaving.of("/").on_disconnect(async |socket: Socket| {
        tokio::time::sleep(ms(300)).await;
        socket.to("r").emit("bye", &1).await
    });
    let (_of_leaving, _) = client(&leaving).await;
    let (member, socket) = client(&staying).await;
    socket.join("r").await.unwrap();
    let closing = actix_web::rt::spawn(async move { leaving.close().await });
    until(|| staying.nodes().len() == 1).await;
    assert_eq!(member.expect::<i32>("bye").await.unwrap(), 1);
    closing.await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < ms(300) {
        assert_eq!(staying.nodes().len(), 1);
        tokio::time::sleep(ms(5)).await;
    }
}

#[actix_web::test]
async fn a_node_that_slept_is_a_node_again() {
    let server = NatsServer::start(&[]);
    let (io, [sleeping, _awake], [mut of_sleeping, mut of_awake]) = cluster(&server).await;
    let (here, socket) = client(&io).await;
    socket.join("r").await.unwrap();
    of_sleeping.join("r").await;
    of_awake.join("r").await;
    let asleep = of_sleeping.node().to_owned();
    // Short enough for one side not to notice; long enough for both.
    for pause in [2800, 5000] {
        sleeping.signal("STOP");
        let begin = Instant::now();
        let mut number = 0;
        while begin.elapsed() < ms(pause) {
            io.to("r").emit("msg", &json!(number)).await.unwrap();
            number += 1;
            tokio::time::sleep(ms(5)).await;
        }
        sleeping.signal("CONT");
        // It was only slow: the broker kept what was for it.
        for expected in 0..number {
            assert_eq!(here.expect::<u64>("msg").await.unwrap(), expected);
            assert_eq!(of_awake.next().await[1], expected);
            assert_eq!(of_sleeping.next().await[1], expected);
        }
        until(|| io.nodes().iter().any(|node| node.id == asleep && node.is_reachable)).await;
        talk(&io, &here, [&mut of_sleeping, &mut of_awake]).await;
    }
    assert_eq!(io.cluster_stats().lost, 0);
}

/// Everybody reaches everybody, asks everybody, and misses nobody.
async fn talk(io: &SocketIo, here: &TestClient, others: [&mut Client; 2]) {
    // A node that was away may have been forgotten by another; both know that soon.
    let begin = Instant::now();
    let found = loop {
        let found = io.to("r").fetch_sockets().await;
        if found.missing_nodes.is_empty() && found.sockets.len() == 3 || begin.elapsed() > ms(10_000) {
            break found;
        }
    };
    assert_eq!((found.sockets.len(), found.missing_nodes), (3, vec![]));
    let [one, two] = others;
    for client in [&mut *one, &mut *two] {
        let mut ids: Vec<String> = loop {
            let ids: Vec<String> = serde_json::from_value(client.ask("fetch", &[json!("r")]).await).unwrap();
            if ids.len() == 3 || begin.elapsed() > ms(15_000) {
                break ids;
            }
        };
        ids.sort();
        assert_eq!(ids.len(), 3, "asked by {}", client.node());
    }
    one.emit("bcast", &[json!("r"), json!("one")]).await;
    assert_eq!(here.expect::<Value>("msg").await.unwrap(), "one");
    assert_eq!(two.next().await[1], "one");
    assert_eq!(one.next().await[1], "one");
    two.emit("bcast", &[json!("r"), json!("two")]).await;
    assert_eq!(here.expect::<Value>("msg").await.unwrap(), "two");
    assert_eq!(two.next().await[1], "two");
    assert_eq!(one.next().await[1], "two");
}

#[actix_web::test]
async fn a_join_on_another_node_names_who_did_not_confirm_it_there() {
    let server = NatsServer::start(&[]);
    let starting = Process::starting(&server.url());
    let [io, other] = ["io", "other"].map(|name| async { builder(server.url(), name).await });
    // Shorter than a node may be silent: the frozen one is not known to be dead.
    let short = |cluster: &mut ClusterConfig| cluster.request_timeout = ms(2000);
    let [io, other] = [io.await.cluster(short).build(), other.await.cluster(short).build()];
    let sleeping = starting.wait();
    let of_sleeping = sleeping.client().await;
    let asleep = of_sleeping.node();
    until(|| io.nodes().len() == 3 && other.nodes().len() == 3).await;
    let (member, socket) = client(&other).await;
    let fetched = io.to(member.id()).fetch_sockets().await.sockets;
    let [remote] = &fetched[..] else { panic!("{fetched:?}") };
    assert!(remote.join("before").await.unwrap().missing_nodes.is_empty());

    sleeping.signal("STOP");
    let begin = Instant::now();
    let late = async {
        // The first fence is waiting for the frozen node; this needs another one.
        tokio::time::sleep(ms(200)).await;
        let begin = Instant::now();
        let joined = remote.join("late").await.unwrap();
        (joined.missing_nodes, begin.elapsed())
    };
    let operator = io.to(member.id());
    let (reached, (also_missing, after)) = tokio::join!(operator.sockets_join("early"), late);
    assert_eq!((reached.sockets, reached.missing_nodes), (1, vec![asleep.to_owned()]));
    assert!(begin.elapsed() >= ms(1500), "the frozen node had its time");
    assert_eq!(also_missing, [asleep]);
    assert!(after < ms(2000), "the owner's answer came, not the end of the asker's time: {after:?}");
    assert_eq!(socket.rooms(), [member.id(), "before", "early", "late"]);
    assert!(io.to("nobody").sockets_join("x").await.missing_nodes.contains(&asleep.to_owned()));

    sleeping.signal("CONT");
    until(|| [&io, &other].iter().all(|io| io.nodes().iter().filter(|node| node.is_reachable).count() == 3))
        .await;
    // What was not confirmed is asked again.
    let begin = Instant::now();
    while !remote.join("early").await.unwrap().missing_nodes.is_empty() {
        assert!(begin.elapsed() < ms(10_000));
        tokio::time::sleep(ms(50)).await;
    }
}

//! What comes faster than a node can read it: what is lost is counted, and everything goes on.

use std::collections::BTreeSet;

use actix_socketio::cluster::NatsOptions;
use actix_socketio::test::TestClient;

use crate::nats::{acquainted, quick};
use crate::nats_server::NatsServer;
use crate::outages::reachable;
use crate::proxy::{Proxy, Way};
use crate::{client, ms, until};

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

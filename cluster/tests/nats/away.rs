//! NATS is away, comes back empty, is not there yet, or brings more than can be taken.

use std::time::{Duration, Instant};

use socketio_cluster::bus::{Bus, BusEvent, BusEvents};
use socketio_cluster::subject::Subjects;
use socketio_cluster::{Credentials, NatsBus, NatsOptions};

use crate::port::free_port;
use crate::server::NatsServer;
use crate::{LONG, connect, connect_with, message, next, publish, settle};

#[tokio::test]
async fn while_nats_is_away_nothing_waits_and_nothing_old_is_sent() {
    let mut server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let mut options = NatsOptions::from(server.url());
    (options.max_queued, options.max_queued_age) = (100, Duration::from_millis(300));
    let (bus, mut events) = connect_with(options).await;
    bus.subscribe(subjects.control().clone());
    settle(&bus, &mut events).await;
    server.stop();
    assert_eq!(next(&mut events).await, BusEvent::Disconnected);
    assert!(!bus.is_connected());
    let start = Instant::now();
    let taken = (0..10_000).filter(|_| publish(&bus, subjects.control(), "old").is_ok()).count();
    assert!(start.elapsed() < Duration::from_millis(250), "publishing waits");
    // An eighth is for vital messages.
    assert_eq!(taken, 88);
    // Subscribed while nobody is there.
    bus.subscribe(subjects.emit().clone());
    assert_eq!(next(&mut events).await, BusEvent::Unsent(88));
    server.restart();
    assert_eq!(next(&mut events).await, BusEvent::Connected);
    settle(&bus, &mut events).await;
    for subject in [subjects.control(), subjects.emit()] {
        publish(&bus, subject, "new").expect("taken");
        let received = message(&mut events).await;
        assert_eq!((&received.subject, &received.body[..]), (subject, &b"new"[..]));
    }
}

#[tokio::test]
async fn a_server_that_forgot_everything_is_told_again() {
    let mut server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let (bus, mut events) = connect(&server).await;
    bus.subscribe(subjects.control().clone());
    bus.subscribe_queue(subjects.emit().clone(), "nodes");
    for room in 0..200 {
        bus.subscribe(subjects.event("/", &room.to_string()).expect("a short name"));
    }
    settle(&bus, &mut events).await;
    for _ in 0..3 {
        server.stop();
        assert_eq!(next(&mut events).await, BusEvent::Disconnected);
        server.restart();
        assert_eq!(next(&mut events).await, BusEvent::Connected);
        let (other, _events) = connect(&server).await;
        settle(&bus, &mut events).await;
        publish(&other, subjects.control(), "plain").expect("taken");
        publish(&other, subjects.emit(), "queue").expect("taken");
        publish(&other, &subjects.event("/", "199").expect("a short name"), "room").expect("taken");
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(message(&mut events).await.body);
        }
        heard.sort();
        assert_eq!(heard, ["plain", "queue", "room"]);
    }
}

#[tokio::test]
async fn without_a_server_connecting_fails_or_waits() {
    let port = free_port();
    let address = format!("nats://127.0.0.1:{port}");
    assert!(NatsBus::connect(&address).await.is_err());
    assert!(NatsBus::connect(["127.0.0.1:1", "127.0.0.1:2"]).await.is_err());

    let subjects = Subjects::default();
    let start = Instant::now();
    let options = NatsOptions::from(&address).wait_for_server(true);
    let (bus, mut events) = NatsBus::connect(options).await.expect("waits");
    bus.subscribe(subjects.control().clone());
    assert!(start.elapsed() < Duration::from_secs(2), "connecting waits");
    assert!(!bus.is_connected());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(events.try_recv().is_err());
    let _server = NatsServer::start_on(port, &[]);
    assert_eq!(next(&mut events).await, BusEvent::Connected);
    publish(&bus, subjects.control(), "here").expect("taken");
    assert_eq!(&message(&mut events).await.body[..], b"here");
}

#[tokio::test]
async fn whoever_waits_and_is_not_let_in_raises_an_alarm() {
    let log = crate::log::Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut server = NatsServer::start(&["--auth", "another"]);
    let port = server.port;
    let options = NatsOptions::from(server.url()).wait_for_server(true);
    let (bus, mut events) =
        NatsBus::connect(options.credentials(Credentials::Token("secret".into()))).await.expect("waits");
    let deadline = Instant::now() + LONG;
    while !log.has(tracing::Level::ERROR, "NATS refuses us") {
        assert!(Instant::now() < deadline, "no alarm: {log:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!bus.is_connected() && events.try_recv().is_err());
    assert!(!format!("{log:?}").contains("secret"));
    server.stop();
    let _server = NatsServer::start_on(port, &["--auth", "secret"]);
    assert_eq!(next(&mut events).await, BusEvent::Connected);
}

/// How many events of a burst were messages, and how many were told to be lost.
fn count(events: &mut BusEvents) -> (u64, u64) {
    let (mut messages, mut lost) = (0, 0);
    while let Ok(event) = events.try_recv() {
        match event {
            BusEvent::Message(_) => messages += 1,
            BusEvent::Lost(count) => lost += count,
            other => panic!("{other:?}"),
        }
    }
    (messages, lost)
}

/// Publishes more than a subscription of the other bus holds, while the other side does not get to run; that it is over is
/// heard on another subscription.
async fn burst(server: &NatsServer, options: NatsOptions) -> (u64, u64) {
    let subjects = Subjects::default();
    let (bus, mut events) = connect_with(options).await;
    bus.subscribe(subjects.control().clone());
    settle(&bus, &mut events).await;
    let (other, _events) = connect(server).await;
    for _ in 0..5000 {
        publish(&other, subjects.control(), "burst").expect("taken");
    }
    assert!(other.close(LONG).await);
    let (mut messages, mut lost) = (0, 0);
    let deadline = Instant::now() + LONG;
    // Both subscriptions and the client's events have run dry when nothing more comes for a while.
    let mut quiet = 0;
    while quiet < 30 {
        assert!(Instant::now() < deadline, "no end");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (more, more_lost) = count(&mut events);
        quiet = if more + more_lost == 0 { quiet + 1 } else { 0 };
        (messages, lost) = (messages + more, lost + more_lost);
    }
    publish(&bus, subjects.control(), "after").expect("taken");
    loop {
        match next(&mut events).await {
            BusEvent::Message(received) if &received.body[..] == b"after" => break,
            BusEvent::Lost(more) => lost += more,
            other => panic!("{other:?}"),
        }
    }
    (messages, lost)
}

#[tokio::test]
async fn a_burst_larger_than_a_subscription_holds_is_told() {
    let server = NatsServer::start(&[]);
    let mut options = NatsOptions::from(server.url());
    options.subscription_capacity = 16;
    let (messages, lost) = burst(&server, options).await;
    assert!(messages < 5000, "nothing was lost");
    assert!(lost > 0 && messages + lost <= 5000, "{messages} came, {lost} are told to be lost");
}

#[tokio::test]
async fn a_burst_larger_than_the_reader_takes_is_counted() {
    let server = NatsServer::start(&[]);
    let mut options = NatsOptions::from(server.url());
    options.inbound_capacity = 16;
    let (messages, lost) = burst(&server, options).await;
    assert!(lost > 0, "nothing was lost");
    assert_eq!(messages + lost, 5000);
}

#[tokio::test]
async fn an_address_is_refused_before_anything_is_tried() {
    for address in ["", ",", "http://localhost", "nats://"] {
        let options = NatsOptions::from(address).wait_for_server(true);
        assert!(NatsBus::connect(options).await.is_err(), "{address:?}");
    }
}

//! Three NATS servers are one: whoever loses the server it is connected to goes on at another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socketio_cluster::NatsBus;
use socketio_cluster::bus::{Bus, BusEvent, BusEvents};
use socketio_cluster::codec::{self, peek_order};
use socketio_cluster::message::{Envelope, Message};
use socketio_cluster::node::{Epoch, NodeId};
use socketio_cluster::subject::{Subject, Subjects};

use crate::server::NatsServer;
use crate::{LONG, connect, next, publish, settle};

/// Publishes numbered messages on several subjects in turn, until it is told to stop.
async fn keep_publishing(bus: NatsBus, subjects: Vec<Subject>, is_over: Arc<AtomicBool>) {
    let from = NodeId::random();
    let mut order = 0;
    while !is_over.load(Ordering::Relaxed) {
        for subject in &subjects {
            order += 1;
            let envelope =
                Envelope { from, epoch: Epoch(7), order, sequence: 1, message: Message::FenceAnswer(order) };
            // While the bus is away it may be full.
            _ = publish(&bus, subject, codec::encode(&envelope).expect("few items"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Reads until the numbers have risen by `count` messages, and says what else happened.
async fn read(events: &mut BusEvents, last: &mut u64, count: usize) -> Vec<BusEvent> {
    let mut others = Vec::new();
    let deadline = Instant::now() + LONG;
    let mut messages = 0;
    while messages < count {
        assert!(Instant::now() < deadline, "{messages} messages, {others:?}");
        match next(events).await {
            BusEvent::Message(received) => {
                let (_, _, order) = peek_order(&received.body).expect("a number");
                assert!(order > *last, "{order} after {last}");
                *last = order;
                messages += 1;
            }
            other => others.push(other),
        }
    }
    others
}

/// Until the servers know each other and what `bus` has subscribed.
async fn joined(bus: &NatsBus, events: &mut BusEvents, others: &[&NatsServer]) {
    for server in others {
        let (other, _events) = connect(server).await;
        let subject = Subjects::default().node(NodeId::random());
        bus.subscribe(subject.clone());
        let deadline = Instant::now() + LONG;
        while events.try_recv().is_err() {
            assert!(Instant::now() < deadline, "the servers do not find each other");
            publish(&other, &subject, "are you there?").expect("taken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bus.unsubscribe(subject);
    }
    settle_all(bus, events).await;
}

/// Whatever came of questions asked too often is read.
async fn settle_all(bus: &NatsBus, events: &mut BusEvents) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    while events.try_recv().is_ok() {}
    settle(bus, events).await;
}

async fn failover(with_jetstream: bool) {
    let mut servers = NatsServer::cluster::<3>(with_jetstream);
    let subjects = Subjects::default();
    let heard: Vec<_> =
        (0..20).map(|room| subjects.event("/", &room.to_string()).expect("a short name")).collect();
    let (receiver, mut events) = connect(&servers[0]).await;
    joined(&receiver, &mut events, &[&servers[1], &servers[2]]).await;
    for subject in &heard {
        receiver.subscribe(subject.clone());
    }
    settle(&receiver, &mut events).await;
    let (publisher, _events) = connect(&servers[1]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(keep_publishing(publisher, heard, is_over.clone()));
    let mut last = 0;
    assert_eq!(read(&mut events, &mut last, 2000).await, []);

    // The receiver's server dies.
    servers[0].stop();
    let start = Instant::now();
    loop {
        match next(&mut events).await {
            BusEvent::Disconnected => break,
            BusEvent::Message(received) => {
                let (_, _, order) = peek_order(&received.body).expect("a number");
                assert!(order > last, "{order} after {last}");
                last = order;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read(&mut events, &mut last, 2000).await, [BusEvent::Connected]);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());

    // Then the publisher's, so that all are on the third.
    servers[1].stop();
    let mut others = read(&mut events, &mut last, 4000).await;
    // Which of the two the receiver was on is chance.
    others.retain(|event| !matches!(event, BusEvent::Disconnected | BusEvent::Connected));
    assert_eq!(others, []);
    is_over.store(true, Ordering::Relaxed);
    publishing.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_flow_on_in_order_when_a_server_dies() {
    failover(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_flow_on_in_order_when_a_server_with_jetstream_dies() {
    failover(true).await;
}

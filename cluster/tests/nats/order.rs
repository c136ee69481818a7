//! What one node publishes comes in its order, whatever the subjects; of a queue group one member gets it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use socketio_cluster::bus::{Bus, BusEvent, BusEvents, PublishError, Received};
use socketio_cluster::codec::{self, peek_order};
use socketio_cluster::message::{Envelope, Message};
use socketio_cluster::node::{Epoch, NodeId};
use socketio_cluster::subject::{Subject, Subjects};
use socketio_cluster::{NatsBus, NatsOptions};

use crate::server::NatsServer;
use crate::{LONG, connect, connect_with, message, publish, settle};

const PUBLISHERS: usize = 2;
const MESSAGES: u64 = 50_000;
const ROOMS: u64 = 1500;

/// Publishes numbered messages on subjects that nobody can foretell, as fast as it goes.
async fn flood(bus: NatsBus, subjects: Vec<Subject>) {
    let from = NodeId::random();
    let mut random = 1 + Epoch::random().0 % 1_000_000;
    for order in 1..=MESSAGES {
        // A step of an xorshift generator.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let subject = &subjects[(random % subjects.len() as u64) as usize];
        let envelope =
            Envelope { from, epoch: Epoch(7), order, sequence: 1, message: Message::FenceAnswer(order) };
        let body = codec::encode(&envelope).expect("few items");
        while publish(&bus, subject, body.clone()) == Err(PublishError::Full) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(bus.close(LONG).await);
}

async fn comes_in_order(from: &NatsServer, to: &NatsServer) {
    let subjects = Subjects::default();
    let rooms: Vec<_> =
        (0..ROOMS).map(|room| subjects.event("/", &room.to_string()).expect("a short name")).collect();
    let mut options = NatsOptions::from(to.url());
    (options.inbound_capacity, options.subscription_capacity) = (1 << 20, 1 << 20);
    let (receiver, mut events) = connect_with(options).await;
    for room in &rooms {
        receiver.subscribe(room.clone());
    }
    settle(&receiver, &mut events).await;
    known(from, &receiver, &mut events).await;
    for _ in 0..PUBLISHERS {
        let (publisher, _events) = connect(from).await;
        tokio::spawn(flood(publisher, rooms.clone()));
    }
    let mut last = HashMap::<NodeId, u64>::new();
    for _ in 0..PUBLISHERS as u64 * MESSAGES {
        let received = message(&mut events).await;
        let (from, _, order) = peek_order(&received.body).expect("a number");
        let last = last.entry(from).or_default();
        assert_eq!(order, *last + 1, "of {from}");
        *last = order;
    }
}

/// Until a server knows what `bus` has subscribed at another: interest travels in order, so a subscription more will do.
async fn known(server: &NatsServer, bus: &NatsBus, events: &mut BusEvents) {
    let (other, _events) = connect(server).await;
    let subject = Subjects::default().node(NodeId::random());
    bus.subscribe(subject.clone());
    while events.is_empty() {
        publish(&other, &subject, "known").expect("taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bus.unsubscribe(subject);
    tokio::time::sleep(Duration::from_millis(200)).await;
    while let Ok(event) = events.try_recv() {
        assert!(matches!(event, BusEvent::Message(received) if &received.body[..] == b"known"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_publishes_comes_in_its_order_on_any_subjects() {
    let server = NatsServer::start(&[]);
    comes_in_order(&server, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_publishes_comes_in_its_order_through_another_server() {
    let [one, two, _three] = NatsServer::cluster(false);
    comes_in_order(&one, &two).await;
}

#[tokio::test]
async fn one_member_of_a_group_gets_each_message() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let subject = subjects.emit();
    let mut members = Vec::new();
    for _ in 0..3 {
        let (member, mut events) = connect(&server).await;
        member.subscribe_queue(subject.clone(), "nodes of any name");
        settle(&member, &mut events).await;
        members.push((member, events));
    }
    let (both, both_events) = &mut members[0];
    both.subscribe(subject.clone());
    settle(both, both_events).await;
    let (sender, _events) = connect(&server).await;
    for number in 0..300_u32 {
        publish(&sender, subject, number.to_be_bytes().to_vec()).expect("taken");
    }
    let mut queued = Vec::new();
    let mut plain = Vec::new();
    let mut shares = [0; 3];
    let deadline = Instant::now() + LONG;
    while queued.len() + plain.len() < 600 {
        assert!(Instant::now() < deadline, "{} and {}", queued.len(), plain.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
        for ((_, events), share) in members.iter_mut().zip(&mut shares) {
            while let Ok(event) = events.try_recv() {
                match event {
                    BusEvent::Message(Received { is_queue: true, body, .. }) => {
                        queued.push(body);
                        *share += 1;
                    }
                    BusEvent::Message(Received { body, .. }) => plain.push(body),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    assert!(plain.is_sorted() && plain.len() == 300, "{}", plain.len());
    queued.sort();
    assert_eq!(queued, plain);

    // Without the queue the plain subscription goes on, and the others get all of it.
    members[0].0.unsubscribe_queue(subject.clone(), "nodes of any name");
    let (both, both_events) = &mut members[0];
    settle(both, both_events).await;
    let (sender, _events) = connect(&server).await;
    publish(&sender, subject, "last").expect("taken");
    let last = message(&mut members[0].1).await;
    assert_eq!((last.is_queue, &last.body[..]), (false, &b"last"[..]));
}

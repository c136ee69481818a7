//! Requests and their answers, and an Emitter that waits for them.

use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::Emitter;
use socketio_cluster::bus::{Bus, BusEvent, BusEvents, Publish};
use socketio_cluster::emitter::ConfirmError;
use socketio_cluster::external::{External, ExternalLimits, Receipt, Reply};
use socketio_cluster::node::NodeId;
use socketio_cluster::request::RequestError;
use socketio_cluster::subject::Subjects;
use socketio_cluster::{NatsBus, NatsOptions};

use crate::server::NatsServer;
use crate::{LONG, connect, connect_with, message, next, settle};

/// A node that answers everything on the emit subject, each as often as it is told.
async fn answer(node: NatsBus, mut events: BusEvents, times: usize) {
    let subjects = Subjects::default();
    while let Some(event) = events.recv().await {
        let BusEvent::Message(received) = event else { continue };
        let Some(reply) = received.reply else { continue };
        let reply = subjects.reply(&reply).expect("an inbox");
        let answer = match External::read(&received.body, &ExternalLimits::default()) {
            Ok(_) => Reply::Done(Receipt { nodes: 3, sockets: 12, missing: vec![NodeId::random()] }),
            Err(error) => Reply::Refused(error.to_string()),
        };
        for _ in 0..times {
            node.publish(Publish::new(reply.clone(), answer.write())).expect("taken");
        }
    }
}

#[tokio::test]
async fn an_emitter_gets_one_receipt_or_is_told_why_not() {
    let mut server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let options = NatsOptions::from(server.url()).inbox_prefix("_INBOX_emitter.mine");
    let emitter = Emitter::connect(options).await.expect("connects");
    let confirmed = emitter.to("my room").confirmed(LONG);
    assert!(matches!(confirmed.emit("e", &[1]).await, Err(ConfirmError::NoNodes)));

    let (node, mut events) = connect(&server).await;
    node.subscribe_queue(subjects.emit().clone(), "nodes");
    settle(&node, &mut events).await;
    let asked = tokio::spawn({
        let confirmed = confirmed.clone();
        async move { confirmed.emit("e", &[1]).await }
    });
    let reply = message(&mut events).await.reply.expect("an answer is expected");
    assert!(reply.starts_with("_INBOX_emitter.mine."), "{reply}");
    asked.abort();
    let silent = emitter.confirmed(Duration::from_millis(50));
    assert!(matches!(silent.emit("e", &[1]).await, Err(ConfirmError::TimedOut)));
    message(&mut events).await;

    let answering = tokio::spawn(answer(node, events, 3));
    for _ in 0..100 {
        let receipt = confirmed.emit("e", &[1]).await.expect("done");
        assert_eq!((receipt.nodes, receipt.sockets, receipt.missing.len()), (3, 12, 1));
    }
    let many = (0..100).map(|_| confirmed.join(&["b"]));
    assert!(futures_util::future::join_all(many).await.iter().all(Result::is_ok));
    let (raw, _events) = connect(&server).await;
    let refused =
        raw.request(Publish::new(subjects.emit().clone(), Bytes::from_static(b"[]"))).expect("taken");
    let refused = Reply::read(&refused.within(LONG).await.expect("answered")).expect("a reply");
    assert_eq!(refused, Reply::Refused("a message is a JSON object".to_owned()));

    // Answers come again when a server that forgot everything is back.
    server.stop();
    let lost = emitter.confirmed(Duration::from_millis(100)).emit("e", &[1]).await;
    assert!(matches!(lost, Err(ConfirmError::TimedOut)), "{lost:?}");
    server.restart();
    let mut tries = 0;
    while confirmed.emit("e", &[1]).await.is_err() {
        tries += 1;
        assert!(tries < 100, "no answer any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    answering.abort();
}

#[tokio::test]
async fn what_the_server_says_of_a_request_is_no_message() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let (bus, mut events) = connect_with(server.url()).await;
    let inbox = subjects.reply("_INBOX.plain").expect("valid");
    bus.subscribe(inbox.clone());
    let nobody = Publish { reply: Some(inbox), ..Publish::new(subjects.emit().clone(), Bytes::new()) };
    bus.publish(nobody).expect("taken");
    let pending = bus.request(Publish::new(subjects.emit().clone(), Bytes::new())).expect("taken");
    assert_eq!(pending.within(LONG).await, Err(RequestError::NoResponders));
    settle(&bus, &mut events).await;
    let pending = bus.request(Publish::new(subjects.emit().clone(), Bytes::new())).expect("taken");
    drop(bus);
    assert_eq!(pending.within(LONG).await, Err(RequestError::Closed));
    let closed = next_or_end(&mut events).await;
    assert!(closed.is_none(), "{closed:?}");
}

async fn next_or_end(events: &mut BusEvents) -> Option<BusEvent> {
    tokio::time::timeout(LONG, events.recv()).await.expect("in time")
}

#[tokio::test]
async fn a_request_keeps_its_place_among_what_is_published() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let (node, mut events) = connect(&server).await;
    node.subscribe(subjects.emit().clone());
    settle(&node, &mut events).await;
    let (bus, _events) = connect(&server).await;
    let mut pending = Vec::new();
    for number in 0..1000_u32 {
        let body = Bytes::from(number.to_be_bytes().to_vec());
        if number % 3 == 0 {
            pending.push(bus.request(Publish::new(subjects.emit().clone(), body)).expect("taken"));
        } else {
            bus.publish(Publish::new(subjects.emit().clone(), body)).expect("taken");
        }
    }
    for number in 0..1000_u32 {
        let BusEvent::Message(received) = next(&mut events).await else { panic!("no message") };
        assert_eq!(received.body[..], number.to_be_bytes());
        assert_eq!(received.reply.is_some(), number % 3 == 0);
    }
}

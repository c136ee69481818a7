//! Processes that are no nodes, and nodes that are stuck while they should answer them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_socketio::cluster::bus::{Bus, BusEvent, Publish};
use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::cluster::message::Message;
use actix_socketio::cluster::subject::Subjects;
use actix_socketio::cluster::{Emitter, NatsBus};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::nats_server::NatsServer;
use crate::processes::Process;
use crate::tap::Tap;
use crate::{LONG, client, until};

#[actix_web::test]
async fn a_node_that_is_stuck_costs_no_answer() {
    // NATS chooses one of three for each: that the stuck one is never chosen does not happen.
    const COUNT: usize = 40;
    let server = NatsServer::start(&[]);
    let starting = [(); 2].map(|()| Process::starting(&server.url()));
    let io = crate::nats::builder(server.url(), "here").await.build();
    assert!(io.cluster_ready(LONG).await);
    let [stuck, _other] = starting.map(|process| process.wait());
    until(|| io.nodes().len() == 3).await;
    let of_stuck = stuck.client().await;
    let (here, _) = client(&io).await;

    let (bus, mut events) = NatsBus::connect(server.url()).await.unwrap();
    let subjects = Subjects::default();
    let replies: Vec<_> = (0..COUNT).map(|n| subjects.reply(&format!("answers.{n}")).unwrap()).collect();
    replies.iter().for_each(|reply| bus.subscribe(reply.clone()));
    let ask = |reply, event: String| {
        let body = Bytes::from(json!({ "event": event }).to_string());
        bus.publish(Publish { reply: Some(reply), ..Publish::new(subjects.emit().clone(), body) }).unwrap();
    };
    let mut answers: HashMap<String, Vec<Value>> = HashMap::new();
    let mut note = |event| {
        if let BusEvent::Message(received) = event {
            let answer = serde_json::from_slice(&received.body).unwrap();
            answers.entry(received.subject.to_string()).or_default().push(answer);
        }
        answers.len()
    };

    stuck.signal("STOP");
    for (n, reply) in replies.iter().enumerate() {
        ask(reply.clone(), format!("e{n}"));
        here.expect::<()>(&format!("e{n}")).await.unwrap();
    }
    while tokio::time::timeout(LONG, events.recv()).await.expect("all are answered").map(&mut note)
        < Some(COUNT)
    {}
    // When it comes to itself it does its part, and is silent for the rest of the time that it would have to answer.
    stuck.signal("CONT");
    let end = Instant::now() + Duration::from_secs(6);
    while let Ok(Some(event)) =
        tokio::time::timeout(end.saturating_duration_since(Instant::now()), events.recv()).await
    {
        note(event);
    }
    for answers in answers.values() {
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(answer["nodes"], 2, "{answer}");
        assert_eq!(answer["missing"], json!([of_stuck.node()]));
    }
}

#[actix_web::test]
async fn a_join_names_who_did_not_confirm_it() {
    let hub = MemoryHub::default();
    let (tap, events) = Tap::new(&hub);
    let io = crate::builder(&hub, "io").build();
    let silent = crate::builder(&hub, "silent").bus((tap.clone(), events)).build();
    assert!(io.cluster_ready(LONG).await && silent.cluster_ready(LONG).await);
    let (_client, socket) = client(&io).await;
    let (bus, _events) = hub.connect();
    let emitter = Emitter::new(Arc::new(bus), Subjects::default()).confirmed(LONG);
    assert!(emitter.join(&["before"]).await.unwrap().missing.is_empty());

    tap.lose(|message| matches!(message, Message::FenceAnswer(_)));
    let receipt = emitter.join(&["lobby"]).await.unwrap();
    assert_eq!((receipt.nodes, receipt.sockets), (2, 1));
    let missing: Vec<_> = receipt.missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, [silent.node_id()]);
    assert!(socket.rooms().contains(&"lobby".to_owned()));
    tap.lose_nothing();
    until(|| io.nodes().len() == 2).await;
}

#[actix_web::test]
async fn what_holds_the_cluster_together_is_vital_to_the_bus_and_nothing_else_is() {
    let hub = MemoryHub::default();
    let (tap, events) = Tap::new(&hub);
    let io = crate::builder(&hub, "io").bus((tap.clone(), events)).build();
    let other = crate::builder(&hub, "other").build();
    assert!(io.cluster_ready(LONG).await && other.cluster_ready(LONG).await);
    let (_client, socket) = client(&io).await;
    socket.join("lobby").await.unwrap();
    io.emit("e", &()).await.unwrap();
    io.fetch_sockets().await;
    other.fetch_sockets().await;
    let seen = || tap.seen();
    let is = |name: &str, is_vital| seen().contains(&(name.to_owned(), is_vital));
    until(|| is("Membership", true) && is("Heartbeat", true) && is("FenceAnswer", true)).await;
    assert!(is("Joining", true) && is("FenceRequest", true));
    assert!(is("Broadcast", false) && is("Request", false) && is("Response", false));
    io.close().await;
    assert!(is("Leaving", true));
    assert!(!is("Broadcast", true) && !is("Heartbeat", false) && !is("Membership", false));
}

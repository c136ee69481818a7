//! The bus against real NATS servers.

mod away;
mod certificates;
mod failover;
mod log;
mod login;
mod order;
mod permissions;
mod requests;

#[path = "../../../tests/support/port.rs"]
mod port;
#[path = "../../../tests/support/nats_server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;
use socketio_cluster::bus::{Bus, BusEvent, BusEvents, Publish, PublishError, Received};
use socketio_cluster::external::{Action, External, ExternalLimits};
use socketio_cluster::fence::fence;
use socketio_cluster::node::NodeId;
use socketio_cluster::scatter::Scatter;
use socketio_cluster::subject::{Subject, Subjects};
use socketio_cluster::trace::TraceContext;
use socketio_cluster::{Emitter, NatsBus, NatsOptions};

use crate::port::free_port;
use crate::server::NatsServer;

const LONG: Duration = Duration::from_secs(20);

async fn connect(server: &NatsServer) -> (NatsBus, BusEvents) {
    connect_with(NatsOptions::from(server.url())).await
}

async fn connect_with(options: impl Into<NatsOptions>) -> (NatsBus, BusEvents) {
    let (bus, mut events) = NatsBus::connect(options).await.expect("connects");
    assert_eq!(next(&mut events).await, BusEvent::Connected);
    (bus, events)
}

async fn next(events: &mut BusEvents) -> BusEvent {
    tokio::time::timeout(LONG, events.recv()).await.expect("in time").expect("not closed")
}

async fn message(events: &mut BusEvents) -> Received {
    match next(events).await {
        BusEvent::Message(received) => received,
        other => panic!("{other:?}"),
    }
}

fn publish(bus: &dyn Bus, subject: &Subject, body: impl Into<Bytes>) -> Result<(), PublishError> {
    bus.publish(Publish::new(subject.clone(), body.into()))
}

/// Until what was subscribed before has reached the server: on one server, until an own message comes back.
async fn settle(bus: &dyn Bus, events: &mut BusEvents) {
    let subject = Subjects::default().node(NodeId::random());
    bus.subscribe(subject.clone());
    publish(bus, &subject, "settled").expect("taken");
    assert_eq!(message(events).await.subject, subject);
    bus.unsubscribe(subject);
}

#[tokio::test]
async fn messages_come_once_in_order_with_their_reply_subject() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let (one, mut of_one) = connect(&server).await;
    let (two, mut of_two) = connect(&server).await;
    one.subscribe(subjects.control().clone());
    one.subscribe(subjects.control().clone());
    settle(&one, &mut of_one).await;
    for number in 0..5000_u32 {
        publish(&two, subjects.control(), number.to_be_bytes().to_vec()).expect("taken");
    }
    for number in 0..5000_u32 {
        assert_eq!(message(&mut of_one).await.body[..], number.to_be_bytes());
    }
    let reply = subjects.reply("_INBOX.x").expect("valid");
    let request = Publish { reply: Some(reply), ..Publish::new(subjects.control().clone(), Bytes::new()) };
    two.publish(request).expect("taken");
    assert_eq!(message(&mut of_one).await.reply.as_deref(), Some("_INBOX.x"));
    one.unsubscribe(subjects.control().clone());
    settle(&one, &mut of_one).await;
    publish(&two, subjects.control(), "nobody listens").expect("taken");
    settle(&two, &mut of_two).await;
    settle(&one, &mut of_one).await;
    assert!(of_one.try_recv().is_err());
    let limit = two.max_payload();
    let too_large = publish(&two, subjects.control(), vec![0; limit + 1]);
    assert_eq!(too_large, Err(PublishError::TooLarge { size: limit + 1, limit }));
}

#[tokio::test]
async fn a_context_goes_along_if_there_is_room_for_it() {
    let server = NatsServer::start(&[]);
    let (bus, mut events) = connect(&server).await;
    let subject = Subjects::default().emit().clone();
    bus.subscribe(subject.clone());
    let trace = TraceContext::unsampled().with_state("a=1");
    let limit = bus.max_payload();
    for (size, expected) in [(3, Some(&trace)), (limit, None), (limit - 50, None), (4, Some(&trace))] {
        let message = Publish::new(subject.clone(), vec![0; size].into()).traced(Some(trace.clone()));
        bus.publish(message).expect("taken");
        let received = self::message(&mut events).await;
        assert_eq!((received.body.len(), received.trace.as_deref()), (size, expected));
    }
}

#[tokio::test]
async fn a_context_is_what_others_read_and_write() {
    let server = NatsServer::start(&[]);
    let (bus, mut events) = connect(&server).await;
    let client = async_nats::connect(server.url()).await.expect("connects");
    let subject = Subjects::default().emit().clone();
    let mut heard = client.subscribe(subject.as_str().to_owned()).await.expect("subscribes");
    // A flush says nothing about the server: what the client sends itself comes back once the server knows the subscription.
    client.publish(subject.as_str().to_owned(), "first".into()).await.expect("published");
    let first = tokio::time::timeout(LONG, heard.next()).await.expect("in time").expect("a message");
    assert_eq!(&*first.payload, b"first");
    let trace = TraceContext::unsampled().with_state("a=1");
    bus.publish(Publish::new(subject.clone(), "x".into()).traced(Some(trace.clone()))).expect("taken");
    let message = tokio::time::timeout(LONG, heard.next()).await.expect("in time").expect("a message");
    let headers = message.headers.expect("headers");
    let named = |name| headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(
        (named("traceparent"), named("tracestate")),
        (Some(trace.traceparent()), Some("a=1".to_owned()))
    );

    bus.subscribe(subject.clone());
    settle(&bus, &mut events).await;
    // As Go writes the names.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Traceparent", trace.traceparent());
    let to = subject.as_str().to_owned();
    client.publish_with_headers(to.clone(), headers, "y".into()).await.expect("published");
    let mut nonsense = async_nats::HeaderMap::new();
    nonsense.insert("traceparent", "00-nonsense");
    client.publish_with_headers(to, nonsense, "z".into()).await.expect("published");
    let trace = TraceContext::read(&trace.traceparent(), None);
    for (body, expected) in [("y", trace), ("z", None)] {
        let received = self::message(&mut events).await;
        assert_eq!((&*received.body, received.trace.map(|trace| *trace)), (body.as_bytes(), expected));
    }
}

#[tokio::test]
async fn hostile_names_travel_like_any_other() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::new("my.app", 7).expect("valid");
    let (bus, mut events) = connect(&server).await;
    let long = ["x".repeat(10_000), "é".repeat(5_000), "a.b ".repeat(2_500)];
    let short = [
        "",
        ".",
        "..",
        "*",
        ">",
        "a.>",
        " ",
        "\t\r\n",
        "\r\nPUB x 0\r\n",
        "\0",
        "~",
        "~~",
        "$SYS",
        "日本",
        "🦀",
    ];
    for name in short.into_iter().chain(long.iter().map(String::as_str)) {
        let mut of_name = vec![subjects.namespace(name).clone(), subjects.room(name, name).clone()];
        of_name.extend(subjects.event(name, name));
        for subject in of_name {
            bus.subscribe(subject.clone());
            bus.subscribe_queue(subject.clone(), name);
            publish(&bus, &subject, name.to_owned()).expect("taken");
            let mut queues = 0;
            for _ in 0..2 {
                let received = message(&mut events).await;
                assert_eq!((&received.subject, &received.body[..]), (&subject, name.as_bytes()));
                queues += u32::from(received.is_queue);
            }
            assert_eq!(queues, 1);
            bus.unsubscribe(subject.clone());
            bus.unsubscribe_queue(subject, name);
        }
    }
}

#[tokio::test]
async fn what_waits_is_sent_before_the_end() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::default();
    let (one, mut events) = connect(&server).await;
    one.subscribe(subjects.control().clone());
    settle(&one, &mut events).await;
    let (two, _events) = connect(&server).await;
    for _ in 0..1000 {
        publish(&two, subjects.control(), "goodbye").expect("taken");
    }
    assert!(two.close(LONG).await);
    assert_eq!(publish(&two, subjects.control(), "too late"), Err(PublishError::Closed));
    drop(two);
    for _ in 0..1000 {
        assert_eq!(&message(&mut events).await.body[..], b"goodbye");
    }
}

#[tokio::test]
async fn behind_the_fence_nothing_is_lost_across_servers() {
    let route = free_port();
    let cluster = format!("nats://127.0.0.1:{route}");
    let first = NatsServer::start(&["--cluster_name", "t", "--cluster", &cluster]);
    let second = format!("nats://127.0.0.1:{}", free_port());
    let second = NatsServer::start(&["--cluster_name", "t", "--cluster", &second, "--routes", &cluster]);
    let subjects = Subjects::default();
    let [me, other] = [NodeId::random(), NodeId::random()];
    let (one, mut of_one) = connect(&first).await;
    let (two, mut of_two) = connect(&second).await;
    let two = Arc::new(two);
    two.subscribe(subjects.control().clone());

    // The other node answers fence requests; a request's body is the number here.
    let answering = {
        let (two, subjects) = (two.clone(), subjects.clone());
        tokio::spawn(async move {
            while let Some(event) = of_two.recv().await {
                if let BusEvent::Message(received) = event {
                    let nonce = u64::from_be_bytes(received.body[..].try_into().expect("a number"));
                    publish(&*two, &subjects.fence(me, nonce), "heard").expect("taken");
                }
            }
        })
    };
    let scatter = Scatter::default();
    for round in 0..300 {
        let subject = subjects.event("/", &round.to_string()).expect("a short name");
        let gather = scatter.begin([other], 10);
        let nonce = gather.id();
        let fence_subject = subjects.fence(me, nonce);
        one.subscribe(subject.clone());
        let ask = || publish(&one, subjects.control(), nonce.to_be_bytes().to_vec()).expect("taken");
        let fence = fence(&one, fence_subject.clone(), gather, LONG, ask);
        tokio::pin!(fence);
        loop {
            tokio::select! {
                missing = &mut fence => {
                    assert!(missing.is_empty());
                    break;
                }
                event = of_one.recv() => {
                    if matches!(event, Some(BusEvent::Message(received)) if received.subject == fence_subject) {
                        scatter.answer(nonce, other, (), true);
                    }
                }
            }
        }
        publish(&*two, &subject, "for the new member").expect("taken");
        loop {
            let received = message(&mut of_one).await;
            if received.subject == subject {
                break;
            }
            // A second answer, to a question that was repeated.
            assert!(received.subject.as_str().starts_with("sio.fence."), "{received:?}");
        }
    }
    answering.abort();
}

#[tokio::test]
async fn an_emitter_is_heard_in_order() {
    let server = NatsServer::start(&[]);
    let subjects = Subjects::new("my.app", 16).expect("valid");
    let (node, mut events) = connect(&server).await;
    node.subscribe(subjects.emit().clone());
    settle(&node, &mut events).await;
    let emitter = Emitter::connect_under(NatsOptions::from(server.url()), subjects).await.expect("connects");
    for number in 0..1000 {
        emitter.to("my room").emit("count", &[json!({ "number": number })]).expect("taken");
    }
    assert!(emitter.close(LONG).await);
    for number in 0..1000 {
        let received = message(&mut events).await;
        let external = External::read(&received.body, &ExternalLimits::default()).expect("valid");
        assert_eq!(&*external.target.rooms[0], "my room");
        let Action::Emit(event) = external.action else { panic!("no emit") };
        assert_eq!(event.data[0].get(), format!(r#"{{"number":{number}}}"#));
    }
}

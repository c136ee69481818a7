//! Events that are handed to workers: processes that know the bus and nothing else.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_socketio::cluster::bus::{Bus, BusEvent, BusEvents, Publish};
use actix_socketio::cluster::memory::{MemoryBus, MemoryHub};
use actix_socketio::cluster::subject::Subjects;
use actix_socketio::test::TestClient;
use actix_socketio::{Event, Socket, SocketIo, WorkerOptions};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{LONG, builder, client, ms};

const SOON: Duration = Duration::from_secs(5);

/// A worker for some events of a namespace.
struct Worker {
    bus: MemoryBus,
    events: BusEvents,
    subjects: Subjects,
}

/// What it is asked to do.
struct Task {
    reply: Option<String>,
    body: Value,
}

impl Worker {
    fn new(hub: &MemoryHub, namespace: &str, events: &[&str]) -> Self {
        let (bus, inbound) = hub.connect();
        let subjects = Subjects::default();
        for event in events {
            bus.subscribe_queue(subjects.event(namespace, event).unwrap(), "workers");
        }
        Self { bus, events: inbound, subjects }
    }

    async fn task(&mut self) -> Task {
        loop {
            let event = tokio::time::timeout(LONG, self.events.recv()).await.expect("nothing comes");
            if let BusEvent::Message(received) = event.unwrap() {
                let body = serde_json::from_slice(&received.body).unwrap();
                return Task { reply: received.reply, body };
            }
        }
    }

    fn answer(&self, task: &Task, answer: impl Into<Bytes>) {
        let reply = self.subjects.reply(task.reply.as_deref().unwrap()).unwrap();
        self.bus.publish(Publish::new(reply, answer.into())).unwrap();
    }

    /// Whether nothing has come that was not taken.
    fn is_idle(&mut self) -> bool {
        !matches!(self.events.try_recv(), Ok(BusEvent::Message(_)))
    }
}

fn node(hub: &MemoryHub, options: WorkerOptions) -> SocketIo {
    let io = builder(hub, "n").build();
    io.of("/").hand_to_workers("resize", options).on("next", async || "next");
    io
}

async fn ask(client: &TestClient, data: Value) -> Value {
    client.emit_with_ack("resize", &data).await.unwrap()
}

#[actix_web::test]
async fn a_worker_gets_the_event_and_its_answer_is_the_acknowledgement() {
    let hub = MemoryHub::default();
    let io = node(&hub, WorkerOptions::default().with_rooms(true));
    let mut worker = Worker::new(&hub, "/", &["resize"]);
    let (client, socket) = client(&io).await;
    socket.join("räume.* >").await.unwrap();
    socket.data().share(&json!({"user": 7})).unwrap();
    let sent = (json!({"b": 1.0, "a": "ü"}), 2);
    let (answer, ()) = tokio::join!(client.emit_with_ack::<(Value, u8), _>("resize", &sent), async {
        let task = worker.task().await;
        assert_eq!(
            task.body,
            json!({"namespace": "/", "event": "resize", "sid": socket.id(), "rooms": [socket.id(), "räume.* >"],
                       "claims": {"user": 7}, "data": [{"b": 1.0, "a": "ü"}, 2]})
        );
        worker.answer(&task, r#"{"data":[{"done":true},9]}"#);
    });
    assert_eq!(answer.unwrap(), (json!({"done": true}), 9));
}

#[actix_web::test]
async fn binary_goes_there_and_comes_back() {
    let hub = MemoryHub::default();
    let io = node(&hub, WorkerOptions::default());
    let mut worker = Worker::new(&hub, "/", &["resize"]);
    let (client, _) = client(&io).await;
    let picture = Bytes::from_static(&[0, 1, 2]);
    let sent = ("a.png", picture);
    let (answer, ()) = tokio::join!(client.emit_with_ack::<(Bytes, u8), _>("resize", &sent), async {
        let task = worker.task().await;
        assert_eq!(task.body["data"], json!(["a.png", {"_placeholder": true, "num": 0}]));
        assert_eq!((&task.body["attachments"], &task.body["claims"]), (&json!(["AAEC"]), &Value::Null));
        assert!(task.body.get("rooms").is_none());
        worker.answer(&task, r#"{"data":[{"_placeholder":true,"num":0},1],"attachments":["AwQ="]}"#);
    });
    assert_eq!(answer.unwrap(), (Bytes::from_static(&[3, 4]), 1));
}

#[actix_web::test]
async fn without_an_answer_the_client_is_told_why() {
    let hub = MemoryHub::default();
    let io = node(&hub, WorkerOptions::default().timeout(ms(200)));
    let (client, _) = client(&io).await;
    let begin = Instant::now();
    assert_eq!(ask(&client, json!(1)).await, json!({"error": "no worker"}));
    assert!(begin.elapsed() < ms(150), "at once");
    let mut worker = Worker::new(&hub, "/", &["resize"]);
    for answer in ["nonsense", "[]", "{}", r#"{"data":1}"#, r#"{"data":[],"error":"both"}"#] {
        let (told, ()) = tokio::join!(ask(&client, json!(1)), async {
            let task = worker.task().await;
            worker.answer(&task, answer);
        });
        assert_eq!(told, json!({"error": "bad answer"}), "{answer}");
    }
    let (told, ()) = tokio::join!(ask(&client, json!(1)), async {
        let task = worker.task().await;
        worker.answer(&task, r#"{"error":"not a picture"}"#);
    });
    assert_eq!(told, json!({"error": "not a picture"}));
    assert_eq!(ask(&client, json!(1)).await, json!({"error": "timeout"}));
    let task = worker.task().await;
    worker.answer(&task, r#"{"data":["too late"]}"#);
    assert_eq!(client.emit_with_ack::<String, _>("next", &()).await.unwrap(), "next");
}

#[actix_web::test]
async fn a_node_without_a_bus_or_with_a_small_one_says_so() {
    let io = SocketIo::new();
    io.of("/").hand_to_workers("resize", WorkerOptions::default());
    let (alone, _) = client(&io).await;
    assert_eq!(ask(&alone, json!(1)).await, json!({"error": "unavailable"}));

    let hub = MemoryHub::default();
    let io = builder(&hub, "n").cluster(|cluster| cluster.max_message = 1000).build();
    io.of("/").hand_to_workers("resize", WorkerOptions::default());
    let _worker = Worker::new(&hub, "/", &["resize"]);
    let (client, _) = client(&io).await;
    assert_eq!(ask(&client, json!("x".repeat(1000))).await, json!({"error": "too large"}));
}

#[actix_web::test]
async fn events_without_acknowledgement_are_handed_out_in_their_order() {
    let hub = MemoryHub::default();
    let io = node(&hub, WorkerOptions::default());
    let mut worker = Worker::new(&hub, "/", &["resize"]);
    let (client, _) = client(&io).await;
    for number in 0..100 {
        client.emit("resize", &number).await.unwrap();
    }
    for number in 0..100 {
        let task = worker.task().await;
        assert_eq!((task.body["data"][0].as_u64(), task.reply), (Some(number), None));
    }
}

/// Whether the socket's next event waits for a worker.
async fn waits(options: WorkerOptions) -> bool {
    let hub = MemoryHub::default();
    let io = node(&hub, options);
    let mut worker = Worker::new(&hub, "/", &["resize"]);
    let (client, _): (TestClient, Socket) = client(&io).await;
    let (resized, next, tasks) = tokio::join!(
        async {
            let answer = ask(&client, json!(1)).await;
            (answer, Instant::now())
        },
        async {
            tokio::task::yield_now().await;
            client.emit_with_ack::<String, _>("next", &()).await.unwrap();
            Instant::now()
        },
        async {
            let task = worker.task().await;
            tokio::time::sleep(ms(200)).await;
            worker.answer(&task, r#"{"data":["resized"]}"#);
            worker
        }
    );
    assert_eq!(resized.0, "resized");
    let mut worker = tasks;
    assert!(worker.is_idle());
    next > resized.1
}

#[actix_web::test]
async fn a_slow_worker_delays_other_events_only_if_that_is_wanted() {
    assert!(!waits(WorkerOptions::default()).await);
    assert!(waits(WorkerOptions::default().in_order(true)).await);
}

#[actix_web::test]
async fn one_worker_of_a_group_gets_each_event() {
    let hub = MemoryHub::default();
    let io = builder(&hub, "n").build();
    io.of("/chat room").hand_to_workers("größer", WorkerOptions::default());
    let mut workers: Vec<_> = (0..3).map(|_| Worker::new(&hub, "/chat room", &["größer"])).collect();
    let client = TestClient::builder(&io).namespace("/chat room").connect().await.unwrap();
    for number in 0..30 {
        client.emit("größer", &number).await.unwrap();
    }
    let mut done = Vec::new();
    while done.len() < 30 {
        for worker in &mut workers {
            while let Ok(event) = worker.events.try_recv() {
                if let BusEvent::Message(received) = event {
                    let body: Value = serde_json::from_slice(&received.body).unwrap();
                    done.push(body["data"][0].as_u64().unwrap());
                }
            }
        }
        tokio::time::sleep(ms(2)).await;
    }
    done.sort_unstable();
    assert_eq!(done, (0..30).collect::<Vec<_>>());
}

#[actix_web::test]
async fn the_nodes_are_listed_for_anybody() {
    let hub = MemoryHub::default();
    let [one, two] = crate::nodes(&hub).await;
    let (_client, _) = client(&two).await;
    crate::until(|| one.nodes()[1].sockets == 1 && two.nodes()[0].sockets == 1).await;
    let (bus, _events) = hub.connect();
    let emitter = actix_socketio::cluster::Emitter::new(std::sync::Arc::new(bus), Subjects::default());
    let members = emitter.confirmed(SOON).nodes().await.unwrap();
    let mut names: Vec<_> = members.iter().map(|member| (&*member.name, member.sockets)).collect();
    names.sort_unstable();
    assert_eq!(names, [("n0", 0), ("n1", 1)]);
    assert!(members.iter().all(|member| member.reachable && member.since > 1_600_000_000_000));
}

#[actix_web::test]
async fn events_of_a_pattern_go_to_workers_unless_they_have_a_handler() {
    let hub = MemoryHub::default();
    let (seen, io) = (Arc::new(Mutex::new(Vec::new())), builder(&hub, "n").build());
    let listener = seen.clone();
    io.of("/")
        .on("order.local", async || "handled here")
        .hand_matching_to_workers(|event| event.starts_with("order."), WorkerOptions::default())
        .on_matching(
            |event| event.starts_with("order."),
            move |Event(event): Event| {
                listener.lock().unwrap().push(event.to_string());
                std::future::ready(())
            },
        )
        .fallback(async || "nobody");
    let (client, _) = client(&io).await;
    let mut worker = Worker::new(&hub, "/", &["order.new", "order.local", "other"]);
    let other: String = client.emit_with_ack("other", &1).await.unwrap();
    assert_eq!(other, "nobody");
    let local: String = client.emit_with_ack("order.local", &2).await.unwrap();
    assert_eq!(local, "handled here");
    let answered = async {
        let task = worker.task().await;
        assert_eq!((&task.body["event"], &task.body["data"]), (&json!("order.new"), &json!([3])));
        worker.answer(&task, r#"{"data":["done"]}"#);
    };
    let (answer, ()) = tokio::join!(client.emit_with_ack::<String, _>("order.new", &3), answered);
    assert_eq!(answer.unwrap(), "done");
    assert!(worker.is_idle(), "nothing else was handed out");
    assert_eq!(*seen.lock().unwrap(), ["order.new"], "whoever matches gets it");
}

//! What is traced goes on in workers, and begins in those who ask.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_socketio::WorkerOptions;
use actix_socketio::cluster::bus::{Bus, BusEvent, BusEvents, Publish, Received};
use actix_socketio::cluster::subject::Subjects;
use actix_socketio::cluster::{Emitter, NatsBus};
use actix_socketio::trace::{Operation, Parent, Span, Trace, TraceContext, Tracer};
use bytes::Bytes;

use crate::nats::builder;
use crate::nats_server::NatsServer;
use crate::{LONG, client, until};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Records every operation, or none.
#[derive(Clone, Default)]
struct Recorder {
    is_off: bool,
    /// What has ended, each with its context, its parent and why it failed.
    spans: Arc<Mutex<Vec<Recorded>>>,
}

#[derive(Clone, Debug)]
struct Recorded {
    what: String,
    context: TraceContext,
    parent: Option<TraceContext>,
    failed: Option<String>,
}

struct Recording(Recorded, Recorder);

impl Tracer for Recorder {
    fn begin(&self, operation: &Operation<'_>, parent: Parent<'_>) -> Option<Box<dyn Span>> {
        if self.is_off {
            return None;
        }
        let what = match *operation {
            Operation::Connect { namespace } => format!("connect {namespace}"),
            Operation::Event { event, .. } => format!("event {event}"),
            Operation::HandOver { event, .. } => format!("hand over {event}"),
            Operation::External { action, namespace } => format!("{action} {namespace}"),
            _ => "?".to_owned(),
        };
        let number = self.spans.lock().unwrap().len() as u8;
        let parent = match parent {
            Parent::Of(parent) => Some(parent.clone()),
            Parent::None => None,
            Parent::Unsampled => panic!("everything is recorded"),
        };
        let trace_id = parent.as_ref().map_or([7; 16], TraceContext::trace_id);
        let span_id = [what.len() as u8, number, 3, 4, 5, 6, 7, 8];
        let context = TraceContext::new(trace_id, span_id, true).unwrap();
        Some(Box::new(Recording(Recorded { what, context, parent, failed: None }, self.clone())))
    }
}

impl Span for Recording {
    fn context(&self) -> TraceContext {
        self.0.context.clone()
    }

    fn failed(&mut self, why: &str) {
        self.0.failed = Some(why.to_owned());
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.1.spans.lock().unwrap().push(self.0.clone());
    }
}

impl Recorder {
    async fn ended(&self, what: &str) -> Recorded {
        let find = || self.spans.lock().unwrap().iter().find(|span| span.what == what).cloned();
        until(|| find().is_some()).await;
        find().unwrap()
    }
}

async fn task(events: &mut BusEvents) -> Received {
    loop {
        let event = tokio::time::timeout(LONG, events.recv()).await.expect("nothing comes");
        if let Some(BusEvent::Message(received)) = event {
            return received;
        }
    }
}

async fn worker(nats: &NatsServer) -> (NatsBus, BusEvents) {
    let (bus, events) = NatsBus::connect(nats.url()).await.unwrap();
    bus.subscribe_queue(Subjects::default().event("/", "resize").unwrap(), "workers");
    // What comes back after it: then the server knows of the subscription.
    let asked = bus.request(Publish::new(Subjects::default().emit().clone(), Bytes::new())).unwrap();
    assert!(asked.within(LONG).await.is_err(), "no node is there yet");
    (bus, events)
}

fn answer(bus: &NatsBus, task: &Received, answer: &'static str) {
    let reply = Subjects::default().reply(task.reply.as_deref().unwrap()).unwrap();
    bus.publish(Publish::new(reply, Bytes::from_static(answer.as_bytes()))).unwrap();
}

#[actix_web::test]
async fn a_worker_is_told_which_trace_its_event_belongs_to() {
    let nats = NatsServer::start(&[]);
    let (bus, mut tasks) = worker(&nats).await;
    let recorder = Recorder::default();
    let io = builder(nats.url(), "n").await.tracer(recorder.clone()).build();
    io.of("/").hand_to_workers("resize", WorkerOptions::default());
    io.of("/").on("here", async |trace: Trace| trace.context().map(TraceContext::traceparent));
    assert!(io.cluster_ready(LONG).await);
    let (client, _) = client(&io).await;
    recorder.ended("connect /").await;

    let (acknowledged, seen) = tokio::join!(client.emit_with_ack::<String, _>("resize", &1), async {
        let task = task(&mut tasks).await;
        answer(&bus, &task, r#"{"data":["done"]}"#);
        *task.trace.expect("no context")
    });
    assert_eq!(acknowledged.unwrap(), "done");
    let (event, over) = (recorder.ended("event resize").await, recorder.ended("hand over resize").await);
    assert_eq!(over.context, seen);
    assert_eq!((over.parent, event.parent, over.failed), (Some(event.context), None, None));

    // One that says that it cannot.
    let (_, ()) = tokio::join!(client.emit_with_ack::<serde_json::Value, _>("resize", &2), async {
        let task = task(&mut tasks).await;
        answer(&bus, &task, r#"{"error":"too blue"}"#);
    });
    let is_it = |span: &Recorded| span.failed.as_deref() == Some("too blue");
    until(|| recorder.spans.lock().unwrap().iter().any(is_it)).await;

    let told: Option<String> = client.emit_with_ack("here", &()).await.unwrap();
    assert_eq!(told, Some(recorder.ended("event here").await.context.traceparent()));
}

#[actix_web::test]
async fn what_is_not_recorded_need_not_be_by_workers_and_without_a_tracer_nothing_is_said() {
    for tracer in [Some(Recorder { is_off: true, ..Recorder::default() }), None] {
        let nats = NatsServer::start(&[]);
        let (_bus, mut tasks) = worker(&nats).await;
        let is_traced = tracer.is_some();
        let builder = builder(nats.url(), "n").await;
        let io = match tracer {
            Some(tracer) => builder.tracer(tracer).build(),
            None => builder.build(),
        };
        io.of("/").hand_to_workers("resize", WorkerOptions::default());
        assert!(io.cluster_ready(LONG).await);
        let (client, _) = client(&io).await;
        client.emit("resize", &1).await.unwrap();
        let trace = task(&mut tasks).await.trace;
        assert_eq!(trace.map(|trace| trace.is_sampled()), is_traced.then_some(false));
    }
}

#[actix_web::test]
async fn what_external_processes_ask_for_is_part_of_their_trace() {
    let nats = NatsServer::start(&[]);
    let recorder = Recorder::default();
    let io = builder(nats.url(), "n").await.tracer(recorder.clone()).build();
    assert!(io.cluster_ready(LONG).await);
    let (client, _) = client(&io).await;
    let emitter = Emitter::connect(nats.url()).await.unwrap();
    let parent: TraceContext = PARENT.parse().unwrap();
    // Nobody says what for.
    emitter.confirmed(LONG).emit("news", &[1]).await.unwrap();
    let traced = emitter.traced(parent.clone());
    let receipt = traced.confirmed(Duration::from_secs(5)).emit("news", &[2]).await.unwrap();
    assert_eq!(receipt.sockets, 1);
    traced.join(&["red"]).unwrap();
    for what in ["emit /", "join /"] {
        let span = recorder.ended(what).await;
        assert_eq!((span.parent.as_ref(), span.context.trace_id()), (Some(&parent), parent.trace_id()));
    }
    assert_eq!(recorder.spans.lock().unwrap().iter().filter(|span| span.what == "emit /").count(), 1);
    drop(client);
}

//! Traces: what a collector is told, and that workers and the backend are told the same.

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_program_that_cannot_trace_says_so() {
    let environment = [("SOCKETIO_TELEMETRY_ENDPOINT", "http://127.0.0.1:4318")];
    let said = crate::process::refused(&["--port", "0"], &environment).await;
    assert!(said.contains("telemetry.endpoint: this program was built without the feature otel"), "{said}");
}

#[cfg(feature = "otel")]
mod told {
    use std::time::Instant;

    use actix_socketio::cluster::NatsBus;
    use actix_socketio::cluster::bus::{Bus, BusEvent, BusEvents, Publish, Received};
    use actix_socketio::cluster::subject::{Subject, Subjects};
    use actix_socketio::trace::TraceContext;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
    use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;
    use serde_json::{Value, json};

    use crate::LONG;
    use crate::answering::Answering;
    use crate::client::Client;
    use crate::nats_server::{NatsServer, scratch};
    use crate::port::free_port;
    use crate::process::Node;

    /// Often enough for a test.
    const QUICK: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// A collector, with all it was told.
    struct Collector {
        server: Answering,
        spans: Vec<Span>,
        resource: Vec<KeyValue>,
        /// Of the last request.
        head: String,
    }

    impl Collector {
        async fn start() -> Self {
            let server = Answering::start(None).await;
            // An answer is protobuf, too: one without a field.
            *server.answer.lock().unwrap() = (200, String::new());
            Self { server, spans: Vec::new(), resource: Vec::new(), head: String::new() }
        }

        fn url(&self) -> String {
            format!("http://127.0.0.1:{}", self.server.port)
        }

        fn read(&mut self) {
            for (head, body) in self.server.asked() {
                let told = ExportTraceServiceRequest::decode(&*body).unwrap();
                for of_resource in told.resource_spans {
                    self.resource = of_resource.resource.unwrap().attributes;
                    self.spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
                self.head = head;
            }
        }

        async fn span(&mut self, name: &str) -> Span {
            let begin = Instant::now();
            loop {
                self.read();
                if let Some(span) = self.spans.iter().find(|span| span.name == name) {
                    return span.clone();
                }
                assert!(begin.elapsed() < LONG, "no {name:?} in {:#?}", self.spans);
                tokio::time::sleep(crate::ms(5)).await;
            }
        }
    }

    fn says(attributes: &[KeyValue], key: &str, text: &str) -> bool {
        let value = Some(AnyValue::StringValue(text.to_owned()));
        attributes.iter().any(|pair| pair.key == key && pair.value == Some(Any { value: value.clone() }))
    }

    fn ids(context: &TraceContext) -> (Vec<u8>, Vec<u8>) {
        (context.trace_id().to_vec(), context.span_id().to_vec())
    }

    async fn worker(nats: &NatsServer) -> (NatsBus, BusEvents) {
        let (bus, events) = NatsBus::connect(nats.url()).await.unwrap();
        bus.subscribe_queue(Subjects::default().event("/", "order").unwrap(), "workers");
        settled(&bus).await;
        (bus, events)
    }

    /// What comes back after a subscription: then the server knows of it.
    async fn settled(bus: &NatsBus) {
        let nobody = Publish::new(Subjects::default().event("/", "nobody").unwrap(), "".into());
        assert!(bus.request(nobody).unwrap().within(LONG).await.is_err());
    }

    async fn order(client: &mut Client, number: u32) -> Value {
        client.call(&json!(["order", number])).await
    }

    async fn task(bus: &NatsBus, events: &mut BusEvents) -> Received {
        let task = question(events).await;
        let reply = Subjects::default().reply(task.reply.as_deref().unwrap()).unwrap();
        bus.publish(Publish::new(reply, json!({ "data": ["done"] }).to_string().into())).unwrap();
        task
    }

    async fn question(events: &mut BusEvents) -> Received {
        loop {
            let event = tokio::time::timeout(LONG, events.recv()).await.expect("nothing comes");
            if let Some(BusEvent::Message(question)) = event {
                return question;
            }
        }
    }

    fn config(nats: &NatsServer, telemetry: &str) -> String {
        format!(
            "[nats]\nservers = [{:?}]\n[[workers.events]]\nnamespace = \"/\"\nevent = \"order\"\n[telemetry]\n{telemetry}\n",
            nats.url()
        )
    }

    async fn node(config: &str) -> Node {
        let file = scratch("toml");
        std::fs::write(&file, config).unwrap();
        Node::with(&["--config", file.to_str().unwrap()], &[QUICK]).await
    }

    #[tokio::test]
    async fn a_collector_is_told_what_workers_and_the_backend_are_asked() {
        let nats = NatsServer::start(&[]);
        let mut collector = Collector::start().await;
        let backend = Answering::start(None).await;
        let headers = scratch("headers");
        std::fs::write(&headers, "x-key=sesame%20%21\n").unwrap();
        let telemetry = format!(
            "endpoint = {:?}\nheaders = {{ file = {headers:?} }}\nservice_name = \"shop\"",
            collector.url()
        );
        let backend_at = format!("[auth.backend]\nurl = \"http://127.0.0.1:{}/\"\n", backend.port);
        let mut node = node(&(config(&nats, &telemetry) + &backend_at)).await;
        let (bus, mut tasks) = worker(&nats).await;
        let mut client = node.client().await;

        let (answer, task) = tokio::join!(order(&mut client, 1), task(&bus, &mut tasks));
        assert_eq!(answer, "done");
        let over = collector.span("socketio hand over").await;
        assert_eq!(ids(task.trace.as_ref().expect("a context")), (over.trace_id.clone(), over.span_id));
        assert!(says(&over.attributes, "socketio.event", "order"));
        assert!(says(&over.attributes, "socketio.sid", &client.id));
        let event = collector.span("socketio event").await;
        assert_eq!((event.trace_id, event.span_id), (over.trace_id, over.parent_span_id));
        assert!(says(&collector.resource, "service.name", "shop"));
        assert!(collector.head.starts_with("post /v1/traces "), "{}", collector.head);
        assert!(collector.head.contains("\r\nx-key: sesame !\r\n"), "{}", collector.head);

        // The backend acts for the client that connects.
        let connect = collector.span("socketio connect").await;
        let (head, _) = backend.asked().remove(0);
        let told = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).expect("a context");
        assert_eq!(ids(&told.parse().unwrap()), (connect.trace_id, connect.span_id));
        assert!(says(
            &collector.span("socketio handshake").await.attributes,
            "socketio.transport",
            "websocket"
        ));

        // A request goes on with the trace of whoever makes it.
        let body = json!({ "event": "news", "data": [1] }).to_string();
        let headers = [("Content-Type", "application/json"), ("traceparent", PARENT)];
        assert_eq!(node.request("POST", "/api/v1/emit", &headers, &body).await.status, 200);
        let request = collector.span("POST /api/v1/emit").await;
        let parent = (request.trace_id, request.parent_span_id);
        assert_eq!(ids(&PARENT.parse().unwrap()), parent);

        // What was not told yet is told at the end.
        collector.spans.clear();
        let _ = tokio::join!(order(&mut client, 2), self::task(&bus, &mut tasks));
        node.program().signal("INT");
        assert!(node.ended().await);
        collector.span("socketio hand over").await;
    }

    #[tokio::test]
    async fn a_backend_on_nats_is_asked_for_the_client_that_connects() {
        let nats = NatsServer::start(&[]);
        let mut collector = Collector::start().await;
        let backend = "[auth.backend]\nsubject = \"backend.connect\"\n";
        let telemetry = format!("endpoint = {:?}", collector.url());
        let node = node(&(config(&nats, &telemetry) + backend)).await;
        let (bus, mut events) = worker(&nats).await;
        bus.subscribe_queue(Subject::foreign("backend.connect").unwrap(), "backends");
        settled(&bus).await;
        let answered = async {
            let question = question(&mut events).await;
            let reply = Subject::foreign(question.reply.as_deref().unwrap()).unwrap();
            bus.publish(Publish::new(reply, "{\"ok\":true}".into())).unwrap();
            question
        };
        let (_client, question) = tokio::join!(node.client(), answered);
        let connect = collector.span("socketio connect").await;
        assert_eq!(ids(&question.trace.expect("a context")), (connect.trace_id, connect.span_id));
    }

    #[tokio::test]
    async fn a_webhook_goes_on_with_the_trace_of_an_event() {
        let mut collector = Collector::start().await;
        let hook = Answering::start(None).await;
        let webhook = format!(
            "[[webhooks]]\nname = \"hook\"\nurl = \"http://127.0.0.1:{}/\"\nevents = [\"order\"]\nconnections = true\nbatch = 3\ngather = \"10s\"\n",
            hook.port
        );
        let node = node(&format!("[telemetry]\nendpoint = {:?}\n{webhook}", collector.url())).await;
        let mut client = node.client().await;
        for number in 0..2 {
            order(&mut client, number).await;
        }
        let span = collector.span("webhook").await;
        let (head, body) = hook.asked().remove(0);
        let told = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).expect("a context");
        assert_eq!(ids(&told.parse().unwrap()), (span.trace_id.clone(), span.span_id));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["records"][0].get("traceparent").is_none(), "a connection: {body}");
        let of_events =
            [1, 2].map(|at| ids(&body["records"][at]["traceparent"].as_str().unwrap().parse().unwrap()));
        assert_eq!(of_events[0], (span.trace_id, span.parent_span_id));
        let linked: Vec<_> = span.links.into_iter().map(|link| (link.trace_id, link.span_id)).collect();
        assert_eq!(linked, of_events[1..]);
    }

    #[tokio::test]
    async fn what_is_not_sampled_is_not_told_unless_others_record_it() {
        let nats = NatsServer::start(&[]);
        let mut collector = Collector::start().await;
        let telemetry = format!("endpoint = {:?}\nsampling = 0.0", collector.url());
        let mut node = node(&config(&nats, &telemetry)).await;
        let (bus, mut tasks) = worker(&nats).await;
        let mut client = node.client().await;
        let (_, task) = tokio::join!(order(&mut client, 1), task(&bus, &mut tasks));
        assert!(!task.trace.expect("a context").is_sampled());
        for traceparent in [PARENT, "00-nonsense", &PARENT.replace("-01", "-00")] {
            node.request("GET", "/api/v1/nodes", &[("traceparent", traceparent)], "").await;
        }
        collector.span("GET /api/v1/nodes").await;
        node.program().signal("INT");
        assert!(node.ended().await);
        collector.read();
        assert_eq!(collector.spans.len(), 1, "{:#?}", collector.spans);
    }

    /// How many spans had this outcome, as the metrics say it.
    async fn spans(node: &Node, outcome: &str) -> u64 {
        let metrics = node.request("GET", "/metrics", &[], "").await;
        let name = format!("socketio_spans_total{{outcome=\"{outcome}\"}} ");
        let mut lines = metrics.text().lines();
        lines.find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn nothing_waits_for_a_collector_that_is_away() {
        let nats = NatsServer::start(&[]);
        let telemetry = format!("endpoint = \"http://127.0.0.1:{}\"\ntimeout = \"200ms\"", free_port());
        let mut node = node(&config(&nats, &telemetry)).await;
        let (bus, mut tasks) = worker(&nats).await;
        let mut client = node.client().await;
        let says = "the collector does not take spans";
        for number in 0..20 {
            let (answer, _) = tokio::join!(order(&mut client, number), task(&bus, &mut tasks));
            assert_eq!(answer, "done");
        }
        node.program().logs(says).await;
        let begin = Instant::now();
        while spans(&node, "failed").await == 0 {
            assert!(begin.elapsed() < LONG, "none is lost");
        }
        assert_eq!(spans(&node, "delivered").await, 0);
        node.program().signal("INT");
        let (code, took) = node.program.ended().await;
        assert_eq!(code, Some(0));
        assert!(took.as_secs() < 4, "{took:?}");
        assert_eq!(node.program().log().matches(says).count(), 1, "now and then only");
    }
}

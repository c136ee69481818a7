//! What Prometheus gets to know.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::nats_server::{NatsServer, scratch};
use crate::process::Node;
use crate::support::session::Polling;

/// The samples of a node: the text before the value, and that.
async fn samples(node: &Node) -> BTreeMap<String, f64> {
    let response = node.request("GET", "/metrics", &[], "").await;
    assert_eq!(response.status, 200, "{}", response.text());
    let text = response.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}")));
    parsed.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Waits until a sample has this value.
async fn comes_to(node: &Node, name: &str, value: f64) {
    let begin = std::time::Instant::now();
    loop {
        let samples = samples(node).await;
        if samples.get(name) == Some(&value) {
            return;
        }
        assert!(begin.elapsed() < crate::LONG, "{name} is {:?}, not {value}", samples.get(name));
        tokio::time::sleep(crate::ms(10)).await;
    }
}

#[tokio::test]
async fn they_count_what_clients_do() {
    let file = scratch("metrics.toml");
    let config = "[namespaces.\"/\".rooms]\nenabled = true\n[namespaces.\"/a\"]\n[namespaces.\"/team-{x}\"]\n\
         [[permissions]]\njoin = [\"*\"]\nemit = [\"*\"]\nsend = [\"*\"]\n";
    std::fs::write(&file, config).unwrap();
    let node = Node::with(&["--config", &file.to_string_lossy()], &[]).await;
    let (mut a, mut b) = (node.client().await, node.client().await);
    let polling = Polling::open_at(node.clients(), "/socket.io/", "").await;
    polling.send("40/team-x,").await;
    assert!(polling.poll().await[0].starts_with("40/team-x,"));
    b.ws.send("40/nowhere,").await;
    b.packet().await.unwrap();

    a.ws.send(r#"420["join","red"]"#).await;
    assert!(a.packet().await.unwrap().starts_with("430"));
    // To the two of the namespace, one of which answers.
    let ask = json!({"event": "ready?", "timeout": 300});
    let (answers, ()) =
        futures_util::future::join(node.post("/api/v1/emit-with-ack", &ask), a.answer(&json!([]))).await;
    assert_eq!(answers["missing"], json!([b.id]));
    let refusal = crate::support::Ws::try_open(node.clients(), "/socket.io/?EIO=9&transport=websocket", &[]);
    assert_eq!(refusal.await.err().unwrap().status, 400);

    let samples = samples(&node).await;
    for (name, value) in [
        (r#"socketio_connections{transport="websocket"}"#, 2.0),
        (r#"socketio_connections{transport="polling"}"#, 1.0),
        (r#"socketio_handshakes_total{transport="websocket"}"#, 2.0),
        (r#"socketio_refused_requests_total{reason="protocol_version"}"#, 1.0),
        (r#"socketio_sockets{namespace="/"}"#, 2.0),
        (r#"socketio_sockets{namespace="/a"}"#, 0.0),
        (r#"socketio_sockets{namespace="other"}"#, 1.0),
        (r#"socketio_rooms{namespace="/"}"#, 1.0),
        (r#"socketio_connects_total{outcome="accepted"}"#, 3.0),
        (r#"socketio_connects_total{outcome="refused"}"#, 1.0),
        ("socketio_events_total", 1.0),
        ("socketio_acks_sent_total", 1.0),
        ("socketio_ack_latency_seconds_count", 1.0),
        (r#"socketio_ack_latency_seconds_bucket{le="+Inf"}"#, 1.0),
        (r#"socketio_acks_missed_total{reason="timeout"}"#, 1.0),
        (r#"socketio_broadcasts_total{from="here"}"#, 1.0),
        ("socketio_deliveries_total", 2.0),
        // CONNECT, join and the answer of one; CONNECT twice of the other.
        (r#"socketio_packets_received_total{transport="websocket"}"#, 5.0),
        (r#"socketio_packets_received_total{transport="polling"}"#, 1.0),
        // OPEN, CONNECT, the answer to join, an event; OPEN, CONNECT, CONNECT_ERROR, the event.
        (r#"socketio_packets_sent_total{transport="websocket"}"#, 8.0),
        (r#"socketio_packets_sent_total{transport="polling"}"#, 2.0),
        (r#"socketio_bytes_received_total{transport="polling"}"#, 10.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
    for name in [
        r#"socketio_bytes_sent_total{transport="websocket"}"#,
        r#"socketio_bytes_sent_total{transport="polling"}"#,
        "socketio_ack_latency_seconds_sum",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ] {
        assert!(samples[name] > 0.0, "{name}");
    }
    a.ws.close(1000).await;
    comes_to(&node, r#"socketio_closed_connections_total{reason="transport close"}"#, 1.0).await;
    comes_to(&node, r#"socketio_connections{transport="websocket"}"#, 1.0).await;
}

#[tokio::test]
async fn clients_that_do_not_read_are_counted() {
    let node = Node::with(&[], &[("SOCKETIO_ENGINE_OUTBOX_BYTES", "64KiB")]).await;
    let polling = Polling::open_at(node.clients(), "/socket.io/", "").await;
    polling.send("40").await;
    assert!(polling.poll().await[0].starts_with("40"));
    let large = json!({"event": "e", "data": ["x".repeat(50_000)]});
    node.post("/api/v1/emit", &large).await;
    assert!(samples(&node).await[r#"socketio_outbox_bytes{transport="polling"}"#] > 50_000.0);
    for _ in 0..3 {
        node.post("/api/v1/emit", &large).await;
    }
    comes_to(&node, "socketio_slow_clients_total", 1.0).await;
    comes_to(&node, r#"socketio_closed_connections_total{reason="transport error"}"#, 1.0).await;
}

#[tokio::test]
async fn they_tell_of_the_way_to_other_nodes() {
    let nats = NatsServer::start(&[]);
    let (one, two) = (Node::on(&nats, "one").await, Node::on(&nats, "two").await);
    for node in [&one, &two] {
        comes_to(node, r#"socketio_nodes{state="reachable"}"#, 2.0).await;
    }
    let mut there = two.client().await;
    one.post("/api/v1/emit", &json!({"event": "e"})).await;
    assert_eq!(there.event().await, json!(["e"]));
    comes_to(&two, r#"socketio_broadcasts_total{from="cluster"}"#, 1.0).await;
    assert_eq!(samples(&two).await["socketio_deliveries_total"], 1.0);
    let begin = std::time::Instant::now();
    while samples(&one).await["socketio_nats_lag_seconds"] == 0.0 {
        assert!(begin.elapsed() < crate::LONG, "no heartbeat comes back");
    }
    assert_eq!(samples(&one).await["socketio_nats_connected"], 1.0);
    drop(nats);
    comes_to(&one, "socketio_nats_connected", 0.0).await;
    // What is away takes longer and longer.
    let begin = std::time::Instant::now();
    while samples(&one).await["socketio_nats_lag_seconds"] < 0.9 {
        assert!(begin.elapsed() < crate::LONG, "the lag is not seen");
        tokio::time::sleep(crate::ms(50)).await;
    }
}

#[tokio::test]
async fn they_need_a_key_that_reads() {
    let node = Node::with(&[], &[("SOCKETIO_API_KEY", "a-key-of-more-than-16-bytes")]).await;
    assert_eq!(node.request("GET", "/metrics", &[], "").await.status, 401);
    let bearer = [("Authorization", "Bearer a-key-of-more-than-16-bytes")];
    let response = node.request("GET", "/metrics", &bearer, "").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

/// Names with their types and labels.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// As `docs/metrics.md` has them.
fn documented() -> Families {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let family = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    };
    rows.map(family).collect()
}

/// As an endpoint serves them. All have samples.
fn served(text: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(
                families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new())).is_none(),
                "{name} twice"
            );
            current = name.to_owned();
        } else if !line.starts_with('#')
            && let Some((name, rest)) = line.split_once('{')
        {
            assert!(name.starts_with(&current));
            let labels =
                rest.rsplit_once('}').unwrap().0.split(',').map(|label| label.split_once('=').unwrap().0);
            families
                .get_mut(&current)
                .unwrap()
                .1
                .extend(labels.filter(|label| *label != "le").map(str::to_owned));
        }
    }
    families
}

#[tokio::test]
async fn what_is_documented_is_served_and_the_other_way_round() {
    let file = scratch("all-metrics.toml");
    // Something of everything that can be configured.
    std::fs::write(&file, "[[webhooks]]\nname = \"hook\"\nurl = \"http://127.0.0.1:9/\"\n").unwrap();
    let node = Node::with(&["--config", &file.to_string_lossy()], &[]).await;
    let response = node.request("GET", "/metrics", &[], "").await;
    assert_eq!(served(response.text()), documented());
}

/// What a panel asks Prometheus.
fn questions(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" => into.push(text.to_owned()),
                    _ => questions(value, into),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| questions(value, into)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_is_there() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana/dashboard.json");
    let dashboard = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (families, mut asked, mut all) = (documented(), BTreeSet::new(), Vec::new());
    questions(&dashboard, &mut all);
    assert!(all.len() > 30);
    for question in &all {
        let words = question.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> =
            words.filter(|word| word.starts_with("socketio_") || word.starts_with("process_")).collect();
        assert!(!names.is_empty(), "{question}");
        let labels: BTreeSet<_> = names
            .iter()
            .map(|name| name.trim_end_matches("_bucket"))
            .flat_map(|name| {
                asked.insert(name.to_owned());
                &families.get(name).unwrap_or_else(|| panic!("{name} of {question}")).1
            })
            .map(String::as_str)
            .chain(["job", "instance", "le"])
            .collect();
        for by in question.split(" by (").skip(1) {
            for label in by.split(')').next().unwrap().split(", ") {
                assert!(labels.contains(label), "{label} of {question}");
            }
        }
    }
    let names: BTreeSet<_> = families.into_keys().collect();
    assert_eq!(asked, names, "what no panel shows");
}

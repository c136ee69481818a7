//! What load balancers and operators look at, and how a node is told to end.

use serde_json::json;

use crate::nats_server::{NatsServer, scratch};
use crate::process::Node;

async fn status(node: &Node, path: &str) -> u16 {
    node.request("GET", path, &[], "").await.status
}

#[tokio::test]
async fn a_node_without_nats_lives_but_is_not_ready() {
    let nats = NatsServer::start(&[]);
    let node = Node::on(&nats, "one").await;
    assert_eq!((status(&node, "/healthz").await, status(&node, "/readyz").await), (200, 200));
    drop(nats);
    let begin = std::time::Instant::now();
    while status(&node, "/readyz").await != 503 {
        assert!(begin.elapsed() < crate::LONG, "it does not notice");
    }
    assert_eq!(status(&node, "/healthz").await, 200);
}

#[tokio::test]
async fn a_draining_node_is_not_ready_and_ends() {
    let key = "a-key-of-more-than-16-bytes";
    let drains =
        [("SOCKETIO_API_KEY", key), ("SOCKETIO_DRAIN_WAIT", "700ms"), ("SOCKETIO_DRAIN_SPREAD", "1ms")];
    let mut node = Node::with(&[], &drains).await;
    let mut client = node.client().await;
    // Neither needs a key; draining does.
    assert_eq!((status(&node, "/healthz").await, status(&node, "/readyz").await), (200, 200));
    assert_eq!(node.try_post("/api/v1/drain", &json!({})).await.status, 401);
    let bearer = format!("Bearer {key}");
    let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
    assert_eq!(node.request("POST", "/api/v1/drain", &headers, "{}").await.status, 200);
    let begin = std::time::Instant::now();
    while status(&node, "/readyz").await != 503 {
        assert!(begin.elapsed() < crate::LONG, "it does not drain");
    }
    // No DISCONNECT: the transport ends.
    assert!(client.packet().await.is_err());
    assert!(node.ended().await);
}

#[tokio::test]
async fn a_node_with_too_much_memory_is_not_ready() {
    for (most, expected) in [("1MiB", 503), ("1GiB", 200)] {
        let node = Node::with(&[], &[("SOCKETIO_API_READY_MEMORY", most)]).await;
        assert_eq!(
            (status(&node, "/healthz").await, status(&node, "/readyz").await),
            (200, expected),
            "{most}"
        );
    }
}

/// As an operator changes it.
#[tokio::test]
async fn a_password_for_nats_changes_without_a_restart() {
    let password = scratch("password");
    std::fs::write(&password, "old").unwrap();
    let mut nats = NatsServer::start(&["--user", "me", "--pass", "old"]);
    let file = password.to_str().unwrap();
    let node = Node::start(&["--nats", &nats.url(), "--nats-user", "me", "--nats-password-file", file]).await;
    assert_eq!(status(&node, "/readyz").await, 200);
    nats.stop();
    let _nats = NatsServer::start_on(nats.port, &["--user", "me", "--pass", "new"]);
    node.program.logs("NATS refuses us").await;
    std::fs::write(&password, "new").unwrap();
    let begin = std::time::Instant::now();
    while status(&node, "/readyz").await != 200 {
        assert!(begin.elapsed() < crate::LONG, "it is not let in: {}", node.program.log());
        tokio::time::sleep(crate::ms(20)).await;
    }
}

/// Whoever asks without a key could otherwise keep everybody else from asking.
#[tokio::test]
async fn a_body_that_nobody_reads_does_not_keep_a_connection() {
    let node = Node::start(&[]).await;
    for path in ["/healthz", "/nowhere", "/api/v1/nodes"] {
        let mut http = crate::support::Http::connect(&node.api).await;
        let text = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        http.write(text.as_bytes()).await;
        assert_eq!(http.receive().await.header("connection"), Some("close"), "{path}");
        assert!(http.is_closed().await, "{path}");
    }
}

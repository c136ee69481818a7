//! Clients that do more than they may: what they are told, that others are not hurt, and that what ends is given back.

use std::time::Instant;

use serde_json::{Value, json};

use crate::client::Client;
use crate::nats_server::scratch;
use crate::process::Node;
use crate::support::{Http, Ws};
use crate::tokens::{SECRET, seconds, token};
use crate::{LONG, ms};

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// Opens a session without joining a namespace; or the message of status 429.
async fn open(node: &Node, headers: &[(&str, &str)]) -> Result<Ws, String> {
    match Ws::try_open(&node.clients, WEBSOCKET, headers).await {
        Ok(mut ws) => {
            ws.text().await;
            Ok(ws)
        }
        Err(refusal) => {
            assert_eq!(refusal.status, 429);
            assert_eq!(refusal.json()["code"], 4);
            Err(refusal.json()["message"].as_str().unwrap().to_owned())
        }
    }
}

async fn error(node: &Node, headers: &[(&str, &str)]) -> String {
    open(node, headers).await.err().expect("a refusal")
}

/// How often that limit was exceeded, as the metrics say.
async fn limited(node: &Node, limit: &str) -> u32 {
    let metrics = node.request("GET", "/metrics", &[], "").await;
    let name = format!("socketio_limited_total{{limit=\"{limit}\"}} ");
    metrics.text().lines().find_map(|line| line.strip_prefix(&*name)).unwrap().parse().unwrap()
}

async fn until_open(node: &Node, headers: &[(&str, &str)]) -> Ws {
    let begin = Instant::now();
    loop {
        if let Ok(ws) = open(node, headers).await {
            return ws;
        }
        assert!(begin.elapsed() < LONG, "a place is not given back");
        tokio::time::sleep(ms(5)).await;
    }
}

#[tokio::test]
async fn connections_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let config = "[limits]\ntrusted_proxies = [\"127.0.0.0/8\"]\nconnections_per_address = 2\n";
    let node = Node::configured(config).await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    let one = open(&node, &from("203.0.113.1")).await.unwrap();
    let mut http = Http::connect(&node.clients).await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    http.send("GET", polling, &from("203.0.113.1"), b"").await;
    let session: Value = serde_json::from_str(&http.receive().await.text()[1..]).unwrap();
    let message = "too many connections from this address";
    assert_eq!(error(&node, &from("203.0.113.1")).await, message);
    // What it adds in front is nothing that the proxy said.
    assert_eq!(error(&node, &from("198.51.100.9, 203.0.113.1")).await, message);
    http.send("GET", polling, &from("203.0.113.1"), b"").await;
    assert_eq!(http.receive().await.status, 429);
    let _other = open(&node, &from("203.0.113.2")).await.unwrap();
    // From this machine itself: nobody is behind that.
    let _local =
        [open(&node, &[]).await.unwrap(), open(&node, &[]).await.unwrap(), open(&node, &[]).await.unwrap()];
    drop(one);
    let _again = until_open(&node, &from("203.0.113.1")).await;
    assert_eq!(error(&node, &from("203.0.113.1")).await, message);
    let sid = session["sid"].as_str().unwrap();
    let mut closing = Http::connect(&node.clients).await;
    closing.send("POST", &format!("{polling}&sid={sid}"), &[], b"1").await;
    assert_eq!(closing.receive().await.status, 200);
    let _again = until_open(&node, &from("203.0.113.1")).await;
    node.program().logs("connections_per_address").await;
}

#[tokio::test]
async fn handshakes_are_limited_and_so_are_connections_without_a_namespace() {
    let config = "[limits]\nhandshakes = 2\nburst = \"1s\"\n";
    let node = Node::configured(config).await;
    let begin = Instant::now();
    let mut refused = 0;
    for _ in 0..8 {
        refused += u32::from(open(&node, &[]).await.is_err());
    }
    assert!(refused > 0, "nobody is refused");
    assert!(refused >= 6 - 2 * u32::try_from(begin.elapsed().as_secs() + 1).unwrap(), "{refused}");
    drop(until_open(&node, &[]).await);
    assert!(limited(&node, "handshakes").await >= refused);

    let node = Node::configured("[limits]\nunconnected = 2\n").await;
    let mut first = open(&node, &[]).await.unwrap();
    let _second = open(&node, &[]).await.unwrap();
    assert_eq!(error(&node, &[]).await, "too many connections without a namespace");
    first.send("40").await;
    assert!(first.text().await.starts_with("40"));
    let _third = until_open(&node, &[]).await;
    assert_eq!(error(&node, &[]).await, "too many connections without a namespace");
}

#[tokio::test]
async fn one_address_does_not_use_up_the_handshakes_of_all() {
    let config = "[limits]\ntrusted_proxies = [\"127.0.0.0/8\"]\nhandshakes = 3\nhandshakes_per_address = 1\nburst = \"10s\"\n";
    let node = Node::configured(config).await;
    let mut refused = 0;
    for _ in 0..60 {
        refused += u32::from(open(&node, &[("X-Forwarded-For", "203.0.113.1")]).await.is_err());
    }
    assert!(refused >= 30, "{refused}");
    assert_eq!(limited(&node, "handshakes_per_address").await, refused);
    assert!(open(&node, &[("X-Forwarded-For", "203.0.113.2")]).await.is_ok());
}

#[tokio::test]
async fn messages_are_limited_and_who_goes_on_is_closed() {
    let config = "[limits]\nmessages = 10\nbytes = \"10KiB\"\nburst = \"2s\"\npatience = 50\n[namespaces.\"/\"]\nrooms.enabled = true\n";
    let node = Node::configured(config).await;
    let mut flooding = node.client().await;
    let mut other = node.client().await;
    let leave = json!(["leave", "r"]);
    let mut refused = Value::Null;
    for _ in 0..60 {
        refused = flooding.call(&leave).await;
        if refused["error"] == "too many messages" {
            break;
        }
        assert_eq!(refused, json!({"error": "not permitted"}));
    }
    assert_eq!(
        refused,
        json!({"error": "too many messages", "data": {"code": "too_many", "limit": "messages"}})
    );
    // It goes on when it has waited.
    let begin = Instant::now();
    while flooding.call(&leave).await["error"] != "not permitted" {
        assert!(begin.elapsed() < LONG);
        tokio::time::sleep(ms(100)).await;
    }
    assert_eq!(other.call(&leave).await, json!({"error": "not permitted"}));
    let large = json!(["leave", "x".repeat(19_000)]);
    assert_eq!(other.call(&large).await, json!({"error": "invalid room"}));
    assert_eq!(other.call(&large).await["data"]["limit"], "bytes");
    // Nobody is listened to for ever.
    for _ in 0..200 {
        flooding.ws.send("42[\"flood\"]").await;
    }
    assert!(flooding.packet().await.is_err());
    node.program().logs("goes on all the same: closed").await;
    assert!(limited(&node, "messages").await >= 50 && limited(&node, "bytes").await > 0);
    assert!(other.call(&json!(["leave", 1])).await["error"].is_string());
}

#[tokio::test]
async fn a_user_is_limited_over_all_connections() {
    let secret = scratch("key");
    std::fs::write(&secret, SECRET).unwrap();
    let config = format!(
        "[auth]\nalgorithm = \"HS256\"\nsecret = {{ file = {secret:?} }}\n[limits]\nconnections_per_user = 2\nmessages_per_user = 5\nburst = \"2s\"\n"
    );
    let node = Node::configured(&config).await;
    let auth = |user: &str| json!({ "token": token(&json!({"sub": user, "exp": seconds(600)})) }).to_string();
    let (ada, bob) = (auth("ada"), auth("bob"));
    let (_, mut one) = Client::ask(&node.clients, &ada, &[]).await;
    let (_, mut two) = Client::ask(&node.clients, &ada, &[]).await;
    let (answer, _) = Client::ask(&node.clients, &ada, &[]).await;
    assert!(answer.contains("too many connections of this user"), "{answer}");
    let (answer, mut other) = Client::ask(&node.clients, &bob, &[]).await;
    assert!(answer.starts_with("40"), "{answer}");
    // A handler that answers whatever comes.
    let call = json!(["refresh_token", "nonsense"]);
    let mut refused = 0;
    for _ in 0..10 {
        for client in [&mut one, &mut two] {
            refused += u32::from(client.call(&call).await["data"]["limit"] == "messages_per_user");
        }
    }
    assert!(refused > 5, "{refused}");
    assert_eq!(other.call(&call).await, json!({"error": "token_invalid"}));
    drop(one);
    let begin = Instant::now();
    while !Client::ask(&node.clients, &ada, &[]).await.0.starts_with("40") {
        assert!(begin.elapsed() < LONG, "a place is not given back");
    }
}

#[tokio::test]
async fn limits_are_reloaded() {
    let file = scratch("toml");
    std::fs::write(&file, "[limits]\nunconnected = 1\n").unwrap();
    let node = Node::start(&["--config", file.to_str().unwrap()]).await;
    let _first = open(&node, &[]).await.unwrap();
    error(&node, &[]).await;
    std::fs::write(&file, "[limits]\nunconnected = 2\ntrusted_proxies = [\"nonsense\"]\n").unwrap();
    node.program().signal("HUP");
    node.program().logs("not reloaded").await;
    error(&node, &[]).await;
    std::fs::write(&file, "[limits]\nunconnected = 2\n").unwrap();
    node.program().signal("HUP");
    let _second = until_open(&node, &[]).await;
    error(&node, &[]).await;
}

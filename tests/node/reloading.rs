//! SIGHUP: what is right is taken over, what is wrong changes nothing, and both are told.

use serde_json::{Value, json};

use crate::answering::Answering;
use crate::client::Client;
use crate::nats_server::scratch;
use crate::process::Node;
use crate::program::Program;
use crate::support::Http;

#[tokio::test]
async fn the_filter_of_the_log_is_reloaded_and_what_is_wrong_is_not() {
    let file = scratch("reloading.toml");
    let write = |filter: &str, rest: &str| {
        let text = format!("[server]\nport = 0\n{rest}\n[log]\nformat = \"json\"\nfilter = \"{filter}\"\n");
        std::fs::write(&file, text).unwrap();
    };
    write("info", "");
    let mut node = Program::start(&["--config", file.to_str().unwrap()]).await;
    let address = node.address().await;
    let refused = async || {
        let mut http = Http::connect(&address).await;
        http.send("GET", "/socket.io/", &[], b"").await;
        assert_eq!(http.receive().await.status, 400);
    };
    refused().await;

    write("debug", "colour = 1");
    node.signal("HUP");
    node.logs("not reloaded, the old configuration stays in force").await;
    node.logs("colour").await;
    refused().await;

    write("actix_socketio=debug", "workers = 3");
    node.signal("HUP");
    node.logs("configuration reloaded").await;
    node.logs("server.workers").await;
    assert!(!node.log().contains("request refused"), "not before the filter lets it through");
    refused().await;
    node.logs("request refused").await;
    for line in node.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["timestamp"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    node.signal("TERM");
    assert_eq!(node.ended().await.0, Some(0));
}

/// A node whose configuration file is written anew.
struct Changing {
    file: std::path::PathBuf,
    node: Node,
}

impl Changing {
    async fn start(name: &str, text: &str, environment: &[(&str, &str)]) -> Self {
        let file = scratch(name);
        std::fs::write(&file, text).unwrap();
        let node = Node::with(&["--config", file.to_str().unwrap()], environment).await;
        Self { file, node }
    }

    async fn change(&self, text: &str, says: &str) {
        std::fs::write(&self.file, text).unwrap();
        let program = &self.node.program;
        let before = program.log().matches(says).count();
        program.signal("HUP");
        crate::until(|| program.log().matches(says).count() > before).await;
    }

    async fn is_open_to(&self, origin: &str) -> bool {
        let mut http = Http::connect(&self.node.clients).await;
        http.send("GET", "/socket.io/?EIO=4&transport=polling", &[("Origin", origin)], b"").await;
        let answer = http.receive().await;
        let is_told = answer.header("access-control-allow-origin") == Some(origin);
        assert_eq!(is_told, answer.status == 200, "both or none");
        is_told
    }
}

#[tokio::test]
async fn the_origins_are_reloaded() {
    const RELOADED: &str = "configuration reloaded";
    let [a, b] = ["https://a.example", "https://b.example"];
    let one = |origin: &str| format!("[cors]\norigins = [\"{origin}\"]\n");
    let node = Changing::start("origins.toml", &one("*"), &[]).await;
    assert!(node.is_open_to(a).await && node.is_open_to(b).await);
    node.change(&one(a), RELOADED).await;
    assert!(node.is_open_to(a).await && !node.is_open_to(b).await);
    node.change(&one(b), RELOADED).await;
    assert!(!node.is_open_to(a).await && node.is_open_to(b).await);
    node.change("", RELOADED).await;
    assert!(!node.is_open_to(b).await && node.is_open_to("http://localhost:5173").await);

    // Requests with cookies from any page: not even by a detour.
    let with_cookies = Changing::start("cookies.toml", &(one(a) + "credentials = true\n"), &[]).await;
    with_cookies.change(&one("*"), "not reloaded").await;
    assert!(with_cookies.is_open_to(a).await && !with_cookies.is_open_to(b).await);
}

#[tokio::test]
async fn the_permissions_are_reloaded() {
    let with = |rooms: &str| {
        let rule = "[[permissions]]\nnamespace = \"/\"";
        format!("[namespaces.\"/\"]\nrooms = {{ enabled = true }}\n{rule}\njoin = [{rooms:?}]\n")
    };
    let node = Changing::start("permissions.toml", &with("a"), &[]).await;
    let mut client = Client::connect(&node.node.clients).await;
    let mut joins = async |room: &str| {
        client.ws.send(&format!(r#"420["join","{room}"]"#)).await;
        client.packet().await.unwrap().starts_with(r#"430[{"ok""#)
    };
    assert!(joins("a").await && !joins("b").await);
    node.change(&with("b"), "configuration reloaded").await;
    assert!(!joins("a").await && joins("b").await);
    node.change(&with("{"), "not reloaded").await;
    assert!(!joins("a").await && joins("b").await);
}

#[tokio::test]
async fn the_keys_are_reloaded() {
    let [old, new] = ["the-old-key-of-16-bytes", "the-new-key-of-16-bytes"];
    let file = scratch("reloaded-key");
    std::fs::write(&file, old).unwrap();
    let text = format!("[api]\nhost = \"0.0.0.0\"\nkey = {{ file = {file:?} }}\n");
    let node = Changing::start("keys.toml", &text, &[]).await;
    let is_good = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let answer = node.node.request("GET", "/api/v1/nodes", &[("Authorization", &bearer)], "").await;
        answer.status == 200
    };
    assert!(is_good(old).await && !is_good(new).await);
    std::fs::write(&file, new).unwrap();
    node.change(&text, "configuration reloaded").await;
    assert!(!is_good(old).await && is_good(new).await);
    std::fs::write(&file, "short").unwrap();
    node.change(&text, "shorter than 16 bytes").await;
    assert!(is_good(new).await);
    // Another address would need none, but this one is in use.
    node.change("[api]\nhost = \"127.0.0.1\"\n", "the address in use is served only with a key").await;
    assert!(is_good(new).await && !is_good("").await);
}

fn webhook(name: &str, server: &Answering, rest: &str) -> String {
    format!(
        "[[webhooks]]\nname = {name:?}\nurl = \"http://127.0.0.1:{}/\"\ngather = \"5ms\"\nbackoff = \"30s\"\n{rest}\n",
        server.port
    )
}

/// Whether a webhook has been told something of that.
fn was_told(server: &Answering, text: &str) -> bool {
    let asked = server.asked.lock().unwrap();
    asked.iter().any(|(_, body)| String::from_utf8_lossy(body).contains(text))
}

/// Waits until a webhook was told something of that: the whole request.
async fn told(server: &Answering, text: &str) -> (String, Value) {
    let mut found = None;
    crate::until(|| {
        let asked = server.asked.lock().unwrap();
        let is_it = |(_, body): &&(String, Vec<u8>)| String::from_utf8_lossy(body).contains(text);
        found = asked.iter().find(is_it).cloned();
        found.is_some()
    })
    .await;
    let (head, body) = found.unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_webhooks_are_reloaded() {
    let (one, two, secret) =
        (Answering::start(None).await, Answering::start(None).await, scratch("hook.key"));
    let signed = format!("secret = {{ file = {secret:?} }}");
    std::fs::write(&secret, "a first secret").unwrap();
    let first = webhook("hook", &one, &format!("events = [\"order\"]\n{signed}"));
    let changing = Changing::start("webhooks.toml", &first, &[]).await;
    let mut client = changing.node.client().await;
    assert_eq!(client.call(&json!(["order", "a1"])).await, json!({ "ok": true }));
    told(&one, "\"a1\"").await;

    // What waits for a server that fails is told to the new one, at once.
    one.answers(503, &json!({}));
    client.call(&json!(["order", "a2"])).await;
    told(&one, "\"a2\"").await;
    let second = webhook("hook", &two, "events = [\"order.*\", \"cart\"]\nconnections = true")
        + &webhook("other", &one, "events = [\"cart\"]\nacknowledge = false");
    changing.change(&second, "configuration reloaded").await;
    let (head, _) = told(&two, "\"a2\"").await;
    assert!(!head.contains("x-socketio-signature"), "{head}");
    one.answers(200, &json!({}));

    // Other patterns, and another webhook.
    client.ws.send(&format!("42{}", json!(["order", "a3"]))).await;
    assert_eq!(client.call(&json!(["order.x", "a4"])).await, json!({ "ok": true }));
    assert_eq!(client.call(&json!(["cart", "a5"])).await, json!({ "ok": true }));
    for server in [&one, &two] {
        told(server, "\"a5\"").await;
    }
    told(&two, "\"a4\"").await;
    let other = changing.node.client().await;
    let (_, body) = told(&two, "\"connected\"").await;
    assert!(body.to_string().contains(&other.id));
    assert!(!was_told(&one, "\"a3\"") && !was_told(&two, "\"a3\""), "it is not wanted any more");

    // What is wrong changes nothing.
    let missing = webhook("hook", &one, "secret = { file = \"/no/such/file\" }\nevents = [\"cart\"]");
    changing
        .change(&missing, "not reloaded, the old configuration stays in force: webhooks: /no/such/file")
        .await;
    changing.change("[[webhooks]]\nname = \"x\"\nurl = \"nowhere\"", "is no http or https URL").await;
    client.call(&json!(["order.y", "a6"])).await;
    told(&two, "\"a6\"").await;

    // A secret is read again; one that is configured no more is told nothing more.
    let third = webhook("hook", &two, &format!("events = [\"order.*\"]\n{signed}"));
    changing.change(&third, "configuration reloaded").await;
    let signature = async |text: &str| {
        let (head, _) = told(&two, text).await;
        head.lines().find(|line| line.starts_with("x-socketio-signature: v1=")).map(str::to_owned)
    };
    client.ws.send(&format!("42{}", json!(["cart", "a7"]))).await;
    client.call(&json!(["order.z", "a8"])).await;
    assert!(signature("\"a8\"").await.is_some());
    assert!(!was_told(&one, "\"a7\"") && !was_told(&two, "\"a7\""));
    assert!(!changing.node.program.log().contains("count after a restart"));
}

#[tokio::test]
async fn what_counts_after_a_restart_is_told_until_it_does() {
    let changing = Changing::start("pending.toml", "[server]\nkeep_alive = \"75s\"\n", &[]).await;
    let warned = "count after a restart: server.keep_alive";
    let warnings = || changing.node.program.log().matches(warned).count();
    changing.change("[server]\nkeep_alive = \"60s\"\n", warned).await;
    // It is still not in force when something else changes.
    changing.change("[server]\nkeep_alive = \"60s\"\n[log]\nfilter = \"debug\"\n", warned).await;
    // And what is in force is nothing to be told.
    let before = warnings();
    changing.change("[server]\nkeep_alive = \"75s\"\n", "configuration reloaded").await;
    changing.change("", "configuration reloaded").await;
    assert_eq!(warnings(), before);
    assert!(!changing.node.program.log().contains('\u{1b}'), "colours are for terminals");
}

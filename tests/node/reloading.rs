//! SIGHUP: what is right is taken over, what is wrong changes nothing, and both are told.

use serde_json::Value;

use crate::client::Client;
use crate::nats::scratch;
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

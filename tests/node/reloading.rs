//! SIGHUP: what is right is taken over, what is wrong changes nothing, and both are told.

use serde_json::Value;

use crate::nats::scratch;
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

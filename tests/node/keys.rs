//! Who may use the internal listener.

use serde_json::json;

use crate::process::{Node, refused};

const KEY: &str = "a-key-of-more-than-16-bytes";

#[tokio::test]
async fn a_key_opens_it() {
    let node = Node::with(&[], &[("SOCKETIO_API_KEY", KEY)]).await;
    let get = async |value: &str| node.request("GET", "/api/v1/nodes", &[("Authorization", value)], "").await;
    assert_eq!(get(&format!("Bearer {KEY}")).await.status, 200);
    assert_eq!(get(&format!("bearer {KEY}")).await.status, 200);
    for wrong in ["", "Bearer", "Bearer ", KEY, &format!("Bearer {KEY}x"), &format!("Basic {KEY}")] {
        let response = get(wrong).await;
        assert_eq!(response.status, 401, "{wrong:?}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert!(response.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    // Before the body is looked at.
    assert_eq!(node.try_post("/api/v1/emit", &json!("nonsense")).await.status, 401);
    let response = node.request("GET", &format!("/api/v1/nodes?key={KEY}"), &[], "").await;
    assert_eq!(response.status, 401);
}

#[tokio::test]
async fn without_a_key_no_page_of_a_browser_gets_in() {
    let node = Node::start(&[]).await;
    // A name that somebody lets point to 127.0.0.1.
    let mut http = crate::support::Http::connect(&node.api).await;
    http.write(b"GET /api/v1/nodes HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert_eq!(http.receive().await.status, 421);
    // What a form can post.
    let body = json!({"rooms": []}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let response = node.request("POST", "/api/v1/disconnect", &[("Content-Type", kind)], &body).await;
        assert_eq!(response.status, 415, "{kind}");
    }
    let response =
        node.request("OPTIONS", "/api/v1/disconnect", &[("Origin", "http://evil.example")], "").await;
    assert_eq!(response.status, 405);
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn other_addresses_need_a_key() {
    let says = refused(&["--port", "0", "--api-port", "0", "--api-host", "0.0.0.0"], &[]).await;
    assert!(says.contains("only with a key"), "{says}");
    let says = refused(&["--port", "0", "--api-port", "0"], &[("SOCKETIO_API_KEY", "short")]).await;
    assert!(says.contains("shorter than 16 bytes") && !says.contains("\"short\""), "{says}");
    let says = refused(&["--port", "0", "--api-port", "0"], &[("SOCKETIO_API_KEY_FILE", "/nowhere")]).await;
    assert!(says.contains("/nowhere: "), "{says}");
}

#[tokio::test]
async fn any_address_is_fine_with_a_key() {
    let file = crate::nats_server::scratch("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let node =
        Node::with(&["--api-host", "0.0.0.0"], &[("SOCKETIO_API_KEY_FILE", &file.to_string_lossy())]).await;
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", &*bearer)];
    assert_eq!(node.request("GET", "/api/v1/nodes", &headers, "").await.status, 200);
}

#[tokio::test]
async fn a_key_is_good_for_its_scopes_only() {
    const SCOPES: [&str; 3] = ["emit", "manage", "read"];
    let file = crate::nats_server::scratch("scopes.toml");
    let keys = SCOPES.map(|scope| {
        format!(
            "[[api.keys]]\nname = {scope:?}\nsecret = {{ env = \"KEY_{scope}\" }}\nscopes = [{scope:?}]\n"
        )
    });
    std::fs::write(&file, keys.concat()).unwrap();
    let secrets = SCOPES.map(|scope| (format!("KEY_{scope}"), format!("{KEY}-{scope}")));
    let environment: Vec<_> = secrets.iter().map(|(name, secret)| (&**name, &**secret)).collect();
    let node = Node::with(&["--config", &file.to_string_lossy()], &environment).await;
    let requests = [
        ("emit", "POST", "/api/v1/emit", r#"{"event":"e"}"#),
        ("emit", "POST", "/api/v1/emit-with-ack", r#"{"event":"e"}"#),
        ("emit", "POST", "/api/v1/batch", r#"{"operations":[{"emit":{"event":"e"}}]}"#),
        ("manage", "POST", "/api/v1/batch", r#"{"operations":[{"join":{"rooms":["a"],"join":["b"]}}]}"#),
        ("manage", "POST", "/api/v1/join", r#"{"rooms":["a"],"join":["b"]}"#),
        ("manage", "POST", "/api/v1/leave", r#"{"rooms":["a"],"leave":["b"]}"#),
        ("manage", "POST", "/api/v1/disconnect", r#"{"rooms":["a"]}"#),
        ("manage", "POST", "/api/v1/close-room", r#"{"room":"a"}"#),
        ("read", "GET", "/api/v1/rooms", ""),
        ("read", "GET", "/api/v1/sockets", ""),
        ("read", "GET", "/api/v1/nodes", ""),
        ("read", "GET", "/metrics", ""),
    ];
    for (needed, method, path, body) in requests {
        for scope in SCOPES {
            let bearer = format!("Bearer {KEY}-{scope}");
            let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
            let response = node.request(method, path, &headers, body).await;
            let expected = if scope == needed { 200 } else { 403 };
            assert_eq!(response.status, expected, "{path} with {scope}: {}", response.text());
            if scope != needed {
                assert!(response.text().contains("lacks the scope"), "{}", response.text());
            }
        }
    }
    // One that may end the node is the last.
    let bearer = format!("Bearer {KEY}-read");
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    for path in ["/api/v1/drain", "/api/v1/revoke"] {
        assert_eq!(node.request("POST", path, &headers, "{}").await.status, 403);
    }
}

//! The admin UI's protocol: who is let in, what admins see of all nodes, and what they can do.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::nats_server::{NatsServer, scratch};
use crate::process::Node;
use crate::support::{Address, Frame, Ws};
use crate::{LONG, until};

/// Of `opensesame`.
const HASH: &str = "$2b$04$Jg.kK881cq7sEfzpPULsj.P40mmy67WYyWMxNHEex1GHFeUp4GN.C";

/// An admin's browser, byte by byte.
struct Admin {
    ws: Ws,
    seen: Vec<Value>,
}

impl Admin {
    /// Asks to be let in; the refusal, if it is not.
    async fn try_connect(address: &Address, auth: Value) -> Result<Self, Value> {
        let mut ws = Ws::open(address, "/socket.io/?EIO=4&transport=websocket&token=swordfish").await;
        let Frame::Text(_) = ws.receive().await else { panic!("no OPEN packet") };
        ws.send(&format!("40/admin,{auth}")).await;
        let Frame::Text(reply) = ws.receive().await else { panic!("no answer to CONNECT") };
        match reply.strip_prefix("44/admin,") {
            Some(refusal) => Err(serde_json::from_str(refusal).unwrap()),
            None => {
                assert!(reply.starts_with("40/admin,"), "{reply}");
                Ok(Self { ws, seen: Vec::new() })
            }
        }
    }

    async fn connect(address: &Address, auth: Value) -> Self {
        Self::try_connect(address, auth).await.map_err(|refusal| panic!("{refusal}")).unwrap()
    }

    async fn receive(&mut self) -> Value {
        loop {
            match tokio::time::timeout(LONG, self.ws.receive()).await.expect("nothing comes") {
                Frame::Text(text) if text == "2" => self.ws.send("3").await,
                Frame::Text(text) => {
                    let Some((head, list)) = text.split_once(',') else { panic!("{text}") };
                    assert!(head == "42/admin" || head == "43/admin", "{text}");
                    return serde_json::from_str(list.trim_start_matches(|c: char| c.is_ascii_digit()))
                        .unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for an event, which may have come before.
    async fn sees(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            if let Some(at) = self.seen.iter().position(&is_it) {
                return self.seen.remove(at);
            }
            assert!(begin.elapsed() < LONG, "not among {:#?}", self.seen);
            let event = self.receive().await;
            self.seen.push(event);
        }
    }

    /// Waits until its connection is closed.
    async fn is_over(&mut self) {
        let over = async { while let Frame::Text(_) = self.ws.receive().await {} };
        tokio::time::timeout(LONG, over).await.expect("it stays");
    }

    /// Does something, and returns the answer.
    async fn does(&mut self, command: &Value) -> Value {
        self.ws.send(&format!("42/admin,7{command}")).await;
        let answer = self.sees(|event| event[0].is_object() && event.as_array().unwrap().len() == 1).await;
        answer[0].clone()
    }
}

fn password() -> Value {
    json!({ "username": "admin", "password": "opensesame" })
}

async fn node(nats: Option<&NatsServer>, name: &str, more: &[(&str, &str)]) -> Node {
    let url = nats.map(NatsServer::url);
    let arguments: Vec<&str> = url.iter().flat_map(|url| ["--nats", url]).chain(["--name", name]).collect();
    let environment = [("SOCKETIO_ADMIN_ENABLED", "true"), ("SOCKETIO_ADMIN_PASSWORD", HASH)];
    Node::with(&arguments, &[&environment, more].concat()).await
}

#[tokio::test]
async fn admins_see_and_move_sockets_of_all_nodes() {
    let nats = NatsServer::start(&[]);
    let development = [("SOCKETIO_ADMIN_MODE", "development")];
    let (one, two) =
        (node(Some(&nats), "one", &development).await, node(Some(&nats), "two", &development).await);
    let (mut a, mut b) = (one.client().await, two.client().await);
    let begin = Instant::now();
    while one.get("/api/v1/nodes").await["nodes"].as_array().unwrap().len() < 2 {
        assert!(begin.elapsed() < LONG, "the nodes do not find each other");
    }

    let mut admin = Admin::connect(&one.clients, password()).await;
    let session = admin.sees(|event| event[0] == "session").await[1].clone();
    let config = admin.sees(|event| event[0] == "config").await;
    let features: HashSet<_> = config[1]["supportedFeatures"].as_array().unwrap().iter().collect();
    assert!(
        ["EMIT", "MJOIN", "ALL_EVENTS"].iter().all(|feature| features.contains(&json!(feature))),
        "{config}"
    );
    // What the page begins with, and what comes after it.
    let first = admin.sees(|event| event[0] == "all_sockets").await;
    let here =
        first[1].as_array().unwrap().iter().find(|socket| socket["id"] == a.id.as_str()).unwrap().clone();
    let there = admin.sees(|event| event[0] == "socket_connected" && event[1]["id"] == b.id.as_str()).await;
    for (socket, id) in [(&here, &a.id), (&there[1], &b.id)] {
        assert_eq!((&socket["nsp"], &socket["transport"]), (&json!("/"), &json!("websocket")));
        assert_eq!(socket["rooms"], json!([id]));
        assert_eq!(socket["handshake"]["address"], "127.0.0.1");
        assert_eq!(socket["clientId"].as_str().unwrap().len(), 12);
    }
    let own = first[1].as_array().unwrap().iter().find(|socket| socket["nsp"] == "/admin").unwrap();
    assert_eq!(own["handshake"]["query"]["token"], "(hidden)");
    assert!(!first.to_string().contains("swordfish"));
    for server in ["one", "two"] {
        let stats = admin.sees(|event| event[0] == "server_stats" && event[1]["serverId"] == server).await;
        let root =
            stats[1]["namespaces"].as_array().unwrap().iter().find(|namespace| namespace["name"] == "/");
        assert_eq!(root.unwrap()["socketsCount"], 1, "{stats}");
    }

    // What happened since the numbers before: at least what this admin was sent.
    let is_sum = |sum: &Value| sum["type"] == "bytesOut" && sum["count"].as_u64() > Some(100);
    let sums =
        |event: &Value| event[1]["aggregatedEvents"].as_array().is_some_and(|sums| sums.iter().any(is_sum));
    admin.sees(|event| event[0] == "server_stats" && event[1]["serverId"] == "one" && sums(event)).await;

    // A session of one node is good for the other.
    let mut other = Admin::connect(&two.clients, json!({ "sessionId": session })).await;
    other.sees(|event| event[0] == "all_sockets").await;

    // Both are told what happens on either node.
    assert_eq!(admin.does(&json!(["join", "/", "red", b.id])).await["ok"]["sockets"], 1);
    for admin in [&mut admin, &mut other] {
        admin.sees(|event| event[0] == "room_joined" && event[2] == "red" && event[3] == b.id.as_str()).await;
    }
    assert_eq!(
        admin.does(&json!(["emit", "/", "red", "news", 18446744073709551615_u64, { "b": [] }])).await,
        json!({ "ok": null })
    );
    assert_eq!(b.packet().await.unwrap(), r#"42["news",18446744073709551615,{"b":[]}]"#);
    let sent = admin.sees(|event| event[0] == "event_sent" && event[2] == b.id.as_str()).await;
    assert_eq!((&sent[1], &sent[3]), (&json!("/"), &json!(["news", 18446744073709551615_u64, { "b": [] }])));
    a.ws.send(r#"42["hello",1]"#).await;
    let received = other.sees(|event| event[0] == "event_received" && event[2] == a.id.as_str()).await;
    assert_eq!(received[3], json!(["hello", 1]));
    // To everybody, as the UI says it.
    assert_eq!(other.does(&json!(["emit", "/", null, "all"])).await, json!({ "ok": null }));
    for client in [&mut a, &mut b] {
        assert_eq!(client.event().await, json!(["all"]));
    }
    assert_eq!(admin.does(&json!(["leave", "/", "red"])).await["ok"]["sockets"], 2);
    admin.sees(|event| event[0] == "room_left" && event[2] == "red").await;

    let late = two.client().await;
    other.sees(|event| event[0] == "socket_connected" && event[1]["id"] == late.id.as_str()).await;
    assert_eq!(admin.does(&json!(["_disconnect", "/", false, b.id])).await["ok"]["sockets"], 1);
    assert_eq!(b.packet().await.as_deref(), Ok("41"));
    for admin in [&mut admin, &mut other] {
        let left = admin.sees(|event| event[0] == "socket_disconnected").await;
        assert_eq!((&left[2], &left[3]), (&json!(b.id), &json!("server namespace disconnect")));
        admin.sees(|event| event[0] == "room_left" && event[2] == b.id.as_str()).await;
    }
    for bad in [
        json!(["join", "nowhere", "x"]),
        json!(["emit", "/", null, "connect"]),
        json!(["join", "/"]),
        json!(["leave", 1, {}]),
    ] {
        assert!(admin.does(&bad).await["error"].is_string(), "{bad}");
    }
}

#[tokio::test]
async fn admins_are_told_when_a_socket_shares_other_data() {
    let environment = [
        ("SOCKETIO_ADMIN_ENABLED", "true"),
        ("SOCKETIO_ADMIN_PASSWORD", HASH),
        ("SOCKETIO_ADMIN_MODE", "development"),
    ];
    let node = Node::with(&["--demo"], &environment).await;
    let mut client = node.client().await;
    client.ws.send("40/chat,").await;
    let connected = loop {
        if let Some(connected) = client.packet().await.unwrap().strip_prefix("40/chat,") {
            break serde_json::from_str::<Value>(connected).unwrap();
        }
    };
    let id = &connected["sid"];
    let mut admin = Admin::connect(&node.clients, password()).await;
    admin.sees(|event| event[0] == "all_sockets").await;
    for name in ["ada", "grace"] {
        client.ws.send(&format!(r#"42/chat,["join",{{"room":"tea","name":"{name}"}}]"#)).await;
        let updated = admin.sees(|event| event[0] == "socket_updated" && event[1]["id"] == *id).await;
        assert_eq!(updated[1], json!({ "id": id, "nsp": "/chat", "data": { "name": name } }));
    }
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let node = node(None, "one", &[]).await;
    let invalid = json!({ "message": "invalid credentials" });
    let refused = async |auth: Value| Admin::try_connect(&node.clients, auth).await.err().expect("refused");
    for auth in [
        json!({}),
        json!({ "username": "admin" }),
        json!({ "sessionId": "" }),
        json!({ "sessionId": "ffffffff.AAAA" }),
    ] {
        assert_eq!(refused(auth.clone()).await, invalid, "{auth}");
    }
    // Four wrong ones, and the right one, after which they are forgiven.
    for round in 0..2 {
        for name in ["admin", "root", "admin", ""] {
            let password = if name == "admin" { "wrong" } else { "opensesame" };
            assert_eq!(refused(json!({ "username": name, "password": password })).await, invalid, "{round}");
        }
        Admin::connect(&node.clients, password()).await;
    }
    for _ in 0..5 {
        assert_eq!(refused(json!({ "username": "admin", "password": "wrong" })).await, invalid);
    }
    // The right one, too late.
    let refusal = refused(password()).await;
    assert!(refusal["message"].as_str().unwrap().starts_with("too many attempts"), "{refusal}");
}

#[tokio::test]
async fn a_read_only_admin_does_nothing_and_production_shows_sums() {
    let node = node(None, "one", &[("SOCKETIO_ADMIN_READ_ONLY", "true")]).await;
    let mut client = node.client().await;
    let mut admin = Admin::connect(&node.clients, password()).await;
    admin.sees(|event| event[0] == "session").await;
    let config = admin.sees(|event| event[0] == "config").await;
    assert_eq!(config[1]["supportedFeatures"], json!(["AGGREGATED_EVENTS"]));
    for command in [
        json!(["emit", "/", null, "x"]),
        json!(["join", "/", "red"]),
        json!(["leave", "/", "red"]),
        json!(["_disconnect", "/", true]),
    ] {
        assert_eq!(admin.does(&command).await, json!({ "error": "read-only" }), "{command}");
    }
    client.ws.send(r#"42["anything"]"#).await;
    for _ in 0..2 {
        admin.sees(|event| event[0] == "server_stats" && event[1]["clientsCount"] == 2).await;
    }
    assert!(admin.seen.is_empty(), "{:#?}", admin.seen);
    assert_eq!(node.get("/api/v1/rooms").await["total"], 0);
    // It was sent nothing, and is still there.
    node.post("/api/v1/emit", &json!({ "event": "last" })).await;
    assert_eq!(client.event().await, json!(["last"]));
}

#[tokio::test]
async fn a_password_that_is_no_hash_is_an_error() {
    let environment = [("SOCKETIO_ADMIN_ENABLED", "true"), ("SOCKETIO_ADMIN_PASSWORD", "opensesame")];
    let said = crate::process::refused(&["--port", "0"], &environment).await;
    assert!(said.contains("admin.password is no bcrypt hash") && !said.contains("opensesame"), "{said}");
}

#[tokio::test]
async fn who_may_see_what_is_reloaded() {
    let (file, hash) = (scratch("admin-reloaded.toml"), scratch("admin-reloaded.hash"));
    let configure = |mode: &str, is_read_only: bool| {
        let text = format!(
            "[admin]\nenabled = true\npassword = {{ file = {hash:?} }}\nmode = \"{mode}\"\nread_only = {is_read_only}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    std::fs::write(&hash, HASH).unwrap();
    configure("production", true);
    let node = Node::start(&["--config", file.to_str().unwrap()]).await;
    let reload = async |says: &str| {
        let before = node.program.log().matches(says).count();
        node.program.signal("HUP");
        until(|| node.program.log().matches(says).count() > before).await;
    };
    let client = node.client().await;
    let mut admin = Admin::connect(&node.clients, password()).await;
    let session = admin.sees(|event| event[0] == "session").await[1].clone();
    assert_eq!(admin.does(&json!(["join", "/", "red"])).await, json!({ "error": "read-only" }));

    // The page comes back with its session, and finds more.
    configure("development", false);
    reload("configuration reloaded").await;
    admin.is_over().await;
    let mut admin = Admin::connect(&node.clients, json!({ "sessionId": session })).await;
    let config = admin.sees(|event| event[0] == "config").await;
    assert!(config[1]["supportedFeatures"].as_array().unwrap().contains(&json!("ALL_EVENTS")), "{config}");
    let list = admin.sees(|event| event[0] == "all_sockets").await;
    assert!(list[1].as_array().unwrap().iter().any(|socket| socket["id"] == client.id.as_str()), "{list}");
    assert_eq!(admin.does(&json!(["join", "/", "red", client.id])).await["ok"]["sockets"], 1);

    // What is no hash changes nothing.
    std::fs::write(&hash, "opensesame").unwrap();
    reload("not reloaded, the old configuration stays in force: admin.password is no bcrypt hash").await;
    assert_eq!(admin.does(&json!(["join", "/", "blue", client.id])).await["ok"]["sockets"], 1);

    // Another password: the old one is good for nothing any more, nor is its session.
    std::fs::write(&hash, bcrypt::hash("sesame", 4).unwrap()).unwrap();
    reload("configuration reloaded").await;
    admin.is_over().await;
    for auth in [json!({ "sessionId": session }), password()] {
        assert!(Admin::try_connect(&node.clients, auth).await.is_err());
    }
    let new = json!({ "username": "admin", "password": "sesame" });
    Admin::connect(&node.clients, new).await;
    assert!(!node.program.log().contains("count after a restart"));
}

/// The pages of the UI render each event anew, and look through all that they have for each socket: what is sent is bounded.
#[tokio::test]
async fn a_long_list_is_bounded_in_sockets_and_in_bytes() {
    const SOCKETS: usize = 150;
    const LISTED: usize = 100;
    let listed = LISTED.to_string();
    let options = [("SOCKETIO_ADMIN_MODE", "development"), ("SOCKETIO_ADMIN_MAX_SOCKETS", &*listed)];
    let node = node(None, "one", &options).await;
    // Of each of them there is as much to show as can be: some 12 kB.
    let parameters: String = (0..12).map(|name| format!("&p{name}={}", "x".repeat(490))).collect();
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        let path = format!("/socket.io/?EIO=4&transport=websocket{parameters}");
        let mut ws = Ws::open(&node.clients, &path).await;
        let Frame::Text(_) = ws.receive().await else { panic!("no OPEN packet") };
        ws.send("40").await;
        let Frame::Text(_) = ws.receive().await else { panic!("not connected") };
        clients.push(ws);
    }
    let mut admin = Admin::connect(&node.clients, password()).await;
    let first = admin.sees(|event| event[0] == "all_sockets").await;
    let length = first.to_string().len();
    assert!((400 * 1024..=520 * 1024).contains(&length), "{length} bytes");
    let mut ids: Vec<_> = first[1].as_array().unwrap().iter().map(|socket| socket["id"].clone()).collect();
    assert!(ids.len() < LISTED);
    // The others come after it, one by one, up to the limit; then there is nothing but numbers.
    while ids.len() < LISTED {
        let next = admin.sees(|event| event[0] == "socket_connected").await;
        ids.push(next[1]["id"].clone());
    }
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), LISTED);
    for _ in 0..2 {
        let stats = admin.sees(|event| event[0] == "server_stats").await;
        assert_eq!(stats[1]["clientsCount"], SOCKETS + 1);
    }
    assert!(admin.seen.iter().all(|event| event[0] != "socket_connected"), "more than are to be listed");
}

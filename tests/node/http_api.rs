//! The HTTP API: what a backend makes clients of two nodes see.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::nats_server::NatsServer;
use crate::process::Node;

/// Two nodes that know each other.
async fn pair(nats: &NatsServer) -> (Node, Node) {
    let (one, two) = (Node::on(nats, "one").await, Node::on(nats, "two").await);
    for node in [&one, &two] {
        let begin = std::time::Instant::now();
        while node.get("/api/v1/nodes").await["nodes"].as_array().unwrap().len() < 2 {
            assert!(begin.elapsed() < crate::LONG, "the nodes do not find each other");
        }
    }
    (one, two)
}

#[tokio::test]
async fn events_go_to_rooms_of_all_nodes() {
    let nats = NatsServer::start(&[]);
    let (one, two) = pair(&nats).await;
    let (mut a, mut b, mut c) = (one.client().await, two.client().await, two.client().await);

    // Sockets of either node join, asked of the first.
    let join = json!({"rooms": [a.id, b.id], "join": ["red", "blue"]});
    assert_eq!(one.post("/api/v1/join", &join).await, json!({"sockets": 2, "missing_nodes": []}));
    let begin = std::time::Instant::now();
    while one.get("/api/v1/nodes").await["nodes"][1]["rooms"] != 2 {
        assert!(begin.elapsed() < crate::LONG, "the other node does not tell of its rooms");
    }
    // To the members of a room, each once, numbers as they were written.
    let body = r#"{"rooms":["red","blue"],"event":"news","data":[18446744073709551616,{"b":1.0,"a":[]}]}"#;
    let json = [("Content-Type", "application/json; charset=utf-8")];
    let response = two.request("POST", "/api/v1/emit", &json, body).await;
    assert_eq!((response.status, response.json()), (200, json!({"missing_nodes": []})));
    // Then to everybody but one of them.
    one.post("/api/v1/emit", &json!({"event": "last", "except": [a.id]})).await;
    one.post("/api/v1/emit", &json!({"event": "yours", "rooms": [a.id]})).await;
    for client in [&mut a, &mut b] {
        let packet = client.packet().await.unwrap();
        assert_eq!(packet, r#"42["news",18446744073709551616,{"b":1.0,"a":[]}]"#);
    }
    assert_eq!(b.event().await, json!(["last"]));
    assert_eq!(c.event().await, json!(["last"]));
    assert_eq!(a.event().await, json!(["yours"]));

    // Attachments.
    let picture = json!({"rooms": [c.id], "event": "picture", "data": [{"_placeholder": true, "num": 0}], "attachments": ["AQID"]});
    one.post("/api/v1/emit", &picture).await;
    assert_eq!(c.packet().await.unwrap(), r#"451-["picture",{"_placeholder":true,"num":0}]"#);

    let leave = json!({"rooms": ["red"], "except": [b.id], "leave": ["red"]});
    assert_eq!(two.post("/api/v1/leave", &leave).await["sockets"], 1);
    let rooms = one.get("/api/v1/rooms").await;
    assert_eq!(rooms["rooms"], json!([{"room": "blue", "members": 2}, {"room": "red", "members": 1}]));
    assert_eq!(rooms["missing_nodes"], json!([]));
    assert_eq!(two.post("/api/v1/close-room", &json!({"room": "blue"})).await["sockets"], 2);
    let rooms = two.get("/api/v1/rooms").await;
    assert_eq!((&rooms["total"], &rooms["rooms"][0]["room"]), (&json!(1), &json!("red")));
}

#[tokio::test]
async fn answers_come_back_and_who_is_missing() {
    let nats = NatsServer::start(&[]);
    let (one, two) = pair(&nats).await;
    let (mut a, mut b, c) = (one.client().await, two.client().await, two.client().await);
    let clients = async {
        a.answer(&json!(["yes", 1])).await;
        b.answer(&json!([])).await;
    };
    let ask = json!({"event": "ready?", "timeout": 1500});
    let (answers, ()) = futures_util::future::join(one.post("/api/v1/emit-with-ack", &ask), clients).await;
    let of = |id: &str| {
        let answers = answers["answers"].as_array().unwrap();
        answers.iter().find(|answer| answer["socket"] == id).map(|answer| answer["data"].clone())
    };
    assert_eq!(of(&a.id), Some(json!(["yes", 1])));
    assert_eq!(of(&b.id), Some(json!([])));
    assert_eq!(answers["missing"], json!([c.id]));
    assert_eq!((&answers["omitted"], &answers["missing_nodes"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn sockets_come_in_pages() {
    let nats = NatsServer::start(&[]);
    let (one, two) = pair(&nats).await;
    let mut clients = Vec::new();
    for index in 0..5 {
        clients.push(if index % 2 == 0 { one.client().await } else { two.client().await });
    }
    let ids: HashSet<_> = clients.iter().map(|client| client.id.clone()).collect();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = one.get(&format!("/api/v1/sockets?limit=2{after}")).await;
        assert_eq!(page["total"], 5);
        for socket in page["sockets"].as_array().unwrap() {
            assert_eq!(socket["transport"], "websocket");
            assert_eq!(socket["address"], "127.0.0.1");
            assert_eq!(socket["rooms"], json!([socket["id"]]));
            found.push(socket["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(page["sockets"].as_array().unwrap().len(), 2);
        after = format!("&after={next}");
    }
    assert_eq!(found.len(), 5);
    assert_eq!(found.into_iter().collect::<HashSet<_>>(), ids);
    let room = two.get(&format!("/api/v1/sockets?room={}", clients[0].id)).await;
    assert_eq!((&room["total"], &room["sockets"][0]["id"]), (&json!(1), &json!(clients[0].id)));
    assert_eq!(two.get("/api/v1/sockets?namespace=/nowhere").await["total"], 0);
}

#[tokio::test]
async fn a_disconnected_socket_is_gone() {
    let nats = NatsServer::start(&[]);
    let (one, two) = pair(&nats).await;
    let (mut a, mut b) = (one.client().await, one.client().await);
    let gone = two.post("/api/v1/disconnect", &json!({"rooms": [a.id]})).await;
    assert_eq!(gone, json!({"sockets": 1, "missing_nodes": []}));
    assert_eq!(a.packet().await.as_deref(), Ok("41"));
    // Nobody disconnects everybody by an oversight.
    for oversight in [json!({}), json!([])] {
        assert_eq!(two.try_post("/api/v1/disconnect", &oversight).await.status, 400);
    }
    assert_eq!(two.post("/api/v1/disconnect", &json!({"rooms": [], "close": true})).await["sockets"], 1);
    assert_eq!(b.packet().await.as_deref(), Ok("41"));
    assert!(b.packet().await.is_err());
}

#[tokio::test]
async fn a_batch_is_done_in_order() {
    let node = Node::start(&[]).await;
    let mut client = node.client().await;
    let batch = json!({"operations": [
        {"join": {"rooms": [client.id], "join": ["r"]}},
        {"emit": {"rooms": ["r"], "event": "one"}},
        {"emit": {"event": "disconnect"}},
        {"close_room": {"room": "r"}},
        {"emit": {"rooms": ["r"], "event": "two"}},
        {"emit": {"event": "three"}},
        {"leave": {"leave": ["r"]}},
        {"disconnect": {"rooms": [client.id], "close": true}},
    ]});
    let outcomes = node.post("/api/v1/batch", &batch).await;
    let done = |sockets: u64| json!({"done": {"sockets": sockets, "missing_nodes": []}});
    let emitted = json!({"emitted": {"missing_nodes": []}});
    assert_eq!(outcomes["outcomes"][2]["problem"]["status"], 400);
    let outcomes: Vec<_> = outcomes["outcomes"].as_array().unwrap().clone();
    assert_eq!(outcomes.len(), 8);
    assert_eq!(
        [&outcomes[0], &outcomes[3], &outcomes[6], &outcomes[7]],
        [&done(1), &done(1), &done(1), &done(1)]
    );
    assert_eq!([&outcomes[1], &outcomes[4], &outcomes[5]], [&emitted, &emitted, &emitted]);
    assert_eq!(client.event().await, json!(["one"]));
    assert_eq!(client.event().await, json!(["three"]));
    assert_eq!(client.packet().await.as_deref(), Ok("41"));
    assert!(client.packet().await.is_err());
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let node = Node::start(&[]).await;
    let json = [("Content-Type", "application/json")];
    let deep = format!(r#"{{"event":"x","data":[{}{}]}}"#, "[".repeat(64), "]".repeat(64));
    let rooms = Value::from(vec!["r"; 1001]);
    let many = json!({"event": "x", "rooms": rooms}).to_string();
    let large = format!(r#"{{"event":"{}"}}"#, "x".repeat(1 << 20));
    for (method, path, headers, body, status) in [
        ("GET", "/", &json[..], "", 404),
        ("GET", "/api/v1/../v1/nodes", &json[..], "", 404),
        ("GET", "/%ff%00", &json[..], "", 404),
        ("DELETE", "/api/v1/nodes", &json[..], "", 405),
        ("GET", "/api/v1/emit", &json[..], "", 405),
        ("POST", "/api/v1/emit", &[][..], "{}", 415),
        ("POST", "/api/v1/emit", &json[..], "", 400),
        ("POST", "/api/v1/emit", &json[..], "{", 400),
        ("POST", "/api/v1/emit", &json[..], "{}", 400),
        ("POST", "/api/v1/emit", &json[..], r#"{"event":"x","room":"y"}"#, 400),
        ("POST", "/api/v1/emit", &json[..], r#"{"event":"x","event":"y"}"#, 400),
        ("POST", "/api/v1/emit", &json[..], r#"{"event":"x","namespace":"y"}"#, 400),
        ("POST", "/api/v1/emit", &json[..], r#"{"event":"x","attachments":["?"]}"#, 400),
        ("POST", "/api/v1/emit", &json[..], &deep, 400),
        ("POST", "/api/v1/emit", &json[..], &many, 400),
        ("POST", "/api/v1/emit", &json[..], &large, 413),
        ("POST", "/api/v1/emit-with-ack", &json[..], r#"{"event":"x","timeout":0}"#, 400),
        ("POST", "/api/v1/join", &json[..], r#"{"join":[]}"#, 400),
        ("POST", "/api/v1/batch", &json[..], r#"{"operations":[{"emit":[]}]}"#, 400),
        ("GET", "/api/v1/rooms?limit=1001", &json[..], "", 400),
        ("GET", "/api/v1/rooms?limit=x", &json[..], "", 400),
        ("GET", "/api/v1/rooms?x=y", &json[..], "", 400),
        ("GET", "/api/v1/sockets?namespace=x", &json[..], "", 400),
    ] {
        let response = node.request(method, path, headers, body).await;
        let about = format!("{method} {path} {}: {}", &body[..body.len().min(40)], response.text());
        assert_eq!(response.status, status, "{about}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{about}");
        assert_eq!(
            (&response.json()["type"], &response.json()["status"]),
            (&json!("about:blank"), &json!(status))
        );
        assert_eq!(response.header("allow").is_some(), status == 405, "{about}");
    }
}

#[tokio::test]
async fn a_dead_node_is_named_until_it_is_known_to_be_dead() {
    let nats = NatsServer::start(&[]);
    let (one, two) = pair(&nats).await;
    let (_here, there) = (one.client().await, two.client().await);
    let dead = there.id[there.id.len() - 8..].to_owned();
    drop(two);
    // It did not say goodbye: for a few seconds it may live.
    let found = one.get("/api/v1/sockets").await;
    assert_eq!((&found["total"], &found["missing_nodes"]), (&json!(1), &json!([dead])));
    let begin = std::time::Instant::now();
    while one.get("/api/v1/nodes").await["nodes"].as_array().unwrap().len() > 1 {
        assert!(begin.elapsed() < crate::LONG, "the dead node is not forgotten");
    }
    assert_eq!(one.get("/api/v1/sockets").await["missing_nodes"], json!([]));
}

#[tokio::test]
async fn what_is_described_is_there() {
    let node = Node::start(&[]).await;
    let described = node.get("/api/v1/openapi.json").await;
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"), "{described}");
    let paths = described["paths"].as_object().unwrap();
    let json = [("Content-Type", "application/json")];
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            // Nothing is asked for: what is there says what is missing, or does it.
            let response = node.request(&method.to_uppercase(), path, &json, "[]").await;
            assert!(![404, 405].contains(&response.status), "{method} {path}: {}", response.text());
            assert!(
                operations[method]["responses"].get(response.status.to_string()).is_some(),
                "{method} {path}"
            );
            let other = if method == "get" { "POST" } else { "GET" };
            assert_eq!(node.request(other, path, &json, "").await.status, 405, "{other} {path}");
        }
    }
    let all = [
        "emit",
        "emit-with-ack",
        "batch",
        "join",
        "leave",
        "disconnect",
        "close-room",
        "revoke",
        "drain",
        "rooms",
        "sockets",
        "presence",
        "nodes",
    ];
    let all: HashSet<_> = all.iter().map(|name| format!("/api/v1/{name}")).collect();
    assert_eq!(paths.keys().cloned().collect::<HashSet<_>>(), all);
}

#[tokio::test]
async fn who_is_in_a_room_is_told_of_all_nodes() {
    let nats = NatsServer::start(&[]);
    let config = |name: &str| {
        let rules = "[[permissions]]\njoin = [\"*\"]\n[namespaces.\"/plain\"]\n";
        let namespace = "[namespaces.\"/\"]\nrooms.enabled = true\npresence.enabled = true\n";
        format!("[nats]\nservers = [{:?}]\n[cluster]\nname = {name:?}\n{namespace}{rules}", nats.url())
    };
    let (one, two) = (Node::configured(&config("one")).await, Node::configured(&config("two")).await);
    let begin = std::time::Instant::now();
    while one.get("/api/v1/nodes").await["nodes"].as_array().unwrap().len() < 2 {
        assert!(begin.elapsed() < crate::LONG, "the nodes do not find each other");
    }
    let (mut a, mut b) = (one.client().await, two.client().await);
    for client in [&mut a, &mut b] {
        assert!(client.call(&json!(["join", "room"])).await["ok"].is_object());
    }
    for node in [&one, &two] {
        let begin = std::time::Instant::now();
        loop {
            let roll = node.get("/api/v1/presence?room=room").await;
            if roll["count"] == 2 {
                let users: HashSet<_> =
                    roll["users"].as_array().unwrap().iter().map(|user| &user["user"]).collect();
                assert_eq!(users, HashSet::from([&json!(a.id), &json!(b.id)]));
                assert_eq!(roll["truncated"], false);
                break;
            }
            assert!(begin.elapsed() < crate::LONG, "{roll}");
        }
    }
    assert_eq!(one.get("/api/v1/presence?room=nowhere").await["count"], 0);
    for (query, status) in [("namespace=/plain&room=r", 409), ("namespace=/none&room=r", 409), ("", 400)] {
        assert_eq!(
            one.request("GET", &format!("/api/v1/presence?{query}"), &[], "").await.status,
            status,
            "{query}"
        );
    }
}

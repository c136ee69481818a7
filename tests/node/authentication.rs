//! Who may connect: tokens, good and forged, what they claim, and how they end.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::client::Client;
use crate::nats_server::{NatsServer, scratch};
use crate::process::{Node, refused};
use crate::support::{Http, Ws};
use crate::tokens::{Issuer, RSA_PUBLIC, SECRET, forged, hmac_token, seconds, token, unsigned};
use crate::{LONG, ms};

/// A file with this text.
fn file(text: &str) -> PathBuf {
    let file = scratch("key");
    std::fs::write(&file, text).unwrap();
    file
}

/// Options of a node with the secret, and further ones of its section `auth`.
fn hs256(more: &str) -> String {
    let secret = file(SECRET);
    format!("[auth]\nalgorithm = \"HS256\"\nsecret = {{ file = {secret:?} }}\nleeway = \"0s\"\n{more}\n")
}

/// What is said to a client that is not let in.
fn code(answer: &str) -> String {
    let json: Value =
        serde_json::from_str(answer.strip_prefix("44").unwrap_or_else(|| panic!("{answer}"))).unwrap();
    json["data"]["code"].as_str().unwrap().to_owned()
}

async fn ask(node: &Node, token: &str) -> (String, Client) {
    Client::ask(&node.clients, &json!({ "token": token }).to_string(), &[]).await
}

async fn code_of(node: &Node, token: &str) -> String {
    code(&ask(node, token).await.0)
}

async fn connect(node: &Node, claims: &Value) -> Client {
    let (answer, client) = ask(node, &token(claims)).await;
    assert!(answer.starts_with("40"), "{answer}");
    client
}

#[tokio::test]
async fn a_token_lets_in_and_says_who_it_is() {
    let more = r#"
open = ["/public"]
cookie = "session"
rooms = ["user-{sub}", "team-{teams}"]
data = ["sub", "name"]
permissions = "may"
[cors]
origins = ["https://app.example"]
[namespaces."/"]
rooms.enabled = true
[namespaces."/public"]
[[permissions]]
join = ["user-{sub}", "club"]
"#;
    let node = Node::configured(&hs256(more)).await;
    let nobody = Client::ask(&node.clients, "", &[]).await.0;
    assert_eq!(code(&nobody), "token_missing");
    assert!(Client::ask(&node.clients, "/public,", &[]).await.0.starts_with("40/public,"));

    let bad = Client::ask(&node.clients, "/public,{\"token\":\"nonsense\"}", &[]).await.0;
    assert!(bad.starts_with("44/public,") && bad.contains("token_invalid"), "{bad}");

    let may = json!([{"namespace": "/", "join": ["secret"]}]);
    let claims = json!({"sub": "ada", "name": "Ada", "teams": ["x", "y"], "exp": seconds(600), "may": may});
    let mut client = connect(&node, &claims).await;
    let sockets = node.get("/api/v1/sockets").await;
    let socket =
        sockets["sockets"].as_array().unwrap().iter().find(|socket| socket["id"] == client.id).unwrap();
    let mut rooms = socket["rooms"].as_array().unwrap().clone();
    rooms.retain(|room| *room != client.id);
    rooms.sort_by_key(Value::to_string);
    assert_eq!(json!(rooms), json!(["team-x", "team-y", "user-ada"]));
    assert_eq!(socket["data"], json!({"claims": {"sub": "ada", "name": "Ada"}}));
    for (room, is_permitted) in
        [("user-ada", true), ("user-bob", false), ("club", true), ("secret", true), ("x", false)]
    {
        let answer = client.call(&json!(["join", room])).await;
        assert_eq!(answer["ok"].is_object(), is_permitted, "{room}: {answer}");
    }

    // Header and cookie, not the query.
    let good = token(&json!({"sub": "bob", "exp": seconds(600)}));
    let bearer = format!("Bearer {good}");
    assert!(Client::ask(&node.clients, "", &[("Authorization", &bearer)]).await.0.starts_with("40"));
    let cookie = format!("a=b; session={good}");
    assert!(Client::ask(&node.clients, "", &[("Cookie", &cookie)]).await.0.starts_with("40"));
    let target = format!("/socket.io/?EIO=4&transport=websocket&token={good}");
    let mut ws = Ws::open(&node.clients, &target).await;
    ws.text().await;
    ws.send("40").await;
    assert_eq!(code(&ws.text().await), "token_missing");
    assert!(!node.program().log().contains(&good), "a token is in the log");

    // A page of somebody else has the user's cookie, too.
    let target = "/socket.io/?EIO=4&transport=websocket";
    for (origin, status) in [("https://evil.example", 403), ("https://app.example", 101)] {
        let headers = [("Cookie", &*cookie), ("Origin", origin)];
        let status_now = Ws::try_open(&node.clients, target, &headers)
            .await
            .map_or_else(|refusal| refusal.status, |_| 101);
        assert_eq!(status_now, status, "{origin}");
        let mut http = Http::connect(&node.clients).await;
        http.send("GET", "/socket.io/?EIO=4&transport=polling", &headers, b"").await;
        assert_eq!(http.receive().await.status, if status == 101 { 200 } else { 403 }, "{origin}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let more = "issuers = [\"https://id.example\"]\naudiences = [\"chat\", \"game\"]\nmax_token = \"2KiB\"\n";
    let node = Node::configured(&hs256(more)).await;
    let good = json!({"sub": "a", "exp": seconds(600), "iss": "https://id.example", "aud": ["game", "x"]});
    assert!(ask(&node, &token(&good)).await.0.starts_with("40"));
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        token(&claims)
    };
    let without = |key: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(key);
        token(&claims)
    };
    let header = |header: Value| forged(&header, &good, SECRET.as_bytes());
    let mut tampered = token(&good);
    let middle = tampered.find('.').unwrap() + 5;
    tampered.replace_range(middle..=middle, if tampered.as_bytes()[middle] == b'A' { "B" } else { "A" });
    for (what, token) in [
        ("unsigned", unsigned(&good)),
        ("signed with none", header(json!({"alg": "none"}))),
        ("another algorithm", hmac_token(ring::hmac::HMAC_SHA512, "HS512", &good)),
        ("another algorithm by name only", header(json!({"alg": "HS512"}))),
        ("a public key's algorithm", header(json!({"alg": "RS256"}))),
        ("no algorithm", header(json!({}))),
        ("something critical", header(json!({"alg": "HS256", "crit": ["x"], "x": 1}))),
        (
            "a key of its own",
            header(json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}})).replace('.', ".."),
        ),
        ("another secret", forged(&json!({"alg": "HS256"}), &good, b"another secret, just as long as that")),
        ("tampered with", tampered),
        ("no issuer", without("iss")),
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("no audience", without("aud")),
        ("another audience", with("aud", json!("mail"))),
        ("no end", without("exp")),
        ("an end that is none", with("exp", json!("never"))),
        ("not yet", with("nbf", json!(seconds(600)))),
        ("too long", with("pad", json!("x".repeat(3000)))),
        ("no token at all", "hello".to_owned()),
        ("dots", "..".to_owned()),
    ] {
        assert_eq!(code_of(&node, &token).await, "token_invalid", "{what}");
    }
    assert_eq!(code_of(&node, &with("exp", json!(seconds(-1)))).await, "token_expired");
    // No auth payload is too strange.
    for auth in ["{\"token\":7}", "{\"token\":{}}", "{\"token\":\"\"}", "{}"] {
        let answer = Client::ask(&node.clients, auth, &[]).await.0;
        assert_eq!(code(&answer), "token_missing", "{auth}");
    }
}

/// Whoever knows the public key must not be able to sign with it.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let pem = file(RSA_PUBLIC);
    let node = Node::configured(&format!("[auth]\nalgorithm = \"RS256\"\npublic_key = {pem:?}\n")).await;
    let claims = json!({"sub": "a", "exp": seconds(600)});
    let issuer = Issuer::new();
    assert!(ask(&node, &issuer.token("RS256", &claims)).await.0.starts_with("40"));
    for key in [RSA_PUBLIC, RSA_PUBLIC.trim()] {
        let confused = forged(&json!({"alg": "HS256"}), &claims, key.as_bytes());
        assert_eq!(code_of(&node, &confused).await, "token_invalid");
        let confused = forged(&json!({"alg": "RS256"}), &claims, key.as_bytes());
        assert_eq!(code_of(&node, &confused).await, "token_invalid");
    }
    assert_eq!(code_of(&node, &issuer.token("PS512", &claims)).await, "token_invalid");
}

#[tokio::test]
async fn keys_of_a_set_are_for_their_own_algorithms_and_are_read_again() {
    let issuer = Issuer::new();
    let set = file(&issuer.set().to_string());
    let node = Node::configured(&format!("[auth]\njwks_file = {set:?}\njwks_pause = \"50ms\"\n")).await;
    let claims = json!({"sub": "a", "exp": seconds(600)});
    for algorithm in ["ES256", "ES384", "EdDSA", "RS256", "PS512"] {
        let (answer, _) = ask(&node, &issuer.token(algorithm, &claims)).await;
        assert!(answer.starts_with("40"), "{algorithm}: {answer}");
    }
    // The key that is named verifies nothing else.
    assert_eq!(code_of(&node, &issuer.token_of("PS512", "rs256", &claims)).await, "token_invalid");
    assert_eq!(code_of(&node, &issuer.token_of("ES256", "es384", &claims)).await, "token_invalid");
    // A secret in a set counts for nothing.
    let symmetric = forged(&json!({"alg": "HS256", "kid": "hs256"}), &claims, SECRET.as_bytes());
    assert_eq!(code_of(&node, &symmetric).await, "token_invalid");

    // The issuer has other keys now.
    let other = Issuer::new();
    assert_eq!(code_of(&node, &other.token_of("ES256", "next", &claims)).await, "token_invalid");
    let mut keys = other.set();
    keys["keys"][2]["kid"] = "next".into();
    std::fs::write(&set, keys.to_string()).unwrap();
    let begin = Instant::now();
    while !ask(&node, &other.token_of("ES256", "next", &claims)).await.0.starts_with("40") {
        assert!(begin.elapsed() < LONG, "the set is not read again");
    }
    assert_eq!(code_of(&node, &issuer.token("ES256", &claims)).await, "token_invalid");
    // What cannot be read changes nothing.
    std::fs::write(&set, "{").unwrap();
    let begin = Instant::now();
    while !node.program().log().contains("the JWK set cannot be read") {
        assert!(begin.elapsed() < LONG, "nobody tries");
        assert_eq!(code_of(&node, &other.token_of("ES256", "unknown", &claims)).await, "token_invalid");
    }
    assert!(ask(&node, &other.token_of("ES256", "next", &claims)).await.0.starts_with("40"));
}

#[tokio::test]
async fn a_token_ends_the_connection_with_it_unless_another_comes() {
    let more = "warn = \"60s\"\ngrace = \"100ms\"\nrooms = [\"{room}\"]\n[namespaces.\"/chat\"]\n";
    let node = Node::configured(&hs256(more)).await;
    let claims = |sub: &str, room: &str, left| json!({"sub": sub, "room": room, "exp": seconds(left)});
    let ends = seconds(2);
    let mut stays = connect(&node, &claims("stays", "old", 2)).await;
    let mut goes = connect(&node, &claims("goes", "r", 2)).await;
    for client in [&mut stays, &mut goes] {
        let warning = client.event().await;
        assert_eq!(warning[0], "token_expiring");
        assert!(warning[1]["expires_in"].as_u64().unwrap() <= 2);
    }
    // A second socket of the same user: one new token does for the connection.
    let also = json!({ "token": token(&claims("stays", "old", 2)) });
    stays.ws.send(&format!("40/chat,{also}")).await;
    for begin in ["40/chat,", "42/chat,[\"token_expiring\""] {
        let packet = stays.packet().await.unwrap();
        assert!(packet.starts_with(begin), "{packet}");
    }
    // Not with any token.
    for (token, error) in [
        (token(&claims("somebody else", "r", 600)), "other_user"),
        (token(&claims("stays", "r", -10)), "token_expired"),
        ("nonsense".to_owned(), "token_invalid"),
    ] {
        assert_eq!(stays.call(&json!(["refresh_token", token])).await, json!({ "error": error }));
    }
    assert_eq!(stays.call(&json!(["refresh_token"])).await, json!({ "error": "token_missing" }));
    let answer = stays.call(&json!(["refresh_token", token(&claims("stays", "new", 600))])).await;
    assert!(answer["ok"]["expires_in"].as_u64().unwrap() > 500, "{answer}");
    // A close and no DISCONNECT, which a client would take as final.
    assert!(goes.packet().await.is_err());
    let metrics = node.request("GET", "/metrics", &[], "").await;
    for count in ["expired_tokens_total 1", "authentications_total{outcome=\"refreshed\"} 1"] {
        assert!(metrics.text().contains(&format!("socketio_{count}\n")), "{count}: {}", metrics.text());
    }
    // Long enough for the second socket to end it, too.
    while seconds(0) < ends + 2 {
        assert_eq!(stays.call(&json!(["refresh_token"])).await, json!({ "error": "token_missing" }));
        tokio::time::sleep(ms(50)).await;
    }
    let rooms = node.get("/api/v1/rooms").await;
    let names: Vec<_> = rooms["rooms"].as_array().unwrap().iter().map(|room| room["room"].clone()).collect();
    assert_eq!(names, ["new"], "{rooms}");
    assert_eq!(stays.call(&json!(["refresh_token"])).await, json!({ "error": "token_missing" }));
}

#[tokio::test]
async fn a_revocation_counts_on_every_node() {
    let nats = NatsServer::start(&[]);
    let config = |name: &str| {
        format!("{}\n[nats]\nservers = [{:?}]\n[cluster]\nname = {name:?}\n", hs256(""), nats.url())
    };
    let (one, two) = (Node::configured(&config("one")).await, Node::configured(&config("two")).await);
    let begin = Instant::now();
    while one.get("/api/v1/nodes").await["nodes"].as_array().unwrap().len() < 2 {
        assert!(begin.elapsed() < LONG, "the nodes do not find each other");
    }
    let claims = |sub: &str, id: &str, issued| json!({"sub": sub, "jti": id, "iat": seconds(issued), "exp": seconds(600)});
    let mut ada = connect(&two, &claims("ada", "1", -5)).await;
    let mut bob = connect(&two, &claims("bob", "2", -5)).await;
    let mut other = connect(&two, &claims("bob", "3", -5)).await;
    let done = one.post("/api/v1/revoke", &json!({"subject": "ada"})).await;
    assert_eq!(done, json!({"closed_here": 0, "missing_nodes": []}));
    assert!(ada.packet().await.is_err());
    let done = two.post("/api/v1/revoke", &json!({"token": "2"})).await;
    assert_eq!(done, json!({"closed_here": 1, "missing_nodes": []}));
    assert!(bob.packet().await.is_err());
    // A node that was not there asks the others.
    let three = Node::configured(&config("three")).await;
    for node in [&one, &two, &three] {
        let begin = Instant::now();
        loop {
            let (answer, _) = ask(node, &token(&claims("ada", "9", -5))).await;
            if answer.starts_with("44") {
                assert_eq!(code(&answer), "token_revoked");
                break;
            }
            assert!(begin.elapsed() < LONG, "it does not hear of it");
        }
        assert_eq!(code_of(node, &token(&claims("bob", "2", -5))).await, "token_revoked");
        // What was issued after that counts.
        assert!(ask(node, &token(&claims("ada", "10", 2))).await.0.starts_with("40"));
        assert!(ask(node, &token(&claims("bob", "4", -5))).await.0.starts_with("40"));
    }
    other.ws.send("42[\"still here\"]").await;
    let metrics = two.request("GET", "/metrics", &[], "").await;
    assert!(
        metrics.text().contains("socketio_authentications_total{outcome=\"revoked\"} 2\n"),
        "{}",
        metrics.text()
    );
    for bad in
        [json!({}), json!({"subject": "a", "token": "b"}), json!({"subject": ""}), json!({"subject": null})]
    {
        assert_eq!(one.try_post("/api/v1/revoke", &bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn keys_are_reloaded() {
    let secret = file(SECRET);
    let config = format!("[auth]\nalgorithm = \"HS256\"\nsecret = {{ file = {secret:?} }}\n");
    let node = Node::configured(&config).await;
    let claims = json!({"sub": "a", "exp": seconds(600)});
    let next = forged(&json!({"alg": "HS256"}), &claims, SECRET.replace('0', "x").as_bytes());
    assert!(ask(&node, &token(&claims)).await.0.starts_with("40"));
    assert_eq!(code_of(&node, &next).await, "token_invalid");
    std::fs::write(&secret, "short").unwrap();
    node.program().signal("HUP");
    node.program().logs("not reloaded, the old configuration stays in force: auth.secret").await;
    assert!(ask(&node, &token(&claims)).await.0.starts_with("40"));
    std::fs::write(&secret, SECRET.replace('0', "x")).unwrap();
    node.program().signal("HUP");
    let begin = Instant::now();
    while !ask(&node, &next).await.0.starts_with("40") {
        assert!(begin.elapsed() < LONG, "not reloaded: {}", node.program().log());
    }
    assert_eq!(code_of(&node, &token(&claims)).await, "token_invalid");
}

/// The node goes on taking cookies until it is restarted, whatever the file says by then.
#[tokio::test]
async fn a_node_that_takes_cookies_is_not_opened_to_every_page() {
    let path = file("");
    let write = |more: &str, origin: &str| {
        std::fs::write(&path, format!("{}\n[cors]\norigins = [{origin:?}]\n", hs256(more))).unwrap();
    };
    write("cookie = \"session\"", "https://app.example");
    let node = Node::start(&["--config", path.to_str().unwrap()]).await;
    write("", "*");
    node.program().signal("HUP");
    node.program().logs("excludes the cookies that this node takes").await;
    let cookie = format!("session={}", token(&json!({"sub": "a", "exp": seconds(600)})));
    let target = "/socket.io/?EIO=4&transport=websocket";
    for (origin, is_let_in) in [("https://evil.example", false), ("https://app.example", true)] {
        let headers = [("Cookie", &*cookie), ("Origin", origin)];
        assert_eq!(Ws::try_open(&node.clients, target, &headers).await.is_ok(), is_let_in, "{origin}");
    }
}

#[tokio::test]
async fn options_that_would_let_everybody_in_are_refused() {
    let key = file(RSA_PUBLIC);
    let short = file("short");
    let cookie = format!("{}\n[cors]\norigins = [\"*\"]\n", hs256("cookie = \"session\""));
    let key = key.display();
    for (config, complaint) in [
        (cookie, "any page could act for the user"),
        (format!("[auth]\nalgorithm = \"HS256\"\nsecret = {{ file = {short:?} }}\n"), "at least 32 bytes"),
        (format!("[auth]\nalgorithm = \"HS256\"\npublic_key = \"{key}\"\n"), "HS256 has a secret"),
        (format!("[auth]\nalgorithm = \"ES256\"\npublic_key = \"{key}\"\n"), "no public key for ES256"),
        (format!("[auth]\npublic_key = \"{key}\"\n"), "needs its algorithm"),
        ("[auth]\nalgorithm = \"none\"\n".to_owned(), "none"),
        ("[auth]\njwks_url = \"http://id.example/jwks\"\n".to_owned(), "https only"),
        ("[auth]\njwks_file = \"/nowhere\"\n".to_owned(), "/nowhere"),
        (hs256("rooms = [\"*\"]"), "nobody can be in all rooms"),
    ] {
        let file = file(&config);
        let said = refused(&["--port", "0", "--config", file.to_str().unwrap()], &[]).await;
        assert!(said.contains(complaint), "{complaint}: {said}");
    }
}

//! What a node asks others before it lets a client in: the backend, and an issuer for its keys.

use std::sync::Arc;

use actix_socketio::cluster::NatsBus;
use actix_socketio::cluster::bus::{Bus, BusEvent, Publish};
use actix_socketio::cluster::subject::Subject;
use base64::Engine as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::answering::Answering;
use crate::client::Client;
use crate::nats_server::{NatsServer, scratch};
use crate::port::free_port;
use crate::process::Node;
use crate::tokens::{Issuer, seconds};

fn refusal(answer: &str) -> Value {
    serde_json::from_str(answer.strip_prefix("44").unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[tokio::test]
async fn a_backend_over_http_decides() {
    let backend = Answering::start(None).await;
    let key = scratch("key");
    std::fs::write(&key, "sesame").unwrap();
    let config = format!(
        "[auth.backend]\nurl = \"http://127.0.0.1:{}/connect\"\nkey = {{ file = {key:?} }}\ntimeout = \"1s\"\nheaders = [\"x-device\"]\n",
        backend.port
    );
    let node = Node::configured(&config).await;
    let ask = |auth: &'static str| Client::ask(&node.clients, auth, &[("X-Device", "d1"), ("X-Other", "o")]);

    backend.answers(200, &json!({"ok": true, "claims": {"sub": "ada"}, "rooms": ["vip"]}));
    let (answer, client) = ask("{\"ticket\":7}").await;
    assert!(answer.starts_with("40"), "{answer}");
    let asked = backend.asked();
    let (head, body) = &asked[0];
    assert!(
        head.starts_with("post /connect ") && head.contains("\r\nauthorization: bearer sesame\r\n"),
        "{head}"
    );
    let question: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        question,
        json!({"namespace": "/", "auth": {"ticket": 7}, "claims": {}, "address": "127.0.0.1", "headers": {"x-device": "d1"}})
    );
    let sockets = node.get("/api/v1/sockets").await;
    assert_eq!(sockets["sockets"][0]["data"], json!({"claims": {"sub": "ada"}}));
    assert!(sockets["sockets"][0]["rooms"].as_array().unwrap().contains(&json!("vip")));
    drop(client);

    backend.answers(200, &json!({"ok": false, "message": "no seats", "data": {"wait": 5}}));
    assert_eq!(refusal(&ask("").await.0), json!({"message": "no seats", "data": {"wait": 5}}));
    backend.answers(403, &json!({}));
    assert_eq!(refusal(&ask("").await.0)["data"]["code"], "denied");
    for (status, body) in [(500, json!({"ok": true})), (200, json!("yes")), (302, json!({"ok": true}))] {
        backend.answers(status, &body);
        let refused = refusal(&ask("").await.0);
        assert_eq!(refused["message"], "authentication unavailable", "{status}");
        assert_eq!(refused["data"]["code"], "unavailable");
    }
    // One that is not there, and clients that are let in all the same.
    let config =
        format!("[auth.backend]\nurl = \"http://127.0.0.1:{}/\"\nunavailable = \"allow\"\n", free_port());
    let node = Node::configured(&config).await;
    assert!(Client::ask(&node.clients, "", &[]).await.0.starts_with("40"));
    node.program().logs("the backend does not say who may connect").await;
}

#[tokio::test]
async fn a_backend_on_nats_decides() {
    let nats = NatsServer::start(&[]);
    let config = format!(
        "[nats]\nservers = [{:?}]\n[auth.backend]\nsubject = \"backend.connect\"\ntimeout = \"2s\"\n",
        nats.url()
    );
    let node = Node::configured(&config).await;
    let ask = |auth: &'static str| Client::ask(&node.clients, auth, &[]);
    // Nobody listens: that is known at once.
    assert_eq!(refusal(&ask("").await.0)["data"]["code"], "unavailable");

    let (bus, mut events) = NatsBus::connect(nats.url()).await.unwrap();
    bus.subscribe_queue(Subject::foreign("backend.connect").unwrap(), "backends");
    let backend = tokio::spawn(async move {
        loop {
            let Some(BusEvent::Message(question)) = events.recv().await else { continue };
            let asked: Value = serde_json::from_slice(&question.body).unwrap();
            let is_good = asked["auth"]["ticket"] == 7;
            let reply = Subject::foreign(question.reply.as_deref().unwrap()).unwrap();
            bus.publish(Publish::new(reply, json!({ "ok": is_good }).to_string().into())).unwrap();
        }
    });
    let begin = std::time::Instant::now();
    while !ask("{\"ticket\":7}").await.0.starts_with("40") {
        assert!(begin.elapsed() < crate::LONG, "the backend is not asked");
    }
    assert_eq!(
        refusal(&ask("{\"ticket\":8}").await.0),
        json!({"message": "not allowed", "data": {"code": "denied"}})
    );
    backend.abort();
}

#[tokio::test]
async fn keys_are_fetched_over_https_and_kept_when_the_issuer_is_away() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let roots = scratch("pem");
    let certificate = base64::engine::general_purpose::STANDARD.encode(made.cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
    std::fs::write(&roots, pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der())),
        )
        .unwrap();
    let server = Answering::start(Some(Arc::new(tls))).await;
    let issuer = Issuer::new();
    server.answers(503, &json!({}));
    let file = scratch("toml");
    let url = format!("https://localhost:{}/jwks.json", server.port);
    std::fs::write(&file, format!("[auth]\njwks_url = {url:?}\njwks_pause = \"100ms\"\n")).unwrap();
    let environment = [("SSL_CERT_FILE", roots.to_str().unwrap())];
    let node = Node::with(&["--config", file.to_str().unwrap()], &environment).await;
    let token = issuer.token("ES256", &json!({"sub": "a", "exp": seconds(600)}));
    let auth = json!({ "token": token }).to_string();
    let ask = || Client::ask(&node.clients, &auth, &[]);
    // Not yet there.
    assert_eq!(refusal(&ask().await.0)["data"]["code"], "unavailable");
    server.answers(200, &issuer.set());
    let begin = std::time::Instant::now();
    while !ask().await.0.starts_with("40") {
        assert!(begin.elapsed() < crate::LONG, "the keys are not fetched: {}", node.program().log());
    }
    // Away, or with an answer that is too large: what was fetched stays in force.
    server.answers(200, &json!({"keys": [], "pad": "x".repeat(300_000)}));
    server.asked();
    let unknown = issuer.token_of("ES256", "unknown", &json!({"sub": "a", "exp": seconds(600)}));
    let unknown = json!({ "token": unknown }).to_string();
    let begin = std::time::Instant::now();
    while server.asked.lock().unwrap().is_empty() {
        assert!(begin.elapsed() < crate::LONG);
        let answer = Client::ask(&node.clients, &unknown, &[]).await.0;
        assert_eq!(refusal(&answer)["data"]["code"], "token_invalid");
    }
    assert!(ask().await.0.starts_with("40"));
    // Many unknown key ids are few questions.
    server.asked();
    for _ in 0..20 {
        Client::ask(&node.clients, &unknown, &[]).await;
    }
    assert!(begin.elapsed().as_millis() / 100 + 2 > server.asked().len() as u128);
}

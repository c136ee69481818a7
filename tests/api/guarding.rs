//! What stands before all handlers: guards, meters, and what every namespace has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_socketio::engine::ConnectionError;
use actix_socketio::test::TestClient;
use actix_socketio::{Ack, DisconnectReason, Event, Refusal, Socket, SocketIo};
use serde_json::{Value, json};

use crate::{Seen, until};

fn guarded() -> SocketIo {
    let builder = SocketIo::builder().every_namespace(|every| {
        every
            .middleware(|socket: Socket| async move {
                if socket.handshake().query("let").is_some() { Ok(()) } else { Err("no") }
            })
            .guard(|event: Event, ack: Ack| async move {
                match &*event.0 {
                    "acked" => {
                        let _ = ack.send("by itself");
                        Err(Refusal::new("unsaid"))
                    }
                    "forbidden" => Err(Refusal::new("forbidden").data(&json!({"why": 1}))),
                    _ => Ok(()),
                }
            })
            .on("everywhere", |socket: Socket| async move { socket.namespace().name().to_owned() })
    });
    builder.build()
}

#[actix_web::test]
async fn every_namespace_has_what_all_have() {
    let io = guarded();
    io.of("/static");
    io.of_pattern("/t-{tenant}").unwrap();
    assert!(TestClient::connect(&io).await.unwrap_err().to_string().contains("no"));
    let client = TestClient::builder(&io).query("let", "1").connect().await.unwrap();
    for name in ["/static", "/t-a"] {
        let also = client.also(name).await.unwrap();
        assert_eq!(also.emit_with_ack::<String, _>("everywhere", &()).await.unwrap(), name);
    }
}

#[actix_web::test]
async fn a_guard_keeps_events_from_everybody() {
    let io = guarded();
    let seen = Seen::default();
    let (any, on) = (seen.clone(), seen.clone());
    io.of("/")
        .on_any(move |event: Event| {
            any.push(format!("any {}", event.0));
            async {}
        })
        .on("forbidden", move || {
            on.push("handled");
            async { "handled" }
        })
        .fallback(|| async { "fallback" });
    let client = TestClient::builder(&io).query("let", "1").connect().await.unwrap();
    let answer: Value = client.emit_with_ack("forbidden", &()).await.unwrap();
    assert_eq!(answer, json!({"error": "forbidden", "data": {"why": 1}}));
    client.emit("forbidden", &()).await.unwrap();
    assert_eq!(client.emit_with_ack::<Value, _>("acked", &()).await.unwrap(), "by itself");
    assert_eq!(client.emit_with_ack::<Value, _>("free", &()).await.unwrap(), "fallback");
    assert_eq!(seen.all(), ["any free"]);
}

#[actix_web::test]
async fn a_meter_refuses_before_anything_is_handled() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let counted = bytes.clone();
    let builder = SocketIo::builder().meter(move |connection| {
        let (counted, connection) = (counted.clone(), connection.clone());
        move |size| {
            if counted.fetch_add(size, Ordering::Relaxed) + size <= 100 {
                return Ok(());
            }
            if size > 1000 {
                connection.close(DisconnectReason::ForcedServerClose);
            }
            Err(Refusal::new("too much"))
        }
    });
    let io = builder.build();
    io.of("/other");
    let seen = Seen::default();
    let on = seen.clone();
    io.of("/").on("event", move |data: actix_socketio::Data<Value>| {
        on.push("event");
        async move { data.0 }
    });
    let client = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<Value, _>("event", "small").await.unwrap(), "small");
    let large = "x".repeat(200);
    let answer: Value = client.emit_with_ack("event", &large).await.unwrap();
    assert_eq!(answer, json!({"error": "too much"}));
    // An attachment over the limit refuses its packet.
    bytes.store(0, Ordering::Relaxed);
    let answer: Value = client.emit_with_ack("event", &bytes::Bytes::from(vec![0; 200])).await.unwrap();
    assert_eq!(answer, json!({"error": "too much"}));
    assert!(client.also("/other").await.unwrap_err().to_string().contains("too much"));
    assert_eq!(seen.all(), ["event"]);
    // What the server asked for comes through.
    let socket = io.of("/").socket(client.id()).await.unwrap();
    let (asked, answered) = tokio::join!(
        socket.emit_with_ack::<String, _>("question", &()),
        client.answer::<Value, _>("question", "answer"),
    );
    answered.unwrap();
    assert_eq!(asked.unwrap(), "answer");
    client.emit("event", &"x".repeat(2000)).await.unwrap();
    until(|| !client.is_connected()).await;
}

#[actix_web::test]
async fn hooks_refuse_handshakes_one_after_the_other() {
    let io = SocketIo::builder()
        .allow_request(|request| async move {
            if request.headers().contains_key("x-first") { Ok(()) } else { Err("first") }
        })
        .allow_request(|request| async move {
            if request.headers().contains_key("x-second") {
                return Ok(());
            }
            Err(ConnectionError::TooManyRequests("second".to_owned()))
        })
        .build();
    let refused = TestClient::connect(&io).await.unwrap_err();
    assert_eq!(refused.to_string(), "handshake refused: first");
    let refused = TestClient::builder(&io).header(("x-first", "1")).connect().await.unwrap_err();
    assert_eq!(refused.to_string(), "handshake refused: second");
    let both = TestClient::builder(&io).header(("x-first", "1")).header(("x-second", "1"));
    assert!(both.connect().await.is_ok());
}

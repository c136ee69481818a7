//! What handlers can have as parameters, and what they may return.

use std::sync::Arc;

use actix_socketio::engine::TransportKind;
use actix_socketio::protocol::ByteString;
use actix_socketio::test::TestClient;
use actix_socketio::{
    Ack, Args, Attachments, Data, DisconnectReason, Event, FromCall, Handshake, Namespace, Reply, Socket,
    SocketIo, State, TryData,
};
use actix_web::web;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Seen, ms, until};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Message {
    text: String,
    #[serde(default)]
    count: u32,
}

#[actix_web::test]
async fn everything_at_once() {
    let io = SocketIo::builder().state(7u32).build();
    io.of("/all").on(
        "x",
        |socket: Socket,
         Data((message, bytes)): Data<(Message, Bytes)>,
         TryData(wrong): TryData<u8>,
         Event(name): Event,
         Attachments(attachments): Attachments,
         namespace: Namespace,
         io: SocketIo,
         state: State<u32>| async move {
            assert!(wrong.is_err());
            assert_eq!((&*name, namespace.name()), ("x", "/all"));
            assert_eq!(attachments, [bytes]);
            assert_eq!(io.of("/all").socket_count(), 1);
            assert_eq!(io.state::<u32>().as_deref(), Some(&7));
            assert!(socket.is_connected() && socket.server().state::<u64>().is_none());
            Reply((message.text, message.count + *state))
        },
    );
    let client = TestClient::builder(&io).namespace("/all").connect().await.unwrap();
    let data = (Message { text: "hi".into(), count: 1 }, Bytes::from_static(b"\x00\xff"));
    let answer: (String, u32) = client.emit_with_ack("x", &data).await.unwrap();
    assert_eq!(answer, ("hi".to_owned(), 8));
}

/// At once, and not only when the connection would have had to look at the time again: half a minute later.
#[actix_web::test]
async fn what_a_connection_has_goes_with_it() {
    let io = SocketIo::builder().handshake_extension::<Arc<()>>().build();
    // The first request of a thread is kept for its application's state.
    let _first = TestClient::connect(&io).await.unwrap();
    let kept = Arc::new(());
    let client = TestClient::builder(&io).extension(kept.clone()).connect().await.unwrap();
    assert!(Arc::strong_count(&kept) > 1);
    drop(client);
    until(|| Arc::strong_count(&kept) == 1).await;
}

#[actix_web::test]
async fn the_handshake_has_the_request() {
    #[derive(Clone)]
    struct User(&'static str);
    let io = SocketIo::builder().handshake_extension::<User>().build();
    io.of("/").on("who", |handshake: Handshake| async move {
        assert_eq!(handshake.transport(), TransportKind::Websocket);
        assert!(!handshake.is_secure() && handshake.is_cross_domain());
        assert_eq!(handshake.peer().map(|peer| peer.port()), Some(4711));
        json!([
            handshake.header("x-token"),
            handshake.query("room").as_deref(),
            handshake.cookie("session"),
            handshake.extension::<User>().map(|user| user.0),
            handshake.auth::<Value>().ok(),
            handshake.uri(),
        ])
    });
    let client = TestClient::builder(&io)
        .header(("X-Token", "t"))
        .header(("Cookie", "a=b; session=s"))
        .header(("Origin", "https://example.com"))
        .query("room", "a b&c")
        .extension(User("bob"))
        .peer(([10, 0, 0, 1], 4711).into())
        .auth(&json!({"k": 1}))
        .connect()
        .await
        .unwrap();
    let who: Value = client.emit_with_ack("who", &()).await.unwrap();
    let uri = "/socket.io/?EIO=4&transport=websocket&room=a+b%26c";
    assert_eq!(who, json!(["t", "a b&c", "s", "bob", {"k": 1}, uri]));
}

#[actix_web::test]
async fn data_of_the_app_is_shared() {
    struct Counter(std::sync::atomic::AtomicU32);
    let io = SocketIo::new();
    io.of("/").on("count", |counter: web::Data<Counter>| async move {
        counter.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    });
    let counter = web::Data::new(Counter(5.into()));
    let client = TestClient::builder(&io).app_data(counter.clone()).connect().await.unwrap();
    let other = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<u32, _>("count", &()).await.unwrap(), 5);
    assert_eq!(other.emit_with_ack::<u32, _>("count", &()).await.unwrap(), 6);
    assert_eq!(counter.0.load(std::sync::atomic::Ordering::Relaxed), 7);
}

#[actix_web::test]
async fn what_cannot_be_extracted_keeps_the_handler_from_being_called() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let note = |what: &'static str| {
        let seen = seen.clone();
        move || seen.push(what)
    };
    let (state, data, reason, typed) = (note("state"), note("data"), note("reason"), note("typed"));
    io.of("/")
        .on("state", move |_: State<u8>| {
            state();
            async {}
        })
        .on("data", move |_: web::Data<u8>| {
            data();
            async {}
        })
        .on("reason", move |_: DisconnectReason| {
            reason();
            async {}
        })
        .on("typed", move |_: Data<Message>| {
            typed();
            async {}
        });
    let client = TestClient::builder(&io).timeout(ms(50)).connect().await.unwrap();
    for event in ["state", "data", "reason", "typed"] {
        client.emit_with_ack::<(), _>(event, &()).await.unwrap_err();
    }
    assert_eq!(seen.all(), Vec::<String>::new());
    client.emit("typed", &json!({"text": "now"})).await.unwrap();
    assert_eq!(seen.wait(1).await, ["typed"]);
}

#[actix_web::test]
async fn an_extractor_of_ones_own() {
    struct User(String);
    impl FromCall for User {
        fn from_call(call: &actix_socketio::Call) -> Result<Self, actix_socketio::ExtractError> {
            Ok(Self(call.socket().data().get::<String>().unwrap_or_else(|| "nobody".to_owned())))
        }
    }
    let io = SocketIo::new();
    io.of("/")
        .on("login", |socket: Socket, Data(name): Data<String>| async move {
            socket.data().set(name);
            true
        })
        .on("who", |user: User| async move { user.0 });
    let client = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<String, _>("who", &()).await.unwrap(), "nobody");
    assert!(client.emit_with_ack::<bool, _>("login", "bob").await.unwrap());
    assert_eq!(client.emit_with_ack::<String, _>("who", &()).await.unwrap(), "bob");
}

#[actix_web::test]
async fn results_are_acknowledgements() {
    let io = SocketIo::new();
    io.of("/")
        .on("str", || async { "text" })
        .on("string", || async { String::from("text") })
        .on("bytestring", || async { ByteString::from_static("text") })
        .on("bool", || async { true })
        .on("int", || async { -3i64 })
        .on("float", || async { 0.5f64 })
        .on("vec", || async { vec![1, 2] })
        .on("value", || async { json!({"a": [1]}) })
        .on("raw", || async { serde_json::value::RawValue::from_string("[1e400]".to_owned()) })
        .on("reply", || async { Reply((1, "two")) })
        .on("args", |args: Args| async move { args })
        .on("option", || async { Some("some") })
        .on("result", || async { Ok::<_, String>("ok") })
        .on("nothing", |ack: Ack| async move { ack.send(&()).unwrap() });
    let client = TestClient::connect(&io).await.unwrap();
    for (event, expected) in [
        ("str", r#"["text"]"#),
        ("string", r#"["text"]"#),
        ("bytestring", r#"["text"]"#),
        ("bool", "[true]"),
        ("int", "[-3]"),
        ("float", "[0.5]"),
        ("vec", "[[1,2]]"),
        ("value", r#"[{"a":[1]}]"#),
        ("raw", "[[1e400]]"),
        ("reply", r#"[1,"two"]"#),
        ("args", r#"["a",null]"#),
        ("option", r#"["some"]"#),
        ("result", r#"["ok"]"#),
        ("nothing", "[]"),
    ] {
        let answer: Args = client.emit_with_ack(event, &("a", ())).await.unwrap();
        assert_eq!(&*answer.to_json().unwrap().0, expected, "{event}");
    }
}

#[actix_web::test]
async fn bytes_are_acknowledged_as_binary() {
    let io = SocketIo::new();
    io.of("/").on("bytes", || async { Bytes::from_static(b"\x00\xff") });
    let client = TestClient::connect(&io).await.unwrap();
    let answer: Bytes = client.emit_with_ack("bytes", &()).await.unwrap();
    assert_eq!(answer, b"\x00\xff"[..]);
}

#[actix_web::test]
async fn an_error_a_none_and_a_unit_leave_the_client_to_its_timeout() {
    let io = SocketIo::new();
    io.of("/")
        .on("error", || async { Err::<i32, _>("no") })
        .on("none", || async { None::<i32> })
        .on("unit", || async {});
    let client = TestClient::builder(&io).timeout(ms(50)).connect().await.unwrap();
    for event in ["error", "none", "unit"] {
        let answer = client.emit_with_ack::<Args, _>(event, &()).await;
        assert_eq!(answer.unwrap_err().to_string(), "no acknowledgement within 50ms", "{event}");
    }
}

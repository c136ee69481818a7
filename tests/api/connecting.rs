//! CONNECT: auth, middlewares, refusals, and what a client must not do.

use actix_socketio::test::{ConnectError, TestClient};
use actix_socketio::{Data, DisconnectReason, Handshake, Refusal, Socket, SocketIo};
use serde_json::{Value, json};

use crate::{Seen, ms, until};

fn refused(result: Result<TestClient, ConnectError>) -> (String, Option<Value>) {
    match result.unwrap_err() {
        ConnectError::Refused { message, data } => (message, data),
        other => panic!("{other}"),
    }
}

#[actix_web::test]
async fn the_auth_payload_reaches_middleware_and_connect_handler() {
    let seen = Seen::default();
    let (one, two) = (seen.clone(), seen.clone());
    let io = SocketIo::new();
    io.of("/")
        .middleware(move |handshake: Handshake| {
            one.push(handshake.auth::<Value>().unwrap().to_string());
            async {}
        })
        .on_connect(move |Data(auth): Data<Value>| {
            two.push(auth.to_string());
            async {}
        });
    let _one = TestClient::builder(&io).auth(&json!({"token": "x"})).connect().await.unwrap();
    seen.wait(2).await;
    let _two = TestClient::connect(&io).await.unwrap();
    assert_eq!(seen.wait(4).await, [r#"{"token":"x"}"#, r#"{"token":"x"}"#, "{}", "{}"]);
}

#[actix_web::test]
async fn a_refusal_has_message_and_data() {
    let io = SocketIo::new();
    io.of("/").middleware(|Data(auth): Data<Value>| async move {
        if auth["token"] == "secret" {
            return Ok(());
        }
        Err(Refusal::new("not authorized").data(&json!({"code": "E_AUTH"})))
    });
    let (message, data) = refused(TestClient::connect(&io).await);
    assert_eq!((&*message, data), ("not authorized", Some(json!({"code": "E_AUTH"}))));
    assert!(TestClient::builder(&io).auth(&json!({"token": "secret"})).connect().await.is_ok());
}

#[actix_web::test]
async fn middlewares_are_asked_in_order_until_one_refuses() {
    let seen = Seen::default();
    let (one, two, three, connected) = (seen.clone(), seen.clone(), seen.clone(), seen.clone());
    let io = SocketIo::new();
    io.of("/")
        .middleware(move || {
            let one = one.clone();
            async move {
                tokio::time::sleep(ms(10)).await;
                one.push("one");
            }
        })
        .middleware(move |handshake: Handshake| {
            two.push("two");
            let refuses = handshake.query("refuse").is_some();
            async move { if refuses { Err("no") } else { Ok(()) } }
        })
        .middleware(move || {
            three.push("three");
            async {}
        })
        .on_connect(move || {
            connected.push("connect");
            async {}
        });
    let result = TestClient::builder(&io).query("refuse", "1").connect().await;
    assert_eq!(refused(result), ("no".to_owned(), None));
    assert_eq!(seen.all(), ["one", "two"]);
    seen.clear();
    let _client = TestClient::connect(&io).await.unwrap();
    assert_eq!(seen.wait(4).await, ["one", "two", "three", "connect"]);
}

#[actix_web::test]
async fn a_middleware_may_join_rooms_and_its_socket_gets_nothing_before_it_is_connected() {
    let io = SocketIo::new();
    let of_middleware = io.clone();
    io.of("/").middleware(move |socket: Socket| {
        let io = of_middleware.clone();
        async move {
            socket.join("early").await.unwrap();
            io.to("early").emit("too-early", &1).await.unwrap();
            assert!(!socket.is_connected());
        }
    });
    let client = TestClient::connect(&io).await.unwrap();
    io.to("early").emit("now", &2).await.unwrap();
    assert_eq!(client.expect::<i32>("now").await.unwrap(), 2);
    assert_eq!(io.of("/").room_size_here("early"), 1);
}

#[actix_web::test]
async fn a_refused_socket_leaves_no_room_behind() {
    let io = SocketIo::new();
    io.of("/").middleware(|socket: Socket| async move {
        socket.join("early").await.unwrap();
        Err::<(), _>("no")
    });
    refused(TestClient::connect(&io).await);
    assert_eq!(io.of("/").room_names_here(), Vec::<String>::new());
    assert_eq!(io.of("/").socket_count(), 0);
}

#[actix_web::test]
async fn a_panicking_middleware_refuses() {
    let io = SocketIo::new();
    io.of("/").middleware(|handshake: Handshake| async move {
        assert!(handshake.query("panic").is_none(), "on purpose");
    });
    let (message, _) = refused(TestClient::builder(&io).query("panic", "1").connect().await);
    assert_eq!(message, "internal error");
    assert!(TestClient::connect(&io).await.is_ok());
}

#[actix_web::test]
async fn without_a_namespace_in_time_the_connection_is_closed() {
    let io = SocketIo::builder().connect_timeout(ms(60)).build();
    io.of("/slow").middleware(|| async { tokio::time::sleep(ms(300)).await });
    let result = TestClient::builder(&io).namespace("/slow").connect().await;
    assert_eq!(result.unwrap_err(), ConnectError::Closed(DisconnectReason::ForcedServerClose));
    // Who has joined one stays.
    let client = TestClient::connect(&io).await.unwrap();
    client.expect_nothing_for(ms(150)).await.unwrap();
}

#[actix_web::test]
async fn protocol_violations_close_the_connection() {
    let io = SocketIo::new();
    io.of("/other");
    let violations = [
        "0",                 // a second CONNECT
        "2/other,[\"x\"]",   // an event to a namespace it has not joined
        "2/nowhere,[\"x\"]", // to one that does not exist
        "1/other,",          // leaving what it is not in
        "9[\"x\"]",          // no such packet
        "2{\"not\":\"a list\"}",
        "2[\"unfinished\"",
        "2[]",
        "2",
        "",
        "2[\"connect\"]", // reserved
        "2[\"disconnecting\",1]",
        "4{\"message\":\"x\"}", // only servers send it
        "51-[\"x\",{\"_placeholder\":true,\"num\":7}]",
        "599-[\"x\"]", // more attachments than allowed
    ];
    for violation in violations {
        let client = TestClient::connect(&io).await.unwrap();
        client.send_text(violation);
        // One whose attachment is wrong is judged when that has come.
        client.send_binary(&b"binary out of place"[..]);
        assert_eq!(client.expect_disconnect().await.unwrap(), DisconnectReason::ForcedClose, "{violation:?}");
    }
}

#[actix_web::test]
async fn other_clients_do_not_notice_a_violation() {
    let io = SocketIo::new();
    let (good, bad) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    bad.send_text("2[");
    bad.expect_disconnect().await.unwrap();
    io.emit("hello", &1).await.unwrap();
    assert_eq!(good.expect::<i32>("hello").await.unwrap(), 1);
    assert_eq!(io.of("/").socket_count(), 1);
}

#[actix_web::test]
async fn a_connection_has_a_limited_number_of_namespaces() {
    let io = SocketIo::builder().adjust(|config, _| config.max_namespaces = 2).build();
    io.of("/one");
    io.of("/two");
    let client = TestClient::connect(&io).await.unwrap();
    let one = client.also("/one").await.unwrap();
    let (message, _) = refused(client.also("/two").await);
    assert_eq!(message, "Too many namespaces");
    one.disconnect().await;
    assert!(client.also("/two").await.is_ok());
    assert!(client.is_connected());
}

#[actix_web::test]
async fn allow_request_refuses_the_handshake() {
    let io = SocketIo::builder()
        .allow_request(|request| async move {
            if request.headers().contains_key("x-key") { Ok(()) } else { Err("no key".to_owned()) }
        })
        .build();
    let error = TestClient::connect(&io).await.unwrap_err();
    assert_eq!(error.to_string(), "handshake refused: no key");
    assert!(TestClient::builder(&io).header(("x-key", "1")).connect().await.is_ok());
}

#[actix_web::test]
async fn a_client_that_leaves_during_its_middleware_is_never_connected() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (asked, connected) = (seen.clone(), seen.clone());
    io.of("/slow")
        .middleware(move || {
            let asked = asked.clone();
            async move {
                asked.push("asked");
                tokio::time::sleep(ms(50)).await;
                asked.push("passed");
            }
        })
        .on_connect(move || {
            connected.push("connected");
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    client.send_text("0/slow,");
    seen.wait(1).await;
    client.close().await;
    assert_eq!(seen.wait(2).await, ["asked", "passed"]);
    tokio::time::sleep(ms(20)).await;
    assert_eq!(seen.all(), ["asked", "passed"]);
    assert_eq!(io.of("/slow").socket_count(), 0);
    until(|| io.connection_count() == 0).await;
}

#[actix_web::test]
async fn a_middleware_may_close_the_connection() {
    let io = SocketIo::new();
    io.of("/").middleware(|socket: Socket| async move { socket.disconnect(true).await });
    let seen = Seen::default();
    let of_end = seen.clone();
    io.of("/").on_disconnect(move |reason: DisconnectReason| {
        of_end.push(reason.as_str());
        async {}
    });
    let client = TestClient::builder(&io).connect().await;
    match client {
        Ok(client) => assert_eq!(client.expect_disconnect().await, Ok(DisconnectReason::ForcedServerClose)),
        Err(error) => assert_eq!(error, ConnectError::Closed(DisconnectReason::ForcedServerClose)),
    }
    until(|| io.connection_count() == 0).await;
}

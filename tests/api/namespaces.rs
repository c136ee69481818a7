//! Static, dynamic, made on the fly, dropped.

use actix_socketio::test::{ConnectError, TestClient};
use actix_socketio::{DisconnectReason, Namespace, Socket, SocketIo};
use serde_json::json;

use crate::{Seen, until};

async fn connect(io: &SocketIo, namespace: &str) -> Result<TestClient, ConnectError> {
    TestClient::builder(io).namespace(namespace).connect().await
}

fn is_invalid(result: Result<TestClient, ConnectError>) -> bool {
    result.unwrap_err() == ConnectError::Refused { message: "Invalid namespace".to_owned(), data: None }
}

#[actix_web::test]
async fn one_that_nobody_made_is_refused() {
    let io = SocketIo::new();
    assert!(is_invalid(connect(&io, "/chat").await));
    io.of("/chat");
    let _chat = connect(&io, "/chat").await.unwrap();
    let _slashless = connect(&io, "chat").await.unwrap();
    assert!(io.namespace("/none").is_none() && io.namespace("/chat").is_some());
}

#[actix_web::test]
async fn namespaces_of_one_connection_know_nothing_of_each_other() {
    let io = SocketIo::new();
    io.of("/a");
    io.of("/b");
    let a = connect(&io, "/a").await.unwrap();
    let b = a.also("/b").await.unwrap();
    assert_ne!(a.id(), b.id());
    assert_eq!(a.sid(), b.sid());
    io.of("/a").sockets_join("room").await;
    io.of("/b").to("room").emit("x", &1).await.unwrap();
    io.of("/b").to(a.id()).emit("x", &2).await.unwrap();
    io.of("/a").except(b.id()).emit("y", &3).await.unwrap();
    assert_eq!(a.expect::<i32>("y").await.unwrap(), 3);
    b.expect_nothing().await.unwrap();
    io.of("/a").disconnect_sockets(false).await;
    assert_eq!(a.expect_disconnect().await.unwrap(), DisconnectReason::ServerNamespaceDisconnect);
    io.of("/b").emit("z", &4).await.unwrap();
    assert_eq!(b.expect::<i32>("z").await.unwrap(), 4);
}

#[actix_web::test]
async fn a_pattern_extracts_parameters() {
    let io = SocketIo::new();
    io.of_pattern("/game-{id:[0-9]+}/{team}").unwrap().on_connect(
        |socket: Socket, namespace: Namespace| async move {
            let params = (namespace.param("id").unwrap(), namespace.param("team"), namespace.param("none"));
            socket.emit("params", &(params, namespace.name())).await.unwrap();
        },
    );
    let client = connect(&io, "/game-17/red").await.unwrap();
    let got: ((String, String, Option<String>), String) = client.expect("params").await.unwrap();
    assert_eq!(got, (("17".into(), "red".into(), None), "/game-17/red".into()));
    assert!(is_invalid(connect(&io, "/game-x/red").await));
    assert!(is_invalid(connect(&io, "/game-1/red/more").await));
    assert!(io.of_pattern("/{unclosed").is_err());
}

#[actix_web::test]
async fn a_predicate_sees_name_and_auth() {
    let io = SocketIo::new();
    io.of_predicate(|name, auth| async move {
        let auth: serde_json::Value = auth.deserialize().unwrap();
        assert!(name != "/panic", "on purpose");
        name.starts_with("/tenant-") && auth["tenant"] == name["/tenant-".len()..]
    });
    let tenant = |name: &str, tenant: &str| {
        TestClient::builder(&io).namespace(name).auth(&json!({ "tenant": tenant })).connect()
    };
    assert!(tenant("/tenant-a", "a").await.is_ok());
    assert!(is_invalid(tenant("/tenant-a", "b").await));
    // One that panics says no, and the connection lives on.
    let client = TestClient::connect(&io).await.unwrap();
    assert!(is_invalid(client.also("/panic").await));
    assert!(client.is_connected());
}

#[actix_web::test]
async fn children_come_with_their_first_socket_and_go_with_their_last() {
    let io = SocketIo::new();
    let family = io.of_pattern("/dyn-{id}").unwrap();
    assert_eq!(family.children().len(), 0);
    let one = connect(&io, "/dyn-1").await.unwrap();
    let other = connect(&io, "/dyn-1").await.unwrap();
    let two = connect(&io, "/dyn-2").await.unwrap();
    assert_eq!(family.children().len(), 2);
    io.of("/dyn-1").emit("x", &1).await.unwrap();
    assert_eq!(one.expect::<i32>("x").await.unwrap(), 1);
    assert_eq!(other.expect::<i32>("x").await.unwrap(), 1);
    two.expect_nothing().await.unwrap();
    one.disconnect().await;
    drop(two);
    until(|| family.children().len() == 1).await;
    other.close().await;
    until(|| family.children().is_empty()).await;
    // A refused one leaves nothing either.
    family.middleware(|| async { Err::<(), _>("no") });
    assert!(connect(&io, "/dyn-3").await.is_err());
    assert!(io.namespace("/dyn-3").is_none());
}

#[actix_web::test]
async fn empty_children_may_be_kept() {
    let io = SocketIo::builder().adjust(|config, _| config.keep_empty_namespaces = true).build();
    let family = io.of_pattern("/dyn-{id}").unwrap();
    connect(&io, "/dyn-1").await.unwrap().close().await;
    until(|| io.connection_count() == 0).await;
    assert_eq!(family.children().len(), 1);
}

#[actix_web::test]
async fn emitting_to_a_child_that_nobody_uses_does_not_take_its_place() {
    let io = SocketIo::new();
    io.of_pattern("/dyn-{id}").unwrap().on("hi", || async { "there" });
    io.of("/dyn-1").emit("nobody", &1).await.unwrap();
    let client = connect(&io, "/dyn-1").await.unwrap();
    let answer: String = client.emit_with_ack("hi", &()).await.unwrap();
    assert_eq!(answer, "there");
    client.close().await;
    until(|| io.namespace("/dyn-1").is_none()).await;
}

#[actix_web::test]
async fn made_while_clients_are_there_and_dropped_under_them() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    assert!(client.also("/later").await.is_err());
    let seen = Seen::default();
    let of_handler = seen.clone();
    io.of("/later").on_disconnect(move |reason: DisconnectReason| {
        of_handler.push(reason.as_str());
        async {}
    });
    let later = client.also("/later").await.unwrap();
    io.remove_namespace("/later").await;
    assert_eq!(later.expect_disconnect().await.unwrap(), DisconnectReason::ServerNamespaceDisconnect);
    assert_eq!(seen.wait(1).await, ["server namespace disconnect"]);
    assert!(is_invalid(client.also("/later").await));
    assert!(client.is_connected());
}

#[actix_web::test]
async fn a_handler_registered_later_serves_sockets_that_are_there() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    io.of("/").on("late", || async { 1 });
    assert_eq!(client.emit_with_ack::<i32, _>("late", &()).await.unwrap(), 1);
    io.of("/").off("late").fallback(|| async { 2 });
    assert_eq!(client.emit_with_ack::<i32, _>("late", &()).await.unwrap(), 2);
}

#[actix_web::test]
async fn who_is_on_the_way_into_one_that_is_dropped_is_refused() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_middleware = seen.clone();
    io.of("/slow").middleware(move || {
        let seen = of_middleware.clone();
        async move {
            seen.push("asked");
            tokio::time::sleep(crate::ms(50)).await;
        }
    });
    let (result, ()) = tokio::join!(connect(&io, "/slow"), async {
        seen.wait(1).await;
        io.remove_namespace("/slow").await;
    });
    assert!(is_invalid(result));
}

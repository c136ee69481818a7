//! How sockets end: every reason, and what their handlers see.

use std::time::Instant;

use actix_socketio::error::AckError;
use actix_socketio::test::{ExpectError, TestClient};
use actix_socketio::{DisconnectReason, Socket, SocketIo};

use crate::{Seen, ms, until};

/// A server that notes why its sockets go.
fn noting(io: SocketIo) -> (SocketIo, Seen) {
    let seen = Seen::default();
    let of_handler = seen.clone();
    io.of("/").on_disconnect(move |reason: DisconnectReason| {
        of_handler.push(reason.as_str());
        async {}
    });
    (io, seen)
}

#[actix_web::test]
async fn reasons_of_the_server() {
    let (io, seen) = noting(SocketIo::new());
    let one = TestClient::connect(&io).await.unwrap();
    io.to(one.id()).disconnect_sockets(false).await;
    assert_eq!(one.expect_disconnect().await.unwrap(), DisconnectReason::ServerNamespaceDisconnect);
    let two = TestClient::connect(&io).await.unwrap();
    io.to(two.id()).disconnect_sockets(true).await;
    two.expect_disconnect().await.unwrap();
    let three = TestClient::connect(&io).await.unwrap();
    io.close().await;
    assert_eq!(three.expect_disconnect().await.unwrap(), DisconnectReason::ServerShuttingDown);
    let reasons = ["server namespace disconnect", "server namespace disconnect", "server shutting down"];
    assert_eq!(seen.wait(3).await, reasons);
    let error = TestClient::connect(&io).await.unwrap_err();
    assert_eq!(error.to_string(), "handshake refused: Service unavailable");
}

#[actix_web::test]
async fn reasons_of_the_client() {
    let (io, seen) = noting(SocketIo::new());
    let one = TestClient::connect(&io).await.unwrap();
    one.disconnect().await;
    assert_eq!(seen.wait(1).await, ["client namespace disconnect"]);
    let two = TestClient::connect(&io).await.unwrap();
    two.close().await;
    drop(TestClient::connect(&io).await.unwrap());
    assert_eq!(seen.wait(3).await[1..], ["transport close", "transport close"]);
    let three = TestClient::connect(&io).await.unwrap();
    three.send_text("2[\"connect\"]");
    assert_eq!(seen.wait(4).await[3], "forced close");
    until(|| io.connection_count() == 1).await;
}

#[actix_web::test]
async fn a_message_over_the_limit_is_a_transport_error() {
    let (io, seen) = noting(SocketIo::builder().max_http_buffer_size(1000).build());
    let client = TestClient::connect(&io).await.unwrap();
    client.emit("x", &"y".repeat(2000)).await.unwrap();
    assert_eq!(client.expect_disconnect().await.unwrap(), DisconnectReason::TransportError);
    assert_eq!(seen.wait(1).await, ["transport error"]);
}

#[actix_web::test]
async fn a_client_that_does_not_answer_pings() {
    let io = SocketIo::builder().ping_interval(ms(60)).ping_timeout(ms(60)).build();
    let (io, seen) = noting(io);
    let alive = TestClient::connect(&io).await.unwrap();
    let dead = TestClient::connect(&io).await.unwrap();
    dead.set_reading(false);
    assert_eq!(seen.wait(1).await, ["ping timeout"]);
    alive.expect_nothing_for(ms(200)).await.unwrap();
    dead.set_reading(true);
    assert_eq!(dead.expect_disconnect().await.unwrap(), DisconnectReason::PingTimeout);
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_a_transport_error() {
    let (io, seen) = noting(SocketIo::builder().adjust(|_, engine| engine.outbox_bytes = 10_000).build());
    let (slow, good) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    slow.set_reading(false);
    for _ in 0..30 {
        io.emit("x", &"y".repeat(1000)).await.unwrap();
        good.expect::<String>("x").await.unwrap();
    }
    assert_eq!(seen.wait(1).await, ["transport error"]);
    assert!(good.is_connected());
}

#[actix_web::test]
async fn rooms_are_there_while_disconnecting_and_gone_after() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (during, after) = (seen.clone(), seen.clone());
    let of_disconnecting = io.clone();
    io.of("/")
        .on_connect(|socket: Socket| async move { socket.join(["a", "b"]).await })
        .on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
            let (during, io) = (during.clone(), of_disconnecting.clone());
            async move {
                during.push(format!("{reason}: {}", socket.rooms()[1..].join(" ")));
                // The others can be told, and it is not among them any more.
                socket.to(socket.rooms()).emit("bye", socket.id()).await.unwrap();
                during.push(format!("{} {}", io.of("/").room_size_here("a"), socket.is_connected()));
            }
        })
        .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            after.push(format!("{reason}: {}", socket.rooms().len()));
            async {}
        });
    let (one, two) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    until(|| io.of("/").room_size_here("b") == 2).await;
    let id = one.id().to_owned();
    one.close().await;
    assert_eq!(two.expect::<String>("bye").await.unwrap(), id);
    two.expect_nothing().await.unwrap();
    assert_eq!(seen.wait(3).await, ["transport close: a b", "1 false", "transport close: 1"]);
}

#[actix_web::test]
async fn a_running_handler_is_not_cancelled_and_its_pending_ack_fails_at_once() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (handler, after) = (seen.clone(), seen.clone());
    io.of("/")
        .on("ask", move |socket: Socket| {
            let seen = handler.clone();
            async move {
                let begin = Instant::now();
                let answer = socket.emit_with_ack::<i32, _>("question", &()).await;
                assert_eq!(answer, Err(AckError::Disconnected));
                assert!(begin.elapsed() < ms(2000), "it must not wait for the timeout");
                tokio::time::sleep(ms(50)).await;
                assert!(socket.emit("too late", &()).await.is_err());
                seen.push("handler");
            }
        })
        .on_disconnect(move || {
            after.push("disconnect");
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    client.emit("ask", &()).await.unwrap();
    client.expect::<()>("question").await.unwrap();
    client.close().await;
    assert_eq!(seen.wait(2).await, ["handler", "disconnect"]);
}

#[actix_web::test]
async fn events_that_arrived_before_the_end_are_handled_before_disconnect() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (handler, after) = (seen.clone(), seen.clone());
    io.of("/")
        .on("work", move |actix_socketio::Data(number): actix_socketio::Data<i32>| {
            let seen = handler.clone();
            async move {
                tokio::time::sleep(ms(10)).await;
                seen.push(number.to_string());
            }
        })
        .on_disconnect(move || {
            after.push("disconnect");
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    for number in 0..3 {
        client.emit("work", &number).await.unwrap();
    }
    client.disconnect().await;
    assert_eq!(seen.wait(4).await, ["0", "1", "2", "disconnect"]);
}

#[actix_web::test]
async fn events_after_a_disconnection_by_the_server_are_ignored() {
    let io = SocketIo::new();
    io.of("/other");
    let seen = Seen::default();
    let of_handler = seen.clone();
    io.of("/").on("x", move || {
        of_handler.push("x");
        async {}
    });
    let client = TestClient::connect(&io).await.unwrap();
    let other = client.also("/other").await.unwrap();
    io.to(client.id()).disconnect_sockets(false).await;
    // As if sent before the client knew.
    other.send_text("2[\"x\"]");
    other.send_text("31[]");
    other.expect_nothing().await.unwrap();
    assert_eq!(seen.all(), Vec::<String>::new());
    // And it may come back.
    let again = other.also("/").await.unwrap();
    again.emit("x", &()).await.unwrap();
    assert_eq!(seen.wait(1).await, ["x"]);
}

#[actix_web::test]
async fn a_socket_that_is_gone_says_so() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = io.of("/").socket(client.id()).await.unwrap();
    client.close().await;
    until(|| !socket.is_connected()).await;
    assert!(socket.emit("x", &1).await.is_err());
    assert_eq!(socket.emit_with_ack::<i32, _>("x", &1).await, Err(AckError::Disconnected));
    assert!(socket.join("room").await.is_err());
    socket.leave("room").await;
    socket.disconnect(true).await;
    assert!(io.of("/").socket(socket.id()).await.is_none());
    let error = client.expect::<()>("x").await.unwrap_err();
    assert!(matches!(error, ExpectError::Disconnected { .. }), "{error}");
}

#[actix_web::test]
async fn disconnecting_with_close_takes_all_namespaces_along() {
    let (io, seen) = noting(SocketIo::new());
    let other = seen.clone();
    io.of("/other").on_disconnect(move |reason: DisconnectReason| {
        other.push(format!("other: {reason}"));
        async {}
    });
    io.of("/").on("kick", |socket: Socket| async move { socket.disconnect(true).await });
    let client = TestClient::connect(&io).await.unwrap();
    let _other = client.also("/other").await.unwrap();
    client.emit("kick", &()).await.unwrap();
    until(|| io.connection_count() == 0).await;
    let mut reasons = seen.wait(2).await;
    reasons.sort();
    assert_eq!(reasons, ["other: server namespace disconnect", "server namespace disconnect"]);
}

//! Events that come faster than they are handled: bounded, without losing one or cutting off who is in its right.

use actix_socketio::config::EngineConfig;
use actix_socketio::test::TestClient;
use actix_socketio::{Data, DisconnectReason, Socket, SocketIo, State};
use tokio::sync::Semaphore;

use crate::raw::{RawClient, Running};
use crate::{Seen, ms};

/// Handlers of `work` wait for a permit.
fn server(change: impl FnOnce(&mut EngineConfig)) -> (SocketIo, Seen) {
    let builder = SocketIo::builder().state(Semaphore::new(0));
    let io = builder
        .adjust(|_, engine| {
            engine.inbox_bytes = 10_000;
            change(engine);
        })
        .build();
    let seen = Seen::default();
    let (of_work, of_answer, of_end) = (seen.clone(), seen.clone(), seen.clone());
    io.of("/")
        .on("work", move |gate: State<Semaphore>, Data((number, _)): Data<(u32, String)>| {
            let seen = of_work.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                seen.push(number.to_string());
            }
        })
        .on("ask", move |socket: Socket| {
            let seen = of_answer.clone();
            async move {
                let answer = socket.emit_with_ack::<u32, _>("question", &()).await;
                seen.push(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()));
            }
        })
        .on_disconnect(move |reason: DisconnectReason| {
            of_end.push(reason.as_str());
            async {}
        });
    (io, seen)
}

async fn send(client: &TestClient, count: u32) {
    for number in 0..count {
        client.emit("work", &(number, "x".repeat(1000))).await.unwrap();
    }
}

#[actix_web::test]
async fn a_connection_is_not_read_past_its_bound_and_its_heartbeat_waits() {
    let (io, seen) = server(|engine| {
        engine.ping_interval = ms(50);
        engine.ping_timeout = ms(50);
    });
    let client = TestClient::connect(&io).await.unwrap();
    // Far more than twice the bound: reading it all would close the connection.
    send(&client, 60).await;
    client.expect_nothing_for(ms(400)).await.unwrap();
    assert_eq!(seen.all(), Vec::<String>::new());
    io.state::<Semaphore>().unwrap().add_permits(60);
    let expected: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    assert_eq!(seen.wait(60).await, expected);
    client.expect_nothing_for(ms(200)).await.unwrap();
}

#[actix_web::test]
async fn while_a_handler_awaits_its_client_reading_goes_on_to_twice_the_bound() {
    let (io, seen) = server(|_| {});
    let client = TestClient::connect(&io).await.unwrap();
    client.emit("ask", &()).await.unwrap();
    let (_, ack) = client.expect_with_ack::<()>("question").await.unwrap();
    // Past the bound, but the answer behind it is read.
    send(&client, 13).await;
    ack.unwrap().send(&42).await.unwrap();
    assert_eq!(seen.wait(1).await, ["42"]);
    io.state::<Semaphore>().unwrap().add_permits(13);
    seen.wait(14).await;

    let other = TestClient::connect(&io).await.unwrap();
    seen.clear();
    other.emit("ask", &()).await.unwrap();
    other.expect::<()>("question").await.unwrap();
    send(&other, 60).await;
    assert_eq!(other.expect_disconnect().await.unwrap(), DisconnectReason::TransportError);
    io.state::<Semaphore>().unwrap().add_permits(60);
    let rest = seen.wait(2).await;
    assert_eq!(rest[0], "the socket is disconnected");
    assert!(client.is_connected());
}

#[actix_web::test]
async fn what_is_not_an_engine_packet_is_a_parse_error() {
    let (io, seen) = server(|_| {});
    let running = Running::workers(&io, 1);
    let mut client = RawClient::connect(running.address).await;
    client.send_frame("x").await;
    assert_eq!(client.packet().await, None);
    assert_eq!(seen.wait(1).await, ["parse error"]);
}

#[actix_web::test]
async fn a_taken_over_websocket_is_not_read_past_its_bound_either() {
    let (io, seen) = server(|engine| {
        engine.ping_interval = ms(50);
        engine.ping_timeout = ms(50);
    });
    let running = Running::workers(&io, 1);
    let mut client = RawClient::connect(running.address).await;
    for number in 0..60 {
        client.send(&format!(r#"2["work",{number},"{}"]"#, "x".repeat(1000))).await;
    }
    tokio::time::sleep(ms(400)).await;
    assert_eq!(seen.all(), Vec::<String>::new());
    io.state::<Semaphore>().unwrap().add_permits(60);
    let expected: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    assert_eq!(seen.wait(60).await, expected);
    io.emit("still", &"there").await.unwrap();
    assert_eq!(client.packet().await.unwrap(), r#"2["still","there"]"#);
}

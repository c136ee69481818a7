//! Acknowledgements that the server asks of one client.

use std::time::Instant;

use actix_socketio::error::AckError;
use actix_socketio::test::TestClient;
use actix_socketio::{Args, Data, Socket, SocketIo};

use crate::{Seen, ms};

async fn socket(io: &SocketIo, client: &TestClient) -> Socket {
    io.of("/").socket(client.id()).await.unwrap()
}

#[actix_web::test]
async fn typed_several_and_raw() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = socket(&io, &client).await;
    let (answer, asked) = tokio::join!(
        socket.emit_with_ack::<u32, _>("one", &(1, "two")),
        client.answer::<(u32, String), _>("one", &7)
    );
    assert_eq!((answer.unwrap(), asked.unwrap()), (7, (1, "two".to_owned())));
    let (answer, _) = tokio::join!(
        socket.call::<(u32, String), _>("several", &()),
        client.answer::<(), _>("several", &(8, "nine"))
    );
    assert_eq!(answer.unwrap(), (8, "nine".to_owned()));
    let raw = (1.5, Vec::<u8>::new());
    let (answer, _) =
        tokio::join!(socket.emit_with_ack::<Args, _>("raw", &()), client.answer::<(), _>("raw", &raw));
    assert_eq!(&*answer.unwrap().to_json().unwrap().0, "[1.5,[]]");
    let (answer, _) =
        tokio::join!(socket.emit_with_ack::<u32, _>("wrong", &()), client.answer::<(), _>("wrong", "text"));
    assert!(matches!(answer, Err(AckError::Args(_))), "{answer:?}");
}

#[actix_web::test]
async fn a_handler_may_await_its_own_client() {
    let io = SocketIo::new();
    io.of("/").on("quiz", |socket: Socket| async move {
        let one: i32 = socket.emit_with_ack("what is", "1 + 1").await?;
        let two: i32 = socket.emit_with_ack("what is", "1 + 2").await?;
        Ok::<_, AckError>(one + two)
    });
    let client = TestClient::connect(&io).await.unwrap();
    let quiz = async {
        // An event behind it waits, the acknowledgements do not.
        client.answer::<String, _>("what is", &2).await.unwrap();
        client.answer::<String, _>("what is", &3).await.unwrap();
    };
    let (answer, ()) = tokio::join!(client.emit_with_ack::<i32, _>("quiz", &()), quiz);
    assert_eq!(answer.unwrap(), 5);
}

#[actix_web::test]
async fn the_timeout_of_the_server_and_that_of_a_call() {
    let io = SocketIo::builder().ack_timeout(ms(60)).build();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = socket(&io, &client).await;
    let begin = Instant::now();
    let answer = socket.emit_with_ack::<(), _>("x", &()).await;
    assert_eq!(answer, Err(AckError::Timeout(ms(60))));
    assert!(begin.elapsed() >= ms(60));
    let answer = socket.timeout(ms(20)).emit_with_ack::<(), _>("y", &()).await;
    assert_eq!(answer, Err(AckError::Timeout(ms(20))));
    // An answer that comes too late is nobody's.
    let (_, late) = client.expect_with_ack::<()>("x").await.unwrap();
    late.unwrap().send(&()).await.unwrap();
    client.expect::<()>("y").await.unwrap();
    client.expect_nothing().await.unwrap();
    assert!(client.is_connected());
}

#[actix_web::test]
async fn pending_acknowledgements_are_bounded() {
    let io = SocketIo::builder().adjust(|config, _| config.max_pending_acks = 2).build();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = socket(&io, &client).await;
    let ask = |event: &'static str| {
        let socket = socket.clone();
        actix_web::rt::spawn(async move { socket.emit_with_ack::<i32, _>(event, &()).await })
    };
    let (one, two) = (ask("one"), ask("two"));
    let (_, ack) = client.expect_with_ack::<()>("one").await.unwrap();
    client.expect::<()>("two").await.unwrap();
    assert_eq!(ask("three").await.unwrap(), Err(AckError::TooManyPending));
    client.expect_nothing().await.unwrap();
    ack.unwrap().send(&1).await.unwrap();
    assert_eq!(one.await.unwrap(), Ok(1));
    let four = ask("four");
    client.answer::<(), _>("four", &4).await.unwrap();
    assert_eq!(four.await.unwrap(), Ok(4));
    // Whoever stops waiting makes room as well.
    two.abort();
    assert!(two.await.unwrap_err().is_cancelled());
    let (five, six) = (ask("five"), ask("six"));
    client.answer::<(), _>("five", &5).await.unwrap();
    client.answer::<(), _>("six", &6).await.unwrap();
    assert_eq!((five.await.unwrap(), six.await.unwrap()), (Ok(5), Ok(6)));
}

#[actix_web::test]
async fn acknowledgements_nobody_asked_for_do_no_harm() {
    let io = SocketIo::new();
    io.of("/").on("ping", || async { "pong" });
    let client = TestClient::connect(&io).await.unwrap();
    client.send_text("3999[1]");
    client.send_text("30[1]");
    assert_eq!(client.emit_with_ack::<String, _>("ping", &()).await.unwrap(), "pong");
}

#[actix_web::test]
async fn events_wait_behind_a_handler_that_waits_for_an_acknowledgement() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (ask, event) = (seen.clone(), seen.clone());
    io.of("/")
        .on("ask", move |socket: Socket| {
            let seen = ask.clone();
            async move {
                let answer: i32 = socket.emit_with_ack("question", &()).await.unwrap();
                seen.push(format!("answer {answer}"));
            }
        })
        .on("event", move |Data(number): Data<i32>| {
            event.push(format!("event {number}"));
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    client.emit("ask", &()).await.unwrap();
    client.emit("event", &1).await.unwrap();
    let (_, ack) = client.expect_with_ack::<()>("question").await.unwrap();
    client.emit("event", &2).await.unwrap();
    ack.unwrap().send(&42).await.unwrap();
    assert_eq!(seen.wait(3).await, ["answer 42", "event 1", "event 2"]);
}

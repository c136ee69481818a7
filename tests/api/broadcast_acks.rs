//! Acknowledgements of broadcasts.

use std::collections::BTreeMap;
use std::time::Instant;

use actix_socketio::SocketIo;
use actix_socketio::error::AckError;
use actix_socketio::test::TestClient;
use futures_util::StreamExt as _;

use crate::{ms, until};

async fn clients<const N: usize>(io: &SocketIo) -> [TestClient; N] {
    let mut clients = Vec::new();
    for _ in 0..N {
        clients.push(TestClient::connect(io).await.unwrap());
    }
    clients.try_into().unwrap()
}

#[actix_web::test]
async fn collected_from_everybody_before_the_timeout() {
    let io = SocketIo::new();
    let [a, b, c] = clients(&io).await;
    let begin = Instant::now();
    let operator = io.except(c.id());
    let (acks, ..) = tokio::join!(
        operator.emit_with_ack::<i32, _>("how many", &()),
        a.answer::<(), _>("how many", &1),
        b.answer::<(), _>("how many", &2)
    );
    let acks = acks.unwrap();
    assert!(begin.elapsed() < ms(5000), "it must not wait for the timeout");
    let answers: BTreeMap<_, _> = acks.answers.iter().map(|answer| (&*answer.socket, answer.data)).collect();
    assert_eq!(answers, BTreeMap::from([(a.id(), 1), (b.id(), 2)]));
    assert!(acks.missing.is_empty() && acks.invalid.is_empty());
    c.expect_nothing().await.unwrap();
}

#[actix_web::test]
async fn who_is_silent_leaves_or_answers_nonsense_is_named() {
    let io = SocketIo::new();
    let [good, silent, leaving, wrong] = clients(&io).await;
    let (leaving_id, socket_count) = (leaving.id().to_owned(), || io.of("/").socket_count());
    assert_eq!(socket_count(), 4);
    let operator = io.timeout(ms(150));
    let (acks, ..) = tokio::join!(
        operator.emit_with_ack::<i32, _>("x", &()),
        good.answer::<(), _>("x", &1),
        async {
            leaving.expect::<()>("x").await.unwrap();
            leaving.close().await;
        },
        wrong.answer::<(), _>("x", "nonsense")
    );
    let acks = acks.unwrap();
    assert_eq!(acks.answers.len(), 1);
    assert_eq!((&*acks.answers[0].socket, acks.answers[0].data), (good.id(), 1));
    let mut missing = acks.missing;
    missing.sort();
    let mut expected = vec![silent.id().to_owned(), leaving_id];
    expected.sort();
    assert_eq!(missing, expected);
    assert_eq!(acks.invalid.len(), 1);
    assert_eq!(acks.invalid[0].0, wrong.id());
}

#[actix_web::test]
async fn nobody_to_ask_is_over_at_once() {
    let io = SocketIo::new();
    let begin = Instant::now();
    let acks = io.to("empty").emit_with_ack::<i32, _>("x", &()).await.unwrap();
    assert!(acks.answers.is_empty() && acks.missing.is_empty() && begin.elapsed() < ms(2000));
}

#[actix_web::test]
async fn streamed_as_they_come() {
    let io = SocketIo::new();
    let [one, two, three] = clients(&io).await;
    let mut stream = io
        .of("/")
        .to([one.id(), two.id(), three.id()])
        .timeout(ms(300))
        .emit_with_ack_stream::<i32, _>("x", &())
        .await
        .unwrap();
    two.answer::<(), _>("x", &2).await.unwrap();
    assert_eq!(stream.next().await, Some((two.id().to_owned(), Ok(2))));
    one.answer::<(), _>("x", &1).await.unwrap();
    assert_eq!(stream.next().await, Some((one.id().to_owned(), Ok(1))));
    assert_eq!(stream.next().await, Some((three.id().to_owned(), Err(AckError::Timeout(ms(300))))));
    assert_eq!(stream.next().await, None);
}

#[actix_web::test]
async fn a_socket_that_leaves_ends_its_wait() {
    let io = SocketIo::new();
    let [one] = clients(&io).await;
    let id = one.id().to_owned();
    let mut stream = io.of("/").to(one.id()).emit_with_ack_stream::<i32, _>("x", &()).await.unwrap();
    one.close().await;
    assert_eq!(stream.next().await, Some((id, Err(AckError::Disconnected))));
    assert_eq!(stream.next().await, None);
}

#[actix_web::test]
async fn a_dropped_stream_leaves_nothing_pending() {
    let io = SocketIo::builder().adjust(|config, _| config.max_pending_acks = 1).build();
    let [one] = clients(&io).await;
    for _ in 0..3 {
        drop(io.of("/").to(one.id()).emit_with_ack_stream::<i32, _>("x", &()).await.unwrap());
        one.expect::<()>("x").await.unwrap();
        one.expect_nothing_for(ms(10)).await.unwrap();
    }
    let (acks, _) = tokio::join!(io.emit_with_ack::<i32, _>("x", &()), one.answer::<(), _>("x", &1));
    assert_eq!(acks.unwrap().answers.len(), 1);
    one.close().await;
    until(|| io.of("/").socket_count() == 0).await;
}

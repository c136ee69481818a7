//! The data of sockets.

use actix_socketio::test::TestClient;
use actix_socketio::{Data, Socket, SocketIo};
use serde_json::json;

use crate::until;

#[actix_web::test]
async fn by_type_and_as_a_shared_document() {
    let io = SocketIo::new();
    let (client, other) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    let socket = io.of("/").socket(client.id()).await.unwrap();
    let data = socket.data();
    assert_eq!(data.get::<u32>(), None);
    assert_eq!(data.set(1u32), None);
    assert_eq!(data.set(2u32), Some(1));
    assert_eq!(data.set("text"), None);
    assert_eq!(
        data.with::<Vec<u8>, _>(|list| {
            list.push(1);
            list.len()
        }),
        1
    );
    assert_eq!(data.with::<Vec<u8>, _>(|list| list.len()), 1);
    assert_eq!((data.get::<u32>(), data.get::<&str>()), (Some(2), Some("text")));
    assert_eq!((data.remove::<u32>(), data.remove::<u32>()), (Some(2), None));
    data.share(&json!({"name": "bob", "big": 9_007_199_254_740_993u64})).unwrap();
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Shared {
        name: String,
        big: u64,
    }
    let shared = Shared { name: "bob".to_owned(), big: 9_007_199_254_740_993 };
    assert_eq!(data.shared::<Shared>(), Some(shared));
    assert!(data.shared::<u32>().is_none());
    let other = io.of("/").socket(other.id()).await.unwrap();
    assert_eq!(other.data().get::<&str>(), None);
}

#[actix_web::test]
async fn it_lives_from_middleware_to_disconnect_handler() {
    let io = SocketIo::new();
    let seen = crate::Seen::default();
    let of_end = seen.clone();
    io.of("/")
        .middleware(|socket: Socket| async move {
            socket.data().set(1u32);
        })
        .on("add", |socket: Socket, Data(number): Data<u32>| async move {
            socket.data().with::<u32, _>(|sum| {
                *sum += number;
                *sum
            })
        })
        .on_disconnect(move |socket: Socket| {
            of_end.push(socket.data().get::<u32>().unwrap().to_string());
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<u32, _>("add", &4).await.unwrap(), 5);
    client.close().await;
    assert_eq!(seen.wait(1).await, ["5"]);
}

#[actix_web::test]
async fn a_socket_that_left_is_freed_with_its_data() {
    struct Marked(std::sync::Arc<()>);
    let io = SocketIo::new();
    let mark = std::sync::Arc::new(());
    let of_handler = mark.clone();
    io.of("/").on_connect(move |socket: Socket| {
        let mark = Marked(of_handler.clone());
        async move {
            let _ = &mark.0;
            socket.data().set(mark);
            socket.join(["a", "b"]).await.unwrap();
        }
    });
    let client = TestClient::connect(&io).await.unwrap();
    until(|| io.of("/").room_size_here("b") == 1).await;
    assert_eq!(std::sync::Arc::strong_count(&mark), 3);
    client.close().await;
    until(|| std::sync::Arc::strong_count(&mark) == 2).await;
}

#[actix_web::test]
async fn handlers_of_its_own_do_not_keep_a_socket_alive() {
    let io = SocketIo::new();
    let mark = std::sync::Arc::new(());
    let of_handler = mark.clone();
    io.of("/").on_connect(move |socket: Socket| {
        let held = (socket.clone(), of_handler.clone());
        async move {
            socket.on("x", move || {
                let _held = &held;
                async { "x" }
            });
        }
    });
    let client = TestClient::connect(&io).await.unwrap();
    let _: String = client.emit_with_ack("x", &()).await.unwrap();
    assert_eq!(std::sync::Arc::strong_count(&mark), 3);
    client.close().await;
    until(|| std::sync::Arc::strong_count(&mark) == 2).await;
}

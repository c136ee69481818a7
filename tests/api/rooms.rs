//! Sockets that are in very many rooms.

use actix_socketio::SocketIo;
use actix_socketio::test::TestClient;

#[actix_web::test]
async fn a_socket_may_be_in_very_many_rooms() {
    const COUNT: usize = 20_000;
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = io.of("/").socket(client.id()).await.unwrap();
    let name = |number: usize| format!("room {number}");
    for number in 0..COUNT {
        socket.join(name(number)).await.unwrap();
    }
    let rooms = socket.rooms();
    assert_eq!(rooms.len(), COUNT + 1);
    assert!(
        rooms[0] == client.id() && rooms[1] == name(0) && rooms[COUNT] == name(COUNT - 1),
        "in their order"
    );
    socket.join(name(7)).await.unwrap();
    for number in (0..COUNT).filter(|number| number % 100 > 0) {
        socket.leave(&name(number)).await;
    }
    assert_eq!(socket.rooms().len(), COUNT / 100 + 1);
    io.to([name(100), name(101), name(200)]).emit("once", &()).await.unwrap();
    client.expect::<()>("once").await.unwrap();
    client.expect_nothing().await.unwrap();
    client.close().await;
    assert!(io.of("/").room_names_here().is_empty());
}

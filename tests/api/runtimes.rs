//! Where it can be run and called from: actix, tokio, Actix handlers, threads without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use actix_socketio::test::{TestClient, run_local};
use actix_socketio::{Socket, SocketIo};
use actix_web::{App, HttpResponse, HttpServer, Responder, web};

use crate::raw::{RawClient, Running, http};

/// Runs a future on a thread without any runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Fails to compile if one of them stops being usable from any thread.
#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<SocketIo>();
    shared::<Socket>();
    shared::<actix_socketio::Namespace>();
    shared::<actix_socketio::BroadcastOperator>();
    shared::<actix_socketio::RemoteSocket>();
    shared::<actix_socketio::Ack>();
    shared::<actix_socketio::Handshake>();
    fn send<T: Send>(_: T) {}
    fn futures(io: &SocketIo, socket: &Socket) {
        send(io.emit("e", "data"));
        send(io.to("room").emit_with_ack::<u8, _>("e", "data"));
        send(io.fetch_sockets());
        send(io.sockets_join("room"));
        send(io.sockets_leave("room"));
        send(io.disconnect_sockets(true));
        send(io.remove_namespace("/x"));
        send(io.close());
        send(socket.emit("e", "data"));
        send(socket.emit_with_ack::<u8, _>("e", "data"));
        send(socket.join("room"));
        send(socket.leave("room"));
        send(socket.disconnect(false));
    }
    let _ = futures;
}

async fn announce(io: web::Data<SocketIo>, body: String) -> impl Responder {
    match io.to("lobby").emit("news", &body).await {
        Ok(()) => HttpResponse::Ok().body("announced"),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn server() -> SocketIo {
    let io = SocketIo::new();
    io.of("/")
        .on_connect(|socket: Socket| async move { socket.join("lobby").await })
        .on("app", |io: web::Data<SocketIo>| async move { io.of("/").socket_count() });
    io
}

fn configure(io: &SocketIo) -> impl FnOnce(&mut web::ServiceConfig) + Clone + 'static {
    let io = io.clone();
    move |config| {
        config.app_data(web::Data::new(io.clone())).route("/announce", web::post().to(announce));
        io.configure(config);
    }
}

/// What every way of running it must be good for.
async fn check(io: &SocketIo, running: &Running) {
    let mut clients =
        vec![RawClient::connect(running.address).await, RawClient::connect(running.address).await];
    assert_eq!(clients[0].ask("app").await, "[2]");
    assert_eq!(clients[1].ask("app").await, "[2]");
    let (head, answer) = http(running.address, "POST", "/announce", "", "hello").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(answer, b"announced");
    for client in &mut clients {
        assert_eq!(client.packet().await.unwrap(), r#"2["news","hello"]"#);
    }
    let io = io.clone();
    let foreign = std::thread::spawn(move || {
        block_on(async {
            io.to("lobby").emit("foreign", &1).await.unwrap();
            assert_eq!(io.fetch_sockets().await.into_iter().count(), 2);
        })
    });
    for client in &mut clients {
        assert_eq!(client.packet().await.unwrap(), r#"2["foreign",1]"#);
    }
    foreign.join().unwrap();
}

#[actix_web::test]
async fn the_server_helper_in_an_actix_system() {
    for workers in [1, 3] {
        let io = server();
        let served = io.clone();
        let running = Running::start(move |listener, stopped| {
            let configured = configure(&served);
            let server =
                served.server(move || App::new().configure(configured.clone())).listen(listener).unwrap();
            let server = server.workers(workers).disable_signals();
            let server = server.run_until(async { drop(stopped.await) });
            actix_web::rt::System::new().block_on(server).unwrap();
        });
        check(&io, &running).await;
    }
}

#[actix_web::test]
async fn the_server_helper_in_a_tokio_runtime() {
    for workers in [1, 3] {
        let io = server();
        let served = io.clone();
        let running = Running::start(move |listener, stopped| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let configured = configure(&served);
            let server =
                served.server(move || App::new().configure(configured.clone())).listen(listener).unwrap();
            let server = server.workers(workers).disable_signals();
            let server = server.run_until(async { drop(stopped.await) });
            runtime.unwrap().block_on(server).unwrap();
        });
        check(&io, &running).await;
    }
}

#[actix_web::test]
async fn an_actix_http_server_in_either() {
    for (workers, is_tokio) in [(1, false), (3, false), (1, true), (3, true)] {
        let io = server();
        let configured = configure(&io);
        let running = Running::start(move |listener, stopped| {
            let serve = async move {
                let server = HttpServer::new(move || App::new().configure(configured.clone()))
                    .workers(workers)
                    .shutdown_timeout(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                let handle = server.handle();
                tokio::join!(server, async {
                    drop(stopped.await);
                    handle.stop(false).await;
                })
                .0
                .unwrap();
            };
            if is_tokio {
                tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(serve);
            } else {
                actix_web::rt::System::new().block_on(serve);
            }
        });
        check(&io, &running).await;
    }
}

#[tokio::test]
async fn emitting_from_tasks_of_a_multi_threaded_runtime() {
    let io = server();
    let running = Running::workers(&io, 2);
    let mut client = RawClient::connect(running.address).await;
    let socket = io.of("/").socket(&client.id).await.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let task = runtime.spawn(async move {
        io.to("lobby").emit("one", &1).await.unwrap();
        socket.emit_with_ack::<u32, _>("two", &2).await.unwrap()
    });
    assert_eq!(client.packet().await.unwrap(), r#"2["one",1]"#);
    let two = client.packet().await.unwrap();
    let id = two.strip_suffix(r#"["two",2]"#).unwrap().strip_prefix('2').unwrap();
    client.send(&format!("3{id}[5]")).await;
    assert_eq!(task.await.unwrap(), 5);
    runtime.shutdown_background();
}

#[tokio::test]
async fn the_test_client_in_a_tokio_test() {
    run_local(async {
        let io = server();
        io.of("/").on("hi", || async { "there" });
        let client = TestClient::connect(&io).await.unwrap();
        assert_eq!(client.emit_with_ack::<String, _>("hi", &()).await.unwrap(), "there");
        client.close().await;
    })
    .await;
}

/// A task of `tokio::spawn` runs on the worker's thread, but outside of its local tasks.
#[actix_web::test]
async fn from_a_task_that_is_not_local() {
    let io = SocketIo::new();
    io.of("/").on_disconnect(async |_: Socket| tokio::task::yield_now().await);
    io.of("/").on("later", async |socket: Socket| {
        tokio::spawn(async move { socket.emit("later", &1).await.unwrap() });
    });
    let running = Running::workers(&io, 1);
    let mut raw = RawClient::connect(running.address).await;
    raw.send(r#"2["later"]"#).await;
    assert_eq!(raw.packet().await.as_deref(), Some(r#"2["later",1]"#));
    drop(raw);
    let client = TestClient::connect(&io).await.unwrap();
    let sockets = vec![io.of("/").socket(client.id()).await.unwrap()];
    let spawned = io.clone();
    tokio::spawn(async move {
        for socket in &sockets {
            socket.join("room").await.unwrap();
            socket.emit("one", &1).await.unwrap();
        }
        spawned.to("room").emit("two", &2).await.unwrap();
        spawned.sockets_join("other").await;
        spawned.disconnect_sockets(true).await;
    })
    .await
    .unwrap();
    assert_eq!(client.expect::<i32>("one").await.unwrap(), 1);
    assert_eq!(client.expect::<i32>("two").await.unwrap(), 2);
    client.expect_disconnect().await.unwrap();
}

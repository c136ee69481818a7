//! Inside an Actix application: a scope, middleware of others, routes beside it, either transport.

use std::time::Duration;

use actix_cors::Cors;
use actix_session::storage::CookieSessionStore;
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_socketio::cluster::memory::MemoryHub;
use actix_socketio::{Handshake, SocketIo};
use actix_web::cookie::Key;
use actix_web::dev::Service as _;
use actix_web::{App, HttpMessage as _, HttpServer, web};

use crate::raw::{RawClient, Running, http};

/// Who a request's session belongs to, as middleware of the application found out.
#[derive(Clone)]
struct User(String);

macro_rules! app {
    ($io:expr) => {{
        let io = $io.clone();
        App::new()
            .wrap_fn(|request, service| {
                let user = request.get_session().get::<String>("user").ok().flatten();
                if let Some(user) = user {
                    request.extensions_mut().insert(User(user));
                }
                service.call(request)
            })
            .wrap(
                SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
                    .cookie_secure(false)
                    .build(),
            )
            .wrap(Cors::default().allowed_origin("https://example.com"))
            .service(web::scope("/api/v1").configure(|config| io.configure(config)))
            .route(
                "/login",
                web::post().to(async |session: actix_session::Session, name: String| {
                    session.insert("user", name).unwrap();
                    "welcome"
                }),
            )
    }};
}

async fn check(running: &Running) {
    let (head, body) = http(running.address, "POST", "/login", "", "bob").await;
    assert_eq!(body, b"welcome");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("id="), "{cookie}");
    // The head was lower-cased for comparing: the cookie's own letters are asked for again.
    let (path, origin) = ("/api/v1/socket.io/", "Origin: https://example.com\r\n");
    let (head, _) =
        http(running.address, "GET", &format!("{path}?EIO=4&transport=polling"), origin, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("access-control-allow-origin: https://example.com"), "{head}");
    let cookie = raw_cookie(running).await;
    let mut bob = RawClient::connect_at(running.address, path, &format!("Cookie: {cookie}\r\n")).await;
    let mut nobody = RawClient::connect_at(running.address, path, "").await;
    assert_eq!(bob.ask("who").await, r#"["bob"]"#);
    assert_eq!(nobody.ask("who").await, r#"["nobody"]"#);
    let (head, _) = http(running.address, "GET", "/socket.io/?EIO=4&transport=polling", "", "").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
}

/// The session's cookie, letter by letter.
async fn raw_cookie(running: &Running) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let request = "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbob";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let line = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie: ")).unwrap();
    line["set-cookie: ".len()..].split(';').next().unwrap().to_owned()
}

fn server() -> SocketIo {
    let io = SocketIo::builder().handshake_extension::<User>().build();
    io.of("/").on("who", |handshake: Handshake| async move {
        handshake.extension::<User>().map_or_else(|| "nobody".to_owned(), |user| user.0.clone())
    });
    io
}

#[actix_web::test]
async fn behind_a_scope_cors_and_sessions_on_the_native_transport() {
    let io = server();
    let running = Running::start(move |listener, stopped| {
        let mounted = io.clone();
        let server = io.server(move || app!(mounted)).listen(listener).unwrap().workers(2).disable_signals();
        let server = server.run_until(async { drop(stopped.await) });
        actix_web::rt::System::new().block_on(server).unwrap();
    });
    check(&running).await;
}

#[actix_web::test]
async fn behind_a_scope_cors_and_sessions_on_the_embedded_transport() {
    let io = server();
    let running = Running::start(move |listener, stopped| {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || app!(io)).workers(2).disable_signals();
            let server = server.listen(listener).unwrap().run();
            let handle = server.handle();
            let stop = async {
                drop(stopped.await);
                handle.stop(false).await;
            };
            tokio::join!(server, stop).0.unwrap();
        });
    });
    check(&running).await;
}

#[actix_web::test]
async fn compression_of_polls_can_be_declined() {
    let io = SocketIo::new();
    compression_is_declined(&io, &io).await;
}

#[actix_web::test]
async fn compression_of_polls_can_be_declined_on_another_node() {
    let hub = MemoryHub::default();
    let [io, other] = [(); 2].map(|()| SocketIo::builder().bus(hub.connect()).build());
    for node in [&io, &other] {
        assert!(node.cluster_ready(Duration::from_secs(10)).await && node.nodes().len() == 2);
    }
    compression_is_declined(&io, &other).await;
}

/// Of what `emitter` emits, for a client of `io`.
async fn compression_is_declined(io: &SocketIo, emitter: &SocketIo) {
    let running = Running::workers(io, 1);
    let gzip = "Accept-Encoding: gzip\r\n";
    let path = "/socket.io/?EIO=4&transport=polling";
    let (_, open) = http(running.address, "GET", path, "", "").await;
    let open: serde_json::Value = serde_json::from_slice(&open[1..]).unwrap();
    let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
    let (_, ok) = http(running.address, "POST", &path, "", "40").await;
    assert_eq!(ok, b"ok");
    let (_, connected) = http(running.address, "GET", &path, gzip, "").await;
    assert!(connected.starts_with(b"40{\"sid\""));
    let text = "x".repeat(2000);
    emitter.emit("e", &text).await.unwrap();
    let (head, _) = http(running.address, "GET", &path, gzip, "").await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    emitter.compress(false).emit("e", &text).await.unwrap();
    let (head, body) = http(running.address, "GET", &path, gzip, "").await;
    assert!(!head.contains("content-encoding") && body.len() > 2000, "{head}");
}

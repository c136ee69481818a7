//! Inside somebody's App: scopes, middleware, extensions, other routes.

use actix_cors::Cors;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

use crate::support::engine::engine;
use crate::support::http::{get, request};
use crate::support::server::Options;
use crate::support::ws::HANDSHAKE;
use crate::support::{Polling, TestServer, Transport, Variant, Ws, matrix};

matrix![
    it_works_behind_a_scope,
    middleware_leaves_values_for_the_handshake,
    middleware_sees_and_changes_every_answer,
    it_works_next_to_actix_session,
    it_works_next_to_actix_cors,
    the_request_of_the_handshake_is_kept,
    other_paths_with_an_upgrade_header_get_the_apps_own_answer,
    two_endpoints_live_side_by_side,
];

#[derive(Clone, Debug, PartialEq)]
struct User(String);

async fn both_transports_work(server: &TestServer, path: &str) {
    let polling = Polling::open_at(&server.address, path, "").await;
    polling.send("4hello").await;
    assert_eq!(polling.poll().await, ["4hello"]);
    let mut ws = polling.upgrade().await;
    ws.send("4upgraded").await;
    assert_eq!(ws.text().await, "4upgraded");
    let mut ws = Ws::open(&server.address, &format!("{path}?EIO=4&transport=websocket")).await;
    assert!(ws.text().await.starts_with("0{"));
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

async fn it_works_behind_a_scope(variant: Variant) {
    let (engine, _) = engine(|_| {}, |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| {
        config.service(web::scope("/api/v1").configure(|config| engine.configure(config)));
    });
    both_transports_work(&server, "/api/v1/engine.io/").await;
    let response = get(&server.address, "/engine.io/?EIO=4&transport=polling").await;
    assert_eq!(response.status, 404);
}

async fn middleware_leaves_values_for_the_handshake(variant: Variant) {
    let (engine, log) = engine(|_| {}, |builder| builder.handshake_extension::<User>());
    let server = TestServer::start(variant, Options::default(), move |config| {
        let scope = web::scope("/app").configure(|config| engine.configure(config));
        config.service(scope.wrap_fn(|request, service| {
            let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
            if let Some(user) = user.map(str::to_owned) {
                request.extensions_mut().insert(User(user));
            }
            service.call(request)
        }));
    });
    let path = "/app/engine.io/?EIO=4&transport=";
    let user = [("x-user", "ada")];
    let response = request(&server.address, "GET", &format!("{path}polling"), &user, b"").await;
    let json: serde_json::Value = serde_json::from_str(&response.text()[1..]).unwrap();
    let handle = log.handle(json["sid"].as_str().unwrap()).await;
    assert_eq!(handle.request().extension::<User>(), Some(&User("ada".to_owned())));
    let mut ws = Ws::try_open(&server.address, &format!("{path}websocket"), &user).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&ws.text().await[1..]).unwrap();
    let handle = log.handle(json["sid"].as_str().unwrap()).await;
    assert_eq!(handle.request().extension::<User>(), Some(&User("ada".to_owned())));
    let mut ws = Ws::open(&server.address, &format!("{path}websocket")).await;
    let json: serde_json::Value = serde_json::from_str(&ws.text().await[1..]).unwrap();
    let handle = log.handle(json["sid"].as_str().unwrap()).await;
    assert_eq!(handle.request().extension::<User>(), None);
}

async fn middleware_sees_and_changes_every_answer(variant: Variant) {
    let (engine, _) = engine(|_| {}, |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| {
        let scope = web::scope("/app").configure(|config| engine.configure(config));
        config.service(scope.wrap_fn(|request, service| {
            let is_barred = request.query_string().contains("barred");
            let response = service.call(request);
            async move {
                if is_barred {
                    return Err(actix_web::error::ErrorUnauthorized("barred"));
                }
                let mut response = response.await?;
                let name = HeaderName::from_static("x-middleware");
                response.headers_mut().insert(name, HeaderValue::from_static("was here"));
                Ok(response)
            }
        }));
    });
    let path = "/app/engine.io/";
    let polling = Polling::open_at(&server.address, path, "").await;
    assert_eq!(polling.response.header("x-middleware"), Some("was here"));
    let target = format!("{path}?EIO=4&transport=websocket");
    let ws = Ws::open(&server.address, &target).await;
    assert_eq!(ws.response.header("x-middleware"), Some("was here"));
    // What middleware refuses is refused on both ways in.
    let barred = get(&server.address, &format!("{path}?EIO=4&transport=polling&barred")).await;
    assert_eq!((barred.status, barred.text()), (401, "barred"));
    let barred = Ws::try_open(&server.address, &format!("{target}&barred"), &[]).await.err().unwrap();
    assert_eq!((barred.status, barred.text()), (401, "barred"));
}

async fn it_works_next_to_actix_session(variant: Variant) {
    let (engine, log) = engine(
        |_| {},
        |builder| {
            builder.allow_request(|request| async move {
                match request.get_session().get::<String>("user") {
                    Ok(Some(_)) => Ok(()),
                    _ => Err("log in first".to_owned()),
                }
            })
        },
    );
    let key = Key::from(&[7; 64]);
    let server = TestServer::start(variant, Options::default(), move |config| {
        let sessions = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
        let scope = web::scope("/app")
            .wrap(sessions.cookie_secure(false).build())
            .route(
                "/login",
                web::post().to(|session: Session| async move {
                    session.insert("user", "ada").unwrap();
                    HttpResponse::Ok().finish()
                }),
            )
            .configure(|config| engine.configure(config));
        config.service(scope);
    });
    let polling = "/app/engine.io/?EIO=4&transport=polling";
    get(&server.address, polling).await.assert_error(403, 4, "log in first");
    let login = request(&server.address, "POST", "/app/login", &[], b"").await;
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let cookies = [("Cookie", &*cookie)];
    assert_eq!(request(&server.address, "GET", polling, &cookies, b"").await.status, 200);
    let target = "/app/engine.io/?EIO=4&transport=websocket";
    assert_eq!(Ws::try_open(&server.address, target, &[]).await.err().unwrap().status, 403);
    let mut ws = Ws::try_open(&server.address, target, &cookies).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&ws.text().await[1..]).unwrap();
    let handle = log.handle(json["sid"].as_str().unwrap()).await;
    assert_eq!(handle.request().header("cookie"), Some(&*cookie));
}

async fn it_works_next_to_actix_cors(variant: Variant) {
    let (engine, _) = engine(|_| {}, |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| {
        let cors = Cors::default().allowed_origin("https://a.example").allowed_methods(["GET", "POST"]);
        config.service(web::scope("/app").wrap(cors).configure(|config| engine.configure(config)));
    });
    both_transports_work(&server, "/app/engine.io/").await;
    let target = "/app/engine.io/?EIO=4&transport=polling";
    let origin = [("Origin", "https://a.example")];
    let response = request(&server.address, "GET", target, &origin, b"").await;
    let origins: Vec<_> =
        response.headers.iter().filter(|(name, _)| name == "access-control-allow-origin").collect();
    assert_eq!(origins.len(), 1, "the middleware's, and no other");
    assert_eq!(origins[0].1, "https://a.example");
    let preflight = [origin[0], ("Access-Control-Request-Method", "POST")];
    let response = request(&server.address, "OPTIONS", target, &preflight, b"").await;
    assert_eq!(response.header("access-control-allow-origin"), Some("https://a.example"));
}

async fn the_request_of_the_handshake_is_kept(variant: Variant) {
    let (engine, log) = engine(|_| {}, |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| engine.configure(config));
    for transport in ["polling", "websocket"] {
        let target = format!("/engine.io/?EIO=4&transport={transport}&token=a%20b&token=c");
        let headers = [("X-Custom", "yes"), ("Cookie", "one=1; two=2"), ("Origin", "https://a.example")];
        let open = if transport == "polling" {
            request(&server.address, "GET", &target, &headers, b"").await.text().to_owned()
        } else {
            Ws::try_open(&server.address, &target, &headers).await.unwrap().text().await
        };
        let json: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
        let sid = json["sid"].as_str().unwrap();
        let handle = log.handle(sid).await;
        let kept = handle.request();
        assert_eq!(kept.uri(), target);
        assert_eq!(kept.query("token").as_deref(), Some("a b"));
        assert_eq!(kept.header("x-custom"), Some("yes"));
        assert_eq!(kept.cookie("two"), Some("2"));
        assert!(kept.peer().is_some_and(|peer| peer.ip().is_loopback()), "{:?}", kept.peer());
        assert!(kept.is_cross_domain() && !kept.is_secure());
    }
}

async fn other_paths_with_an_upgrade_header_get_the_apps_own_answer(variant: Variant) {
    let (engine, _) = engine(|_| {}, |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| {
        engine.configure(config);
        config.route("/plain", web::get().to(|| async { "a plain answer" }));
        config.route(
            "/stream",
            web::get().to(|| async {
                let chunks = ["one ", "two ", "three"].map(|chunk| Ok::<_, actix_web::Error>(chunk.into()));
                HttpResponse::Ok().streaming(futures_util::stream::iter(chunks))
            }),
        );
        config.route(
            "/head",
            web::get().to(|request: HttpRequest| async move {
                HttpResponse::Accepted().insert_header(("x-path", request.path().to_owned())).finish()
            }),
        );
    });
    let upgrade = |target: &'static str| request(&server.address, "GET", target, &HANDSHAKE, b"");
    let response = upgrade("/plain").await;
    assert_eq!((response.status, response.text()), (200, "a plain answer"));
    assert!(response.header("x-thread").is_some(), "it went through the App's middleware");
    if variant.transport == Transport::Native {
        // actix-http itself announces chunks here and sends none.
        let response = upgrade("/stream").await;
        assert_eq!((response.status, response.text()), (200, "one two three"));
    }
    let response = upgrade("/head").await;
    assert_eq!((response.status, response.header("x-path")), (202, Some("/head")));
    assert_eq!(upgrade("/nothing").await.status, 404);
    if variant.transport == Transport::Native {
        assert_eq!(upgrade("/plain").await.header("connection"), Some("close"));
    }
    both_transports_work(&server, "/engine.io/").await;
}

async fn two_endpoints_live_side_by_side(variant: Variant) {
    let (one, _) = engine(|_| {}, |builder| builder);
    let (two, log) = engine(|config| config.path = "/other".to_owned(), |builder| builder);
    let server = TestServer::start(variant, Options::default(), move |config| {
        one.configure(config);
        two.configure(config);
    });
    both_transports_work(&server, "/engine.io/").await;
    both_transports_work(&server, "/other/").await;
    let polling = Polling::open(&server.address).await;
    let foreign = polling.target("polling").replace("/engine.io/", "/other/");
    get(&server.address, &foreign).await.assert_error(400, 1, "Session ID unknown");
    assert!(log.lock().values().all(|record| record.closes == 0 || record.reason.is_some()));
}

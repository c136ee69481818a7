//! How a session begins, and why it does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_socketio::config::CookieConfig;
use actix_socketio::engine::ConnectionError;
use actix_web::cookie::SameSite;
use actix_web::http::header::{HeaderName, HeaderValue};

use crate::support::http::{get, request};
use crate::support::ws::HANDSHAKE;
use crate::support::{EngineServer, Frame, Http, Polling, Variant, Ws, matrix};

matrix![
    the_open_packet_is_exact,
    upgrades_are_offered_only_where_they_are_possible,
    an_unknown_transport_is_code_0,
    a_disabled_transport_is_code_0,
    an_unknown_session_is_code_1,
    a_session_is_opened_by_get_only,
    a_malformed_websocket_handshake_is_code_3,
    transport_and_upgrade_header_have_to_fit,
    a_revision_mismatch_is_code_3,
    a_missing_or_unknown_revision_is_code_5,
    the_revision_is_judged_whether_3_is_served_or_not,
    allow_request_refuses_with_its_message,
    headers_hooks_see_their_answers,
    the_cookie_has_its_attributes,
    connection_errors_are_reported_with_their_context,
    a_custom_id_generator_supplies_the_random_part,
    hostile_id_generators_are_passed_over,
    connections_over_the_limit_are_answered_503,
    the_path_works_with_and_without_its_last_slash,
    one_http_connection_serves_many_requests,
    requests_of_a_session_come_in_on_different_threads,
];

const OPEN: &str = "/engine.io/?EIO=4&transport=polling";
const OPEN_WS: &str = "/engine.io/?EIO=4&transport=websocket";

/// Why a websocket was refused, before it was one.
async fn refused(server: &EngineServer, target: &str) -> crate::support::Response {
    match Ws::try_open(&server.address, target, &[]).await {
        Ok(_) => panic!("{target} opened a websocket"),
        Err(refusal) => refusal,
    }
}

async fn the_open_packet_is_exact(variant: Variant) {
    let server = EngineServer::start(variant, |config| {
        config.ping_interval = Duration::from_millis(12_345);
        config.ping_timeout = Duration::from_millis(6_789);
        config.max_http_buffer_size = 54_321;
    });
    let polling = Polling::open(&server.address).await;
    let expected = format!(
        r#"0{{"sid":"{}","upgrades":["websocket"],"pingInterval":12345,"pingTimeout":6789,"maxPayload":54321}}"#,
        polling.sid
    );
    assert_eq!(polling.response.text(), expected);
    assert_eq!(polling.response.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(polling.response.header("cache-control"), Some("no-store"));
    assert_eq!(polling.response.header("access-control-allow-origin"), None);
    assert_eq!(polling.response.header("set-cookie"), None);

    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let open = ws.text().await;
    let json: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = json["sid"].as_str().unwrap();
    let expected = format!(
        r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":12345,"pingTimeout":6789,"maxPayload":54321}}"#
    );
    assert_eq!(open, expected);
    for sid in [&*polling.sid, sid] {
        assert!(sid.len() >= 22, "128 random bits in base64 take 22 characters: {sid}");
        assert!(sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{sid}");
    }
    assert_eq!(server.engine.connection_count(), 2);
}

async fn upgrades_are_offered_only_where_they_are_possible(variant: Variant) {
    let no_upgrades = EngineServer::start(variant, |config| config.allow_upgrades = false);
    let polling = Polling::open(&no_upgrades.address).await;
    assert_eq!(polling.open["upgrades"], serde_json::json!([]));
    let refusal = refused(&no_upgrades, &polling.target("websocket")).await;
    refusal.assert_error(400, 3, "Bad request");
    polling.send("4still polling").await;
    assert_eq!(polling.poll().await, ["4still polling"]);

    let no_websocket = EngineServer::start(variant, |config| config.websocket = false);
    let polling = Polling::open(&no_websocket.address).await;
    assert_eq!(polling.open["upgrades"], serde_json::json!([]));
}

async fn an_unknown_transport_is_code_0(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for target in ["/engine.io/?EIO=4", "/engine.io/?EIO=4&transport=tobi", "/engine.io/?EIO=4&transport="] {
        get(&server.address, target).await.assert_error(400, 0, "Transport unknown");
        refused(&server, target).await.assert_error(400, 0, "Transport unknown");
    }
    // Not a property of something's prototype either.
    let target = "/engine.io/?EIO=4&transport=constructor";
    get(&server.address, target).await.assert_error(400, 0, "Transport unknown");
}

async fn a_disabled_transport_is_code_0(variant: Variant) {
    let no_websocket = EngineServer::start(variant, |config| config.websocket = false);
    refused(&no_websocket, OPEN_WS).await.assert_error(400, 0, "Transport unknown");
    let no_polling = EngineServer::start(variant, |config| config.polling = false);
    get(&no_polling.address, OPEN).await.assert_error(400, 0, "Transport unknown");
    let mut ws = Ws::open(&no_polling.address, OPEN_WS).await;
    assert!(ws.text().await.starts_with("0{"));
}

async fn an_unknown_session_is_code_1(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for sid in ["unknown", "", "%00", "..%2F..", "constructor", &"x".repeat(4_000)] {
        let polling = format!("{OPEN}&sid={sid}");
        get(&server.address, &polling).await.assert_error(400, 1, "Session ID unknown");
        request(&server.address, "POST", &polling, &[], b"4hi").await.assert_error(
            400,
            1,
            "Session ID unknown",
        );
        // GHSA-gr94: the upgrade path of an unknown session is an answer like any other.
        let websocket = format!("{OPEN_WS}&sid={sid}");
        refused(&server, &websocket).await.assert_error(400, 1, "Session ID unknown");
    }
    assert_eq!(server.engine.connection_count(), 0);
}

async fn a_session_is_opened_by_get_only(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let response = request(&server.address, method, OPEN, &[], b"").await;
        response.assert_error(400, 2, "Bad handshake method");
    }
    let polling = Polling::open(&server.address).await;
    for method in ["PUT", "DELETE", "PATCH"] {
        let response = request(&server.address, method, &polling.target("polling"), &[], b"").await;
        response.assert_error(400, 2, "Bad handshake method");
    }
    polling.send("4unhurt").await;
    assert_eq!(polling.poll().await, ["4unhurt"]);
}

async fn a_malformed_websocket_handshake_is_code_3(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    for missing in ["Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"] {
        for target in [OPEN_WS.to_owned(), polling.target("websocket")] {
            let headers: Vec<_> = HANDSHAKE.into_iter().filter(|(name, _)| *name != missing).collect();
            let response = request(&server.address, "GET", &target, &headers, b"").await;
            assert_eq!(response.status, 400, "without {missing}");
            response.assert_error(400, 3, "Bad request");
        }
    }
    assert_eq!(server.engine.connection_count(), 1, "nothing was opened");
    // A handshake that failed left the session upgradable.
    let mut ws = polling.upgrade().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

async fn transport_and_upgrade_header_have_to_fit(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    get(&server.address, OPEN_WS).await.assert_error(400, 3, "Bad request");
    refused(&server, OPEN).await.assert_error(400, 3, "Bad request");
    let polling = Polling::open(&server.address).await;
    get(&server.address, &polling.target("websocket")).await.assert_error(400, 3, "Bad request");
    refused(&server, &polling.target("polling")).await.assert_error(400, 3, "Bad request");
    polling.send("4unhurt").await;
    assert_eq!(polling.poll().await, ["4unhurt"]);
}

async fn a_revision_mismatch_is_code_3(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.allow_eio3 = true);
    let polling = Polling::open(&server.address).await;
    let target = polling.target("polling").replace("EIO=4", "EIO=3");
    get(&server.address, &target).await.assert_error(400, 3, "Bad request");
    polling.send("4unhurt").await;
    assert_eq!(polling.poll().await, ["4unhurt"]);
}

async fn a_missing_or_unknown_revision_is_code_5(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    for query in ["", "EIO=&", "EIO=3&", "EIO=5&", "EIO=44&", "EIO=abc&", "eio=4&"] {
        let polling = format!("/engine.io/?{query}transport=polling");
        get(&server.address, &polling).await.assert_error(400, 5, "Unsupported protocol version");
        let websocket = format!("/engine.io/?{query}transport=websocket");
        refused(&server, &websocket).await.assert_error(400, 5, "Unsupported protocol version");
    }
    // Whatever else is wrong with the request.
    get(&server.address, "/engine.io/").await.assert_error(400, 5, "Unsupported protocol version");
}

async fn the_revision_is_judged_whether_3_is_served_or_not(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.allow_eio3 = true);
    for query in ["", "EIO=&", "EIO=2&", "EIO=5&"] {
        let polling = format!("/engine.io/?{query}transport=polling");
        get(&server.address, &polling).await.assert_error(400, 5, "Unsupported protocol version");
        let websocket = format!("/engine.io/?{query}transport=websocket");
        refused(&server, &websocket).await.assert_error(400, 5, "Unsupported protocol version");
    }
    assert!(Polling::open_v3(&server.address, "/engine.io/", "").await.sid.len() >= 22);
}

async fn allow_request_refuses_with_its_message(variant: Variant) {
    let server = EngineServer::build(
        variant,
        |_| {},
        |builder| {
            builder.allow_request(|request| async move {
                tokio::task::yield_now().await;
                match request.query_string().contains("token=good") {
                    true => Ok(()),
                    false => Err("no \"token\", no service".to_owned()),
                }
            })
        },
    );
    let message = r#"no \"token\", no service"#;
    get(&server.address, OPEN).await.assert_error(403, 4, message);
    refused(&server, OPEN_WS).await.assert_error(403, 4, message);
    assert_eq!(server.engine.connection_count(), 0);
    // It is asked for handshakes only.
    let polling = Polling::open_at(&server.address, "/engine.io/", "&token=good").await;
    let mut ws = polling.upgrade().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    let mut ws = Ws::open(&server.address, &format!("{OPEN_WS}&token=good")).await;
    assert!(ws.text().await.starts_with("0{"));
}

async fn headers_hooks_see_their_answers(variant: Variant) {
    let server = EngineServer::build(
        variant,
        |_| {},
        |builder| {
            builder
                .initial_headers(|headers, request| {
                    let path = HeaderValue::from_str(request.path()).unwrap();
                    headers.insert(HeaderName::from_static("x-first"), path);
                })
                .headers(|headers, request| {
                    let method = HeaderValue::from_str(request.method().as_str()).unwrap();
                    headers.insert(HeaderName::from_static("x-every"), method);
                })
        },
    );
    let polling = Polling::open(&server.address).await;
    assert_eq!(polling.response.header("x-first"), Some("/engine.io/"));
    assert_eq!(polling.response.header("x-every"), Some("GET"));
    let post = polling.post("4x").await;
    assert_eq!((post.header("x-first"), post.header("x-every")), (None, Some("POST")));
    let poll = polling.get().await;
    assert_eq!((poll.header("x-first"), poll.header("x-every")), (None, Some("GET")));
    let upgrade = polling.websocket().await;
    let (first, every) = (upgrade.response.header("x-first"), upgrade.response.header("x-every"));
    assert_eq!((first, every), (None, Some("GET")));
    let ws = Ws::open(&server.address, OPEN_WS).await;
    assert_eq!(ws.response.header("x-first"), Some("/engine.io/"));
    assert_eq!(ws.response.header("x-every"), Some("GET"));
    let error = get(&server.address, "/engine.io/?EIO=4").await;
    assert_eq!((error.header("x-first"), error.header("x-every")), (None, Some("GET")));
}

async fn the_cookie_has_its_attributes(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.cookie = Some(CookieConfig::default()));
    let polling = Polling::open(&server.address).await;
    let expected = format!("io={}; HttpOnly; SameSite=Lax; Path=/", polling.sid);
    assert_eq!(polling.response.header("set-cookie"), Some(&*expected));
    polling.send("4x").await;
    assert_eq!(polling.get().await.header("set-cookie"), None, "the first answer only");
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    let cookie = ws.response.header("set-cookie").unwrap().to_owned();
    let open = ws.text().await;
    let sid = cookie.strip_prefix("io=").unwrap().split(';').next().unwrap();
    assert!(open.contains(sid));

    let custom = EngineServer::start(variant, |config| {
        let mut cookie = CookieConfig::default();
        cookie.name = "sid".to_owned();
        cookie.path = Some("/chat".to_owned());
        cookie.http_only = false;
        cookie.same_site = Some(SameSite::None);
        cookie.secure = true;
        cookie.max_age = Some(Duration::from_secs(86_400));
        config.cookie = Some(cookie);
    });
    let polling = Polling::open(&custom.address).await;
    let expected = format!("sid={}; SameSite=None; Secure; Path=/chat; Max-Age=86400", polling.sid);
    assert_eq!(polling.response.header("set-cookie"), Some(&*expected));
}

async fn connection_errors_are_reported_with_their_context(variant: Variant) {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let sink = reported.clone();
    let server = EngineServer::build(
        variant,
        |config| config.allow_upgrades = false,
        |builder| {
            builder.allow_request(|_| async { Err("closed today".to_owned()) }).on_connection_error(
                move |request, error| {
                    let what = match error {
                        ConnectionError::BadRequest(detail) => (*detail).to_owned(),
                        other => other.message().to_owned(),
                    };
                    let uri = request.uri().to_string();
                    sink.lock().unwrap().push((error.code(), what, uri));
                },
            )
        },
    );
    let (unknown, mismatch) = (format!("{OPEN}&sid=nobody"), OPEN_WS.to_owned());
    get(&server.address, "/engine.io/?EIO=4&transport=tobi").await;
    get(&server.address, &unknown).await;
    request(&server.address, "POST", OPEN, &[], b"").await;
    get(&server.address, &mismatch).await;
    get(&server.address, OPEN).await;
    get(&server.address, "/engine.io/?transport=polling").await;
    let reported = reported.lock().unwrap().clone();
    let expected = [
        (0, "Transport unknown", "/engine.io/?EIO=4&transport=tobi"),
        (1, "Session ID unknown", &*unknown),
        (2, "Bad handshake method", OPEN),
        (3, "transport and upgrade header do not fit", &*mismatch),
        (4, "closed today", OPEN),
        (5, "Unsupported protocol version", "/engine.io/?transport=polling"),
    ];
    let reported: Vec<_> = reported.iter().map(|(code, what, uri)| (*code, &**what, &**uri)).collect();
    assert_eq!(reported, expected);
}

async fn a_custom_id_generator_supplies_the_random_part(variant: Variant) {
    let count = AtomicUsize::new(0);
    let server = EngineServer::build(
        variant,
        |_| {},
        |builder| builder.id_generator(move || format!("mine-{}_", count.fetch_add(1, Ordering::Relaxed))),
    );
    let (one, two) = (Polling::open(&server.address).await, Polling::open(&server.address).await);
    let node = one.sid.strip_prefix("mine-0_").expect("the custom part first").to_owned();
    assert_eq!(two.sid.strip_prefix("mine-1_"), Some(&*node), "then the node");
    assert!(!node.is_empty());
    two.send("4works").await;
    assert_eq!(two.poll().await, ["4works"]);
}

async fn hostile_id_generators_are_passed_over(variant: Variant) {
    let ids = ["", "a.b", "a b", "x>", "ключ", "a\r\nSet-Cookie: x=y", "\"", "a/../b"];
    let next = AtomicUsize::new(0);
    let server = EngineServer::build(
        variant,
        |config| config.cookie = Some(CookieConfig::default()),
        |builder| {
            builder.id_generator(move || ids[next.fetch_add(1, Ordering::Relaxed) % ids.len()].to_owned())
        },
    );
    for _ in 0..ids.len() {
        let polling = Polling::open(&server.address).await;
        assert!(polling.sid.len() >= 22, "{}", polling.sid);
        assert!(polling.sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        assert_eq!(polling.response.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 1);
    }
    // One that repeats itself opens sessions of their own all the same.
    let server = EngineServer::build(variant, |_| {}, |builder| builder.id_generator(|| "same".to_owned()));
    let (one, two) = (Polling::open(&server.address).await, Polling::open(&server.address).await);
    assert_ne!(one.sid, two.sid);
    one.send("4one").await;
    two.send("4two").await;
    assert_eq!((one.poll().await, two.poll().await), (vec!["4one".to_owned()], vec!["4two".to_owned()]));
}

async fn connections_over_the_limit_are_answered_503(variant: Variant) {
    let server = EngineServer::start(variant, |config| config.max_connections = Some(2));
    let polling = Polling::open(&server.address).await;
    let mut ws = Ws::open(&server.address, OPEN_WS).await;
    assert!(ws.text().await.starts_with("0{"));
    get(&server.address, OPEN).await.assert_error(503, 4, "Service unavailable");
    refused(&server, OPEN_WS).await.assert_error(503, 4, "Service unavailable");
    // A socket that was taken over counts, and counts no more when it is gone.
    ws.close(1000).await;
    assert_eq!(ws.closed().await, Some(1000));
    let engine = server.engine.clone();
    crate::support::eventually("the count", || (engine.connection_count() == 1).then_some(())).await;
    let _third = Polling::open(&server.address).await;
    polling.send("4unhurt").await;
    assert_eq!(polling.poll().await, ["4unhurt"]);
}

async fn the_path_works_with_and_without_its_last_slash(variant: Variant) {
    for path in ["/custom/path", "/custom/path/"] {
        let server = EngineServer::start(variant, |config| config.path = path.to_owned());
        for requested in ["/custom/path", "/custom/path/"] {
            let polling = Polling::open_at(&server.address, requested, "").await;
            let mut ws = polling.upgrade().await;
            ws.send("4hello").await;
            assert_eq!(ws.text().await, "4hello");
            let mut ws = Ws::open(&server.address, &format!("{requested}?EIO=4&transport=websocket")).await;
            assert!(ws.text().await.starts_with("0{"));
        }
        for other in ["/", "/engine.io/", "/custom/", "/custom/path/more", "/custom/pathology"] {
            let target = format!("{other}?EIO=4&transport=polling");
            assert_eq!(get(&server.address, &target).await.status, 404, "{other}");
            let target = format!("{other}?EIO=4&transport=websocket");
            assert_eq!(refused(&server, &target).await.status, 404, "{other}");
        }
    }
}

async fn one_http_connection_serves_many_requests(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let mut http = Http::connect(&server.address).await;
    for round in 0..20 {
        http.send("GET", OPEN, &[], b"").await;
        let open = http.receive().await;
        let json: serde_json::Value = serde_json::from_str(&open.text()[1..]).unwrap();
        let target = format!("{OPEN}&sid={}", json["sid"].as_str().unwrap());
        let packet = format!("4round {round}");
        http.send("POST", &target, &[], packet.as_bytes()).await;
        assert_eq!(http.receive().await.text(), "ok");
        http.send("GET", &target, &[], b"").await;
        assert_eq!(http.receive().await.text(), packet);
    }
}

/// What the matrix relies on: with three workers, one session really meets several threads.
async fn requests_of_a_session_come_in_on_different_threads(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let polling = Polling::open(&server.address).await;
    let mut threads = std::collections::BTreeSet::new();
    let mut note = |response: &crate::support::Response| {
        threads.insert(response.header("x-thread").unwrap().to_owned());
    };
    note(&polling.response);
    note(&polling.post("4x").await);
    note(&polling.get().await);
    let mut ws = polling.websocket().await;
    note(&ws.response);
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.receive().await, Frame::Text("4hello".to_owned()));
    assert_eq!(threads.len(), variant.workers, "four connections over {threads:?}");
}

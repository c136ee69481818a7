//! Cross-origin requests: none unless asked for, then exactly what was asked for.

use std::sync::Arc;
use std::time::Duration;

use actix_socketio::config::{CorsConfig, Origins};

use crate::support::http::request;
use crate::support::{EngineServer, Polling, Response, Variant, Ws, matrix};

matrix![
    there_are_no_cors_headers_by_default,
    a_list_of_origins,
    any_origin_with_credentials,
    the_wildcard_origin,
    a_predicate_decides,
    preflights_are_answered,
    refused_requests_have_cors_headers_too,
];

const OPEN: &str = "/engine.io/?EIO=4&transport=polling";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";

fn start(variant: Variant, origins: Origins, credentials: bool) -> EngineServer {
    EngineServer::start(variant, |config| {
        let mut cors = CorsConfig::default();
        cors.origins = origins;
        cors.credentials = credentials;
        cors.max_age = Some(Duration::from_secs(600));
        config.cors = Some(cors);
    })
}

async fn from(server: &EngineServer, origin: &str) -> Response {
    request(&server.address, "GET", OPEN, &[("Origin", origin)], b"").await
}

async fn preflight(server: &EngineServer, origin: &str, method: &str) -> Response {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "content-type,x-custom"),
    ];
    request(&server.address, "OPTIONS", OPEN, &headers, b"").await
}

/// Without this header browsers keep the answer from the page, whatever else there is.
fn assert_no_cors(response: &Response) {
    assert_eq!(response.header(ALLOW_ORIGIN), None);
}

async fn there_are_no_cors_headers_by_default(variant: Variant) {
    let server = EngineServer::start(variant, |_| {});
    let response = from(&server, "https://a.example").await;
    assert_eq!(response.status, 200);
    for response in [response, preflight(&server, "https://a.example", "POST").await] {
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("access-control-")));
    }
}

async fn a_list_of_origins(variant: Variant) {
    let list = ["https://a.example", "https://b.example:8443"].map(str::to_owned).to_vec();
    let server = start(variant, Origins::List(list.clone()), false);
    for origin in &list {
        let response = from(&server, origin).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header(ALLOW_ORIGIN), Some(&**origin));
        assert_eq!(response.header(ALLOW_CREDENTIALS), None);
        assert!(response.header("vary").unwrap().to_lowercase().contains("origin"));
    }
    for other in ["https://evil.example", "http://a.example", "https://a.example.evil.example", "null"] {
        let response = from(&server, other).await;
        assert_no_cors(&response);
    }
    // Whoever sends no Origin is no browser page of another site.
    assert!(Polling::open(&server.address).await.sid.len() >= 22);
}

async fn any_origin_with_credentials(variant: Variant) {
    let server = start(variant, Origins::Any, true);
    for origin in ["https://a.example", "http://localhost:1234"] {
        let response = from(&server, origin).await;
        assert_eq!(response.header(ALLOW_ORIGIN), Some(origin), "reflected, since * excludes credentials");
        assert_eq!(response.header(ALLOW_CREDENTIALS), Some("true"));
    }
}

async fn the_wildcard_origin(variant: Variant) {
    let server = start(variant, Origins::Wildcard, false);
    let response = from(&server, "https://a.example").await;
    assert_eq!(response.header(ALLOW_ORIGIN), Some("*"));
    assert_eq!(response.header(ALLOW_CREDENTIALS), None);
}

async fn a_predicate_decides(variant: Variant) {
    let predicate = Arc::new(|origin: &str| origin.ends_with(".a.example"));
    let server = start(variant, Origins::Predicate(predicate), true);
    let response = from(&server, "https://x.a.example").await;
    assert_eq!(response.header(ALLOW_ORIGIN), Some("https://x.a.example"));
    assert_no_cors(&from(&server, "https://evil.example").await);
}

async fn preflights_are_answered(variant: Variant) {
    let server = start(variant, Origins::List(vec!["https://a.example".to_owned()]), true);
    let response = preflight(&server, "https://a.example", "POST").await;
    assert!(matches!(response.status, 200 | 204), "{}", response.status);
    assert_eq!(response.header(ALLOW_ORIGIN), Some("https://a.example"));
    assert_eq!(response.header(ALLOW_CREDENTIALS), Some("true"));
    assert_eq!(response.header("access-control-max-age"), Some("600"));
    let methods = response.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
    let headers = response.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(headers.contains("content-type") && headers.contains("x-custom"), "{headers}");
    assert_no_cors(&preflight(&server, "https://evil.example", "POST").await);
    let methods = preflight(&server, "https://a.example", "DELETE").await;
    assert!(methods.header("access-control-allow-methods").is_none_or(|methods| !methods.contains("DELETE")));
    assert_eq!(server.engine.connection_count(), 0);
}

async fn refused_requests_have_cors_headers_too(variant: Variant) {
    let server = start(variant, Origins::Any, true);
    let target = format!("{OPEN}&sid=unknown");
    let origin = [("Origin", "https://a.example")];
    let response = request(&server.address, "GET", &target, &origin, b"").await;
    response.assert_error(400, 1, "Session ID unknown");
    assert_eq!(response.header(ALLOW_ORIGIN), Some("https://a.example"), "or the page sees no reason");
    let target = "/engine.io/?EIO=4&transport=websocket";
    let ws = Ws::try_open(&server.address, target, &origin).await;
    assert!(ws.is_ok(), "websockets are not subject to CORS");
}

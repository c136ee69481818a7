//! Which web pages may talk to a node that nobody configured.
//!
//! Browsers let any page open a websocket to any server, 127.0.0.1 included, and tell the server only by the header
//! `Origin`. Without it (other programs than browsers) there is nothing to refuse.

use std::net::IpAddr;
use std::sync::Arc;

use actix_socketio::SocketIoBuilder;
use actix_socketio::config::{CorsConfig, Origins};
use actix_web::HttpRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HOST, ORIGIN};

/// Pages that were loaded from this machine, on any port: an application under development may use the node.
pub(super) fn only_this_machine() -> SocketIoBuilder {
    let origins = Origins::Predicate(Arc::new(is_this_machine));
    SocketIoBuilder::default()
        .cors(CorsConfig { origins, ..CorsConfig::default() })
        .allow_request(|request| async move { check(&request, |origin, _| is_this_machine(origin)) })
}

/// Pages that this very server has served.
pub(super) fn only_own_pages() -> SocketIoBuilder {
    SocketIoBuilder::default().allow_request(|request| async move { check(&request, is_own_page) })
}

fn check(request: &HttpRequest, is_allowed: impl Fn(&str, &str) -> bool) -> Result<(), String> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match origin.to_str() {
        Ok(origin) if is_allowed(origin, host) => Ok(()),
        _ => Err("origin not allowed".to_owned()),
    }
}

fn is_this_machine(origin: &str) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let Some(host) = origin.host() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn is_own_page(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").or(origin.strip_prefix("https://")) == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for origin in
            ["http://localhost:5173", "http://127.0.0.1:3000", "https://localhost", "http://[::1]:8080"]
        {
            assert!(is_this_machine(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com:3000",
        ] {
            assert!(!is_this_machine(origin), "{origin}");
        }
    }

    #[test]
    fn a_servers_own_pages_are_told_from_others() {
        assert!(is_own_page("https://chat.example.com", "chat.example.com"));
        assert!(!is_own_page("https://chat.example.com.evil.example", "chat.example.com"));
        assert!(!is_own_page("null", "chat.example.com"));
    }
}

//! Which web pages may talk to a node: those of `[cors]`, or, when it names none, those that are near.
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

use super::config::Cors;

/// A server that these pages may use. `is_local`: only this machine can reach it.
pub(super) fn builder(cors: &Cors, is_local: bool) -> SocketIoBuilder {
    let builder = SocketIoBuilder::default();
    let options = |origins| CorsConfig {
        origins,
        credentials: cors.credentials,
        allowed_headers: cors.allowed_headers.clone(),
        max_age: cors.max_age.map(Into::into),
    };
    if cors.is_any() {
        return builder.cors(options(Origins::Wildcard));
    }
    let allowed = Arc::new(Allowed::new(cors, is_local));
    // What the server itself has served needs no CORS headers.
    let builder = match &*allowed {
        Allowed::These(origins) => builder.cors(options(Origins::List(origins.clone()))),
        Allowed::ThisMachine => builder.cors(options(Origins::Predicate(Arc::new(is_this_machine)))),
        Allowed::OwnPages => builder,
    };
    builder.allow_request(move |request| {
        let verdict = check(&request, &allowed);
        async move { verdict }
    })
}

/// The pages that may talk to a node.
#[derive(Debug)]
enum Allowed {
    /// Of these origins.
    These(Vec<String>),
    /// Loaded from this machine, on any port: an application under development may use the node.
    ThisMachine,
    /// That this very server has served.
    OwnPages,
}

impl Allowed {
    fn new(cors: &Cors, is_local: bool) -> Self {
        if !cors.origins.is_empty() {
            Self::These(cors.origins.clone())
        } else if is_local {
            Self::ThisMachine
        } else {
            Self::OwnPages
        }
    }

    fn allows(&self, origin: &str, host: &str) -> bool {
        match self {
            Self::These(origins) => {
                origins.iter().any(|allowed| allowed == origin) || is_own_page(origin, host)
            }
            Self::ThisMachine => is_this_machine(origin),
            Self::OwnPages => is_own_page(origin, host),
        }
    }
}

fn check(request: &HttpRequest, allowed: &Allowed) -> Result<(), String> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match origin.to_str() {
        Ok(origin) if allowed.allows(origin, host) => Ok(()),
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
    fn pages_that_are_listed_are_allowed_and_no_others() {
        let cors = Cors { origins: vec!["https://a.example".to_owned()], ..Cors::default() };
        let allowed = Allowed::new(&cors, true);
        assert!(allowed.allows("https://a.example", "node:3000"));
        assert!(allowed.allows("https://node:3000", "node:3000"));
        for origin in
            ["https://b.example", "http://a.example", "https://a.example.evil", "http://localhost", "null"]
        {
            assert!(!allowed.allows(origin, "node:3000"), "{origin}");
        }
    }

    #[test]
    fn a_servers_own_pages_are_told_from_others() {
        assert!(is_own_page("https://chat.example.com", "chat.example.com"));
        assert!(!is_own_page("https://chat.example.com.evil.example", "chat.example.com"));
        assert!(!is_own_page("null", "chat.example.com"));
    }
}

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
use arc_swap::ArcSwap;

use super::config::Cors;
use super::reload::Reload;

/// The pages that may use a node now. Sessions that are open stay open.
#[derive(Clone, Debug)]
pub(super) struct Pages(Arc<ArcSwap<Allowed>>);

impl Pages {
    /// Those of the options, now and after every reload. `is_local`: only this machine can reach the node.
    pub(super) fn new(cors: &Cors, is_local: bool, reload: &Reload) -> Self {
        let pages = Self(Arc::new(ArcSwap::from_pointee(Allowed::new(cors, is_local))));
        let (current, credentials) = (pages.clone(), cors.credentials);
        reload.part(move |config| {
            // What requests may carry is settled when the node starts.
            if config.cors.is_any() && credentials {
                return Err(
                    "cors.origins: \"*\" excludes cookies, which this node allows until it is restarted"
                        .into(),
                );
            }
            let (current, allowed) = (current.clone(), Allowed::new(&config.cors, is_local));
            Ok(Box::new(move || current.0.store(Arc::new(allowed))))
        });
        pages
    }

    /// A server that these pages may use.
    pub(super) fn builder(&self, cors: &Cors) -> SocketIoBuilder {
        let (asked, pages) = (self.clone(), self.clone());
        let options = CorsConfig {
            origins: Origins::Predicate(Arc::new(move |origin| asked.0.load().needs_headers(origin))),
            credentials: cors.credentials,
            allowed_headers: cors.allowed_headers.clone(),
            max_age: cors.max_age.map(Into::into),
        };
        SocketIoBuilder::default().cors(options).allow_request(move |request| {
            let verdict = check(&request, &pages.0.load());
            async move { verdict }
        })
    }
}

/// The pages that may talk to a node.
#[derive(Debug)]
enum Allowed {
    Any,
    /// Of these origins.
    These(Vec<String>),
    /// Loaded from this machine, on any port: an application under development may use the node.
    ThisMachine,
    /// That this very server has served.
    OwnPages,
}

impl Allowed {
    fn new(cors: &Cors, is_local: bool) -> Self {
        if cors.is_any() {
            Self::Any
        } else if !cors.origins.is_empty() {
            Self::These(cors.origins.clone())
        } else if is_local {
            Self::ThisMachine
        } else {
            Self::OwnPages
        }
    }

    fn allows(&self, origin: &str, host: &str) -> bool {
        self.needs_headers(origin)
            || matches!(self, Self::These(_) | Self::OwnPages) && is_own_page(origin, host)
    }

    /// Whether a browser is told that the page may read the answers. What the server itself has served needs no telling.
    fn needs_headers(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(origins) => origins.iter().any(|allowed| allowed == origin),
            Self::ThisMachine => is_this_machine(origin),
            Self::OwnPages => false,
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

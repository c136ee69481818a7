//! Addresses of NATS servers, as people write them. Used by the [`options`](super::options) only.

use async_nats::ServerAddr;

use super::ConnectError;
use super::credentials::{Credentials, Secret};

/// The addresses without what is before their `@`, and that as credentials.
pub(super) fn parse(servers: &[String]) -> Result<(Vec<ServerAddr>, Credentials), ConnectError> {
    let mut addresses = Vec::new();
    let mut credentials = Credentials::None;
    for server in servers {
        let (address, found) = parse_one(server).ok_or_else(|| ConnectError::Address(redacted(server)))?;
        addresses.push(address);
        if found != Credentials::None {
            // One login serves all servers of a cluster.
            if credentials != Credentials::None && credentials != found {
                return Err(ConnectError::CredentialsTwice);
            }
            credentials = found;
        }
    }
    if addresses.is_empty() { Err(ConnectError::NoServer) } else { Ok((addresses, credentials)) }
}

fn parse_one(server: &str) -> Option<(ServerAddr, Credentials)> {
    let address: ServerAddr = server.parse().ok()?;
    if address.is_websocket() || address.host().is_empty() {
        return None;
    }
    let user = percent_decoded(address.username().unwrap_or_default())?;
    let password = percent_decoded(address.password().unwrap_or_default())?;
    let credentials = match (user.is_empty(), password.is_empty()) {
        (true, true) => Credentials::None,
        // As the tools of NATS do it: nobody has a name but no password.
        (false, true) => Credentials::Token(Secret::Value(user)),
        (_, false) => Credentials::UserAndPassword(user, Secret::Value(password)),
    };
    // The client does not use them, but logs them.
    let mut url = address.into_inner();
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some((ServerAddr::from_url(url).ok()?, credentials))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'%' {
            let (digits, tail) = rest.split_first_chunk::<2>()?;
            decoded.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            decoded.push(*byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// An address without what may be a password.
pub(super) fn redacted(server: &str) -> String {
    match server.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}{}..@{host}", if scheme.is_empty() { "" } else { "://" })
        }
        None => server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(server: &str) -> Option<(String, Credentials)> {
        parse_one(server).map(|(address, found)| (address.as_url_str().to_owned(), found))
    }

    #[test]
    fn what_is_before_the_at_is_a_login_and_not_kept() {
        let user = |user: &str, password: &str| Credentials::UserAndPassword(user.into(), password.into());
        assert_eq!(one("nats://h:1"), Some(("nats://h:1".into(), Credentials::None)));
        assert_eq!(one("h"), Some(("nats://h".into(), Credentials::None)));
        assert_eq!(one("tls://u:p@h:1"), Some(("tls://h:1".into(), user("u", "p"))));
        assert_eq!(
            one("nats://a%40b:p%2f%c3%a4@[::1]:1"),
            Some(("nats://[::1]:1".into(), user("a@b", "p/ä")))
        );
        assert_eq!(one("nats://t@h"), Some(("nats://h".into(), Credentials::Token("t".into()))));
        for server in ["", "http://h", "ws://h", "nats://", "nats://h:port", "nats://%ff:p@h", "nats://a b"] {
            assert_eq!(one(server), None, "{server:?}");
        }
    }

    #[test]
    fn one_login_serves_all_servers() {
        let parse = |servers: &[&str]| {
            let servers: Vec<_> = servers.iter().map(|server| (*server).to_owned()).collect();
            parse(&servers).map(|(_, found)| found)
        };
        assert_eq!(parse(&["a", "t@b", "t@c"]).expect("valid"), Credentials::Token("t".into()));
        assert!(matches!(parse(&["t@b", "u@c"]), Err(ConnectError::CredentialsTwice)));
        assert!(matches!(parse(&[]), Err(ConnectError::NoServer)));
        let refused = parse(&["nats://user:secret@host:port"]).expect_err("no port").to_string();
        assert!(refused.contains("nats://..@host:port") && !refused.contains("secret"), "{refused}");
    }
}

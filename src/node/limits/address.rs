//! From where a client comes: the address of its TCP connection, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;

use super::options::{LimitOptions, network};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More proxies than that are none of ours.
const MAX_PROXIES: usize = 32;

/// The proxies that are believed.
pub(super) struct Proxies(Vec<IpNet>);

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// There.
    Known(IpAddr),
    /// From this machine, or over a socket that has no address.
    Here(Option<IpAddr>),
    /// Behind a proxy that nobody said is to be believed.
    Proxy(IpAddr),
}

impl Origin {
    /// The address, as far as it is known.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Known(address) | Self::Proxy(address) => Some(address),
            Self::Here(address) => address,
        }
    }
}

impl Proxies {
    /// The configured ones; what is no network was refused with the configuration.
    pub(super) fn new(options: &LimitOptions) -> Self {
        Self(options.trusted_proxies.iter().filter_map(|proxy| network(proxy)).collect())
    }

    pub(super) fn origin_of(&self, request: &HttpRequest) -> Origin {
        let headers = request.headers().get_all(FORWARDED_FOR);
        let headers: Vec<_> = headers.map(|value| value.to_str().unwrap_or_default()).collect();
        self.origin(request.peer_addr().map(|peer| peer.ip()), &headers)
    }

    fn origin(&self, peer: Option<IpAddr>, headers: &[&str]) -> Origin {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return Origin::Here(None) };
        if !self.are(peer) {
            return if !headers.is_empty() && (peer.is_loopback() || is_private(peer)) {
                Origin::Proxy(peer)
            } else if peer.is_loopback() {
                Origin::Here(Some(peer))
            } else {
                Origin::Known(peer)
            };
        }
        // Each proxy appends whom it speaks for: from the right, the first that is no proxy of ours.
        let mut address = peer;
        for said in headers.iter().rev().flat_map(|header| header.rsplit(',')).take(MAX_PROXIES) {
            let Some(said) = parse(said.trim()) else { break };
            address = said;
            if !self.are(said) {
                break;
            }
        }
        if address.is_loopback() { Origin::Here(Some(address)) } else { Origin::Known(address) }
    }

    fn are(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What one is counted by.
pub(in crate::node) fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        // A customer has at least a /64.
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

/// An address, perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4.octets()),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10 (RFC 6598): carriers, and clouds.
fn is_shared([first, second, ..]: [u8; 4]) -> bool {
    first == 100 && (64..128).contains(&second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(trusted: &[&str], peer: &str, headers: &[&str]) -> Origin {
        let trusted_proxies = trusted.iter().map(|proxy| (*proxy).to_owned()).collect();
        let proxies = Proxies::new(&LimitOptions { trusted_proxies, ..LimitOptions::default() });
        proxies.origin(Some(peer.parse().expect("an address")), headers)
    }

    fn known(address: &str) -> Origin {
        Origin::Known(address.parse().expect("an address"))
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(origin(&[], "203.0.113.7", &["1.2.3.4"]), known("203.0.113.7"));
        assert_eq!(origin(&["10.0.0.0/8"], "203.0.113.7", &["1.2.3.4"]), known("203.0.113.7"));
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4"]), known("1.2.3.4"));
        assert_eq!(origin(&["10.0.0.1"], "10.0.0.1", &["1.2.3.4:5678"]), known("1.2.3.4"));
        assert_eq!(origin(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["[2001:db8::1]:99"]), known("2001:db8::1"));
    }

    #[test]
    fn what_a_client_made_up_stands_left_of_the_truth() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(origin(&trusted, "10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"]), known("1.2.3.4"));
        assert_eq!(origin(&trusted, "10.0.0.1", &["6.6.6.6", "1.2.3.4"]), known("1.2.3.4"));
        assert_eq!(origin(&trusted, "10.0.0.1", &["1.2.3.4, nonsense, 10.0.0.2"]), known("10.0.0.2"));
        assert_eq!(origin(&trusted, "10.0.0.1", &[""]), known("10.0.0.1"));
        assert_eq!(
            origin(&trusted, "10.0.0.1", &["127.0.0.1"]).address(),
            Some(IpAddr::from([127, 0, 0, 1]))
        );
    }

    #[test]
    fn a_proxy_that_nobody_named_is_not_a_client() {
        assert!(matches!(origin(&[], "10.0.0.1", &["1.2.3.4"]), Origin::Proxy(_)));
        assert!(matches!(origin(&[], "fd00::1", &["1.2.3.4"]), Origin::Proxy(_)));
        assert_eq!(origin(&[], "10.0.0.1", &[]), known("10.0.0.1"));
        assert!(matches!(origin(&[], "127.0.0.1", &["1.2.3.4"]), Origin::Proxy(_)));
        assert!(matches!(origin(&[], "127.0.0.1", &[]), Origin::Here(_)));
    }

    #[test]
    fn a_network_is_one_client() {
        let of = |text: &str| key(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("1.2.3.4"), of("1.2.3.5"));
    }
}

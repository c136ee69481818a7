//! The HTTP request that opened a session, kept for its life in as few allocations as possible.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::SystemTime;

use actix_web::{HttpMessage as _, HttpRequest};

/// What is kept of the request of a handshake. Shared by the sockets of the connection.
#[derive(Debug)]
pub struct HandshakeRequest {
    /// Path and query; then a line for each header, `name: value`, as they came, values as bytes.
    text: Box<[u8]>,
    /// Where the headers begin.
    headers_at: usize,
    peer: Option<SocketAddr>,
    is_secure: bool,
    issued: SystemTime,
    extensions: Box<[Extension]>,
}

/// Left in the connection data of a TLS connection.
pub(crate) struct Secure;

/// A value that middleware of the application left in the request's extensions.
pub(crate) struct Extension {
    type_id: TypeId,
    value: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Extension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extension").field("type_id", &self.type_id).finish()
    }
}

/// Copies one type out of the extensions of a request.
pub(crate) type ExtensionCopier = fn(&HttpRequest) -> Option<Extension>;

/// The copier of `T`.
pub(crate) fn copy_extension<T: Clone + Send + Sync + 'static>(request: &HttpRequest) -> Option<Extension> {
    let value = request.extensions().get::<T>().cloned()?;
    Some(Extension { type_id: TypeId::of::<T>(), value: Box::new(value) })
}

impl HandshakeRequest {
    pub(super) fn new(request: &HttpRequest, copiers: &[ExtensionCopier]) -> Self {
        let uri = request.uri().path_and_query().map_or("/", |uri| uri.as_str());
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(uri.as_bytes());
        for (name, value) in request.headers() {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
        Self {
            text: text.into(),
            headers_at: uri.len(),
            peer: request.peer_addr(),
            is_secure: request.app_config().secure() || request.conn_data::<Secure>().is_some(),
            issued: SystemTime::now(),
            extensions: copiers.iter().filter_map(|copy| copy(request)).collect(),
        }
    }

    /// Path and query, as in the request line.
    pub fn uri(&self) -> &str {
        // It was a `str`.
        std::str::from_utf8(&self.text[..self.headers_at]).unwrap_or("/")
    }

    /// The value of a query parameter, percent-decoded; the first if there are several.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All query parameters, percent-decoded, in order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        super::query::pairs(self.uri().split_once('?').map_or("", |(_, query)| query))
    }

    /// The value of a header; none if it is missing or not UTF-8. The name is compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All headers: lower-case name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.text[self.headers_at..].split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.windows(2).position(|pair| pair == b": ")?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 2..]))
        })
    }

    /// The value of a cookie, as it was sent.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers().filter(|(key, _)| *key == "cookie");
        cookies
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then_some(value)
            })
    }

    /// The address of whoever opened the TCP connection (a proxy, if there is one).
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Whether the connection came over TLS to this server.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether the request came from another origin (it has an `Origin` header).
    pub fn is_cross_domain(&self) -> bool {
        self.header("origin").is_some()
    }

    /// When the handshake took place.
    pub fn issued(&self) -> SystemTime {
        self.issued
    }

    /// A value that middleware of the Actix application left in the request's extensions, if its type was
    /// named to the builder with `handshake_extension`.
    pub fn extension<T: 'static>(&self) -> Option<&T> {
        let wanted = TypeId::of::<T>();
        let found = self.extensions.iter().find(|extension| extension.type_id == wanted)?;
        found.value.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_is_asked_for_is_found() {
        let request = TestRequest::get()
            .uri("/socket.io/?EIO=4&room=a%20b&room=c")
            .insert_header(("X-Token", "t: 1"))
            .insert_header(("Cookie", "a=1; io=xyz"))
            .to_http_request();
        request.extensions_mut().insert(7u32);
        let handshake = HandshakeRequest::new(&request, &[copy_extension::<u32>, copy_extension::<u64>]);
        assert_eq!(handshake.query("room").as_deref(), Some("a b"));
        assert_eq!(handshake.query("none"), None);
        assert_eq!(handshake.header("x-token"), Some("t: 1"));
        assert_eq!(handshake.cookie("io"), Some("xyz"));
        assert_eq!((handshake.extension::<u32>(), handshake.extension::<u64>()), (Some(&7), None));
        assert!(!handshake.is_secure() && !handshake.is_cross_domain());
    }
}

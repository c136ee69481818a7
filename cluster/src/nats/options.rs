//! How to reach NATS, and the bounds of what waits. Used by whoever makes a [`NatsBus`](super::NatsBus).

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::{ConnectOptions, ServerAddr};

use super::ConnectError;
use super::address;
use super::credentials::Credentials;
use super::queue::QueueLimits;
use crate::node::random_bytes;
use crate::subject::is_prefix;

/// How to connect to NATS. Made from one address or several:
/// ```
/// use socketio_cluster::{Credentials, NatsOptions};
///
/// let mut options = NatsOptions::from(["nats://one:4222", "nats://two:4222"]).wait_for_server(true);
/// options.credentials = Credentials::Token("secret".into());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsOptions {
    /// Addresses such as `nats://127.0.0.1:4222`, or `tls://…`; others of the same NATS cluster are found through them. What is
    /// before an `@` is taken as a user and a password, or a token.
    pub servers: Vec<String>,
    /// How the server lists this connection. Default `socketio`.
    pub name: String,
    /// How to log in. Default: not at all.
    pub credentials: Credentials,
    /// What answers to requests of this connection begin with: tokens of `A–Z a–z 0–9 _ -` with dots between them, at most 128
    /// bytes. Default `_INBOX`, as everywhere in NATS; where processes shall not read each other's answers, give each kind its own.
    pub inbox_prefix: String,
    /// Files (PEM) with certificates that the server's may be signed by, instead of the system's.
    pub root_certificates: Vec<PathBuf>,
    /// Files (PEM) with the certificate that this side shows, and its key. Default: none.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether a connection without TLS is refused. Default false: the server decides, and an address with `tls://`.
    pub require_tls: bool,
    /// Whether TLS begins before the server has said anything (`handshake_first` in its configuration). Default false.
    pub tls_first: bool,
    /// Whether connecting returns at once and goes on for ever when no server can be reached or lets us in. Default
    /// false: then it fails.
    pub wait_for_server: bool,
    /// How long one server may take to let us in. Default 5 s.
    pub connect_timeout: Duration,
    /// How often the server is asked whether it is there: after three of these a silent one is left. Default 5 s.
    pub ping_interval: Duration,
    /// The most messages that wait to be sent; what is above is refused. An eighth is kept for what holds the cluster together. Default 65,536.
    pub max_queued: usize,
    /// The most bytes that wait to be sent, an eighth of them kept in the same way; what is above is refused. Default 64 MiB.
    pub max_queued_bytes: usize,
    /// A message that waited longer is dropped. Default 5 s.
    pub max_queued_age: Duration,
    /// The most messages of one subscription that wait to be taken out of the client; what is above is lost, and told.
    /// Default 65,536.
    pub subscription_capacity: usize,
    /// The most events that wait for the reader; what is above is lost, and counted. Default 65,536.
    pub inbound_capacity: usize,
}

impl NatsOptions {
    /// The defaults. An address may be several with commas between them.
    pub fn new<T: Into<String>>(servers: impl IntoIterator<Item = T>) -> Self {
        let servers = servers.into_iter().map(Into::into);
        let split =
            |servers: String| servers.split(',').map(|server| server.trim().to_owned()).collect::<Vec<_>>();
        Self {
            servers: servers.flat_map(split).filter(|server| !server.is_empty()).collect(),
            name: "socketio".to_owned(),
            credentials: Credentials::None,
            inbox_prefix: "_INBOX".to_owned(),
            root_certificates: Vec::new(),
            client_certificate: None,
            require_tls: false,
            tls_first: false,
            wait_for_server: false,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            max_queued: 65_536,
            max_queued_bytes: 64 << 20,
            max_queued_age: Duration::from_secs(5),
            subscription_capacity: 65_536,
            inbound_capacity: 65_536,
        }
    }

    /// The same with other [`credentials`](Self::credentials).
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// The same with another [`inbox_prefix`](Self::inbox_prefix).
    #[must_use]
    pub fn inbox_prefix(self, prefix: impl Into<String>) -> Self {
        Self { inbox_prefix: prefix.into(), ..self }
    }

    /// The same with another [`wait_for_server`](Self::wait_for_server).
    #[must_use]
    pub fn wait_for_server(self, wait_for_server: bool) -> Self {
        Self { wait_for_server, ..self }
    }

    pub(super) fn queue_limits(&self) -> QueueLimits {
        QueueLimits {
            max_messages: self.max_queued,
            max_bytes: self.max_queued_bytes,
            max_age: self.max_queued_age,
        }
    }

    /// What the client takes, checked as far as that is possible without a server: with
    /// [`wait_for_server`](Self::wait_for_server) it would try what can never succeed for ever.
    pub(super) async fn into_client_options(self) -> Result<(ConnectOptions, Vec<ServerAddr>), ConnectError> {
        if !is_prefix(&self.inbox_prefix) {
            return Err(ConnectError::InboxPrefix);
        }
        let (servers, found) = address::parse(&self.servers)?;
        let credentials = match (self.credentials, found) {
            (credentials, Credentials::None) | (Credentials::None, credentials) => credentials,
            _ => return Err(ConnectError::CredentialsTwice),
        };
        let mut options = credentials
            .into_client_options()
            .await?
            .name(self.name)
            .connection_timeout(self.connect_timeout)
            .ping_interval(self.ping_interval)
            .require_tls(self.require_tls)
            // What is in the client when the connection breaks is sent late or never; our queue knows better.
            .client_capacity(128)
            .subscription_capacity(self.subscription_capacity.max(1))
            .reconnect_delay_callback(|attempts| reconnect_delay(attempts, random_bytes::<1>()[0]));
        for file in self.root_certificates {
            check_certificates(&file)?;
            options = options.add_root_certificates(file);
        }
        if let Some((certificate, key)) = self.client_certificate {
            check_certificates(&certificate)?;
            PrivateKeyDer::from_pem_file(&key).map_err(|error| unusable(&key, error))?;
            options = options.add_client_certificate(certificate, key);
        }
        if self.tls_first {
            options = options.tls_first();
        }
        if self.wait_for_server {
            options = options.retry_on_initial_connect();
        }
        Ok((options, servers))
    }
}

impl From<&str> for NatsOptions {
    fn from(servers: &str) -> Self {
        Self::new([servers])
    }
}

impl From<String> for NatsOptions {
    fn from(servers: String) -> Self {
        Self::new([servers])
    }
}

impl From<&String> for NatsOptions {
    fn from(servers: &String) -> Self {
        Self::new([servers])
    }
}

impl<T: Into<String>> From<Vec<T>> for NatsOptions {
    fn from(servers: Vec<T>) -> Self {
        Self::new(servers)
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for NatsOptions {
    fn from(servers: [T; N]) -> Self {
        Self::new(servers)
    }
}

impl<T: Into<String> + Clone> From<&[T]> for NatsOptions {
    fn from(servers: &[T]) -> Self {
        Self::new(servers.iter().cloned())
    }
}

impl fmt::Debug for NatsOptions {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(|server| address::redacted(server)).collect();
        f.debug_struct("NatsOptions")
            .field("servers", &servers)
            .field("name", &self.name)
            .field("credentials", &self.credentials)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("root_certificates", &self.root_certificates)
            .field("client_certificate", &self.client_certificate)
            .field("require_tls", &self.require_tls)
            .field("tls_first", &self.tls_first)
            .field("wait_for_server", &self.wait_for_server)
            .finish_non_exhaustive()
    }
}

fn check_certificates(file: &Path) -> Result<(), ConnectError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, error))?;
    let mut count = 0;
    for certificate in certificates {
        certificate.map_err(|error| unusable(file, error))?;
        count += 1;
    }
    if count == 0 { Err(unusable(file, "no certificate is in it")) } else { Ok(()) }
}

fn unusable(file: &Path, error: impl fmt::Display) -> ConnectError {
    ConnectError::File(file.to_path_buf(), std::io::Error::other(error.to_string()))
}

/// From a few milliseconds to 4 s, and at random between half and all of it: a whole cluster of nodes comes back here.
fn reconnect_delay(attempts: usize, random: u8) -> Duration {
    let doublings = attempts.saturating_sub(1).min(8) as u32;
    let longest = Duration::from_millis(20 << doublings).min(Duration::from_secs(4));
    longest / 2 + longest * u32::from(random) / 512
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::Secret;

    #[test]
    fn delays_grow_to_a_bound_and_differ() {
        for attempts in [0, 1, 2, 5, 100, usize::MAX] {
            let (least, most) = (reconnect_delay(attempts, 0), reconnect_delay(attempts, 255));
            assert!(least < most && most <= Duration::from_secs(4), "{attempts}: {least:?} {most:?}");
        }
        assert!(reconnect_delay(1, 255) <= Duration::from_millis(20));
        assert!(reconnect_delay(9, 0) >= Duration::from_secs(2));
    }

    #[test]
    fn secrets_are_not_printed() {
        for credentials in [
            Credentials::UserAndPassword("user".into(), "secret".into()),
            Credentials::Token("secret".into()),
            Credentials::NKey("secret".into()),
            Credentials::Jwt("secret".into()),
        ] {
            let options = NatsOptions::from("nats://user:secret@localhost").credentials(credentials);
            let printed = format!("{options:?}");
            assert!(!printed.contains("secret") && printed.contains("localhost"), "{printed}");
        }
    }

    #[test]
    fn options_are_made_from_addresses() {
        let servers = |options: NatsOptions| options.servers;
        assert_eq!(servers("a, b,".into()), ["a", "b"]);
        assert_eq!(servers(String::from("a").into()), ["a"]);
        assert_eq!(servers(["a", "b,c"].into()), ["a", "b", "c"]);
        assert_eq!(servers(vec![String::from("a")].into()), ["a"]);
        assert_eq!(servers([String::from("a")].as_slice().into()), ["a"]);
    }

    #[tokio::test]
    async fn what_can_never_succeed_is_refused_without_a_server() {
        let refused = async |change: fn(&mut NatsOptions)| {
            let mut options = NatsOptions::from("nats://u:p@127.0.0.1:1").wait_for_server(true);
            change(&mut options);
            match options.into_client_options().await {
                Ok(_) => panic!("accepted"),
                Err(error) => error,
            }
        };
        assert!(matches!(refused(|o| o.servers.clear()).await, ConnectError::NoServer));
        assert!(matches!(refused(|o| o.servers[0].insert(0, '/')).await, ConnectError::Address(_)));
        assert!(matches!(refused(|o| o.inbox_prefix = "a.*".into()).await, ConnectError::InboxPrefix));
        let twice = |o: &mut NatsOptions| o.credentials = Credentials::Token("x".into());
        assert!(matches!(refused(twice).await, ConnectError::CredentialsTwice));
        let no_file = |o: &mut NatsOptions| {
            o.servers = vec!["h".into()];
            o.credentials = Credentials::Token(Secret::file("/does/not/exist"));
        };
        assert!(matches!(refused(no_file).await, ConnectError::File(..)));
        let no_jwt = |o: &mut NatsOptions| {
            o.servers = vec!["h".into()];
            o.credentials = Credentials::Jwt("x".into());
        };
        assert!(matches!(refused(no_jwt).await, ConnectError::Credentials(_)));
        let no_certificate = |o: &mut NatsOptions| o.root_certificates = vec!["/does/not/exist".into()];
        assert!(matches!(refused(no_certificate).await, ConnectError::File(..)));
        let no_pem = |o: &mut NatsOptions| {
            o.root_certificates = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()]
        };
        assert!(matches!(refused(no_pem).await, ConnectError::File(..)));
    }
}

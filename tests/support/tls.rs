//! TLS for the tests: a certificate made on the spot, and a client that trusts it.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;

/// A certificate that is signed by itself, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    /// PKCS #8.
    pub(crate) key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Self { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::new);

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server's side.
pub(crate) fn server_config() -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![IDENTITY.certificate.clone()], IDENTITY.private_key())
        .expect("a usable certificate")
}

/// A client's side.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    client_of(&IDENTITY, None)
}

/// A client that trusts this server, and shows a certificate.
pub(crate) fn client_of(server: &Identity, own: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).expect("a usable root");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots);
    Arc::new(match own {
        None => config.with_no_client_auth(),
        Some(own) => config
            .with_client_auth_cert(vec![own.certificate.clone()], own.private_key())
            .expect("a usable certificate"),
    })
}

/// The TLS handshake of a client.
pub(crate) async fn client(
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    tokio_rustls::TlsConnector::from(config).connect(name, stream).await.expect("TLS handshake")
}

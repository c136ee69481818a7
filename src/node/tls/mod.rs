//! TLS for clients, by certificates that can be replaced while the node runs.
//!
//! The listener has one configuration of rustls for its whole life; everything in it that comes from files asks [`Tls`], which has what is
//! in force. A connection keeps what it began with.

mod options;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions, VerifierBuilderError,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme, crypto,
};

use self::options::ClientCertificates;
pub(in crate::node) use self::options::TlsOptions;
use super::reload::Reload;

/// TLS sessions that are remembered so that clients who come back need no whole handshake.
const SESSIONS: usize = 4096;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum TlsError {
    #[error("tls.{key}: {file}: {source}")]
    File { key: &'static str, file: String, source: pem::Error },
    #[error("tls.{key}: {file}: there is no certificate in it")]
    Empty { key: &'static str, file: String },
    #[error("tls: the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    #[error("tls.client_ca: {0}")]
    ClientCa(rustls::Error),
    #[error("tls.client_ca: {0}")]
    Verifier(#[from] VerifierBuilderError),
    #[error("tls.cert: TLS is turned on and off by a restart only")]
    Switched,
}

/// TLS as it is now. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ArcSwap<Material>>);

/// What was in the files.
#[derive(Debug)]
struct Material {
    certificate: Arc<CertifiedKey>,
    /// Looks at the certificates of clients, if they are asked for one.
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// New with every certificate: whoever comes back is looked at again.
    sessions: Arc<ServerSessionMemoryCache>,
}

impl Tls {
    /// Reads the files, now and at every reload; none without a certificate.
    pub(super) fn start(options: &TlsOptions, reload: &Reload) -> Result<Option<Self>, TlsError> {
        let tls = Material::read(options)?.map(|material| Self(Arc::new(ArcSwap::from_pointee(material))));
        let current = tls.clone();
        reload.part(move |config| {
            let current = current.clone();
            match (current, Material::read(&config.tls)?) {
                (Some(current), Some(material)) => Ok(Box::new(move || current.take_over(material))),
                (None, None) => Ok(Box::new(|| {})),
                _ => Err(TlsError::Switched.into()),
            }
        });
        Ok(tls)
    }

    /// What a listener needs; it follows this.
    pub(super) fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let this = Arc::new(self.clone());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(this.clone())
            .with_cert_resolver(this.clone());
        config.session_storage = this;
        Ok(config)
    }

    fn take_over(&self, material: Material) {
        if material.certificate.cert != self.0.load().certificate.cert {
            tracing::info!("new connections get another certificate");
        }
        self.0.store(Arc::new(material));
    }

    /// Who looks at a client's certificate: nobody if that has changed in the middle of the handshake.
    fn clients(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let clients = self.0.load().clients.clone();
        clients.ok_or_else(|| rustls::Error::General("clients need no certificate any more".to_owned()))
    }
}

impl Material {
    fn read(options: &TlsOptions) -> Result<Option<Self>, TlsError> {
        let (Some(cert), Some(key)) = (&options.cert, &options.key) else { return Ok(None) };
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::file("key", key, source))?;
        let certificate = CertifiedKey::from_der(certificates("cert", cert)?, private, &provider())?;
        let clients = options.client_ca.as_ref().map(|file| {
            let mut roots = RootCertStore::empty();
            for root in certificates("client_ca", file)? {
                roots.add(root).map_err(TlsError::ClientCa)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            Ok::<_, TlsError>(match options.client_certificates {
                ClientCertificates::Required => verifier.build()?,
                ClientCertificates::Optional => verifier.allow_unauthenticated().build()?,
            })
        });
        Ok(Some(Self {
            certificate: Arc::new(certificate),
            clients: clients.transpose()?,
            sessions: ServerSessionMemoryCache::new(SESSIONS),
        }))
    }
}

impl TlsError {
    fn file(key: &'static str, file: &Path, source: pem::Error) -> Self {
        Self::File { key, file: file.display().to_string(), source }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

/// All certificates of a file: at least one.
fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|source| TlsError::file(key, file, source))?;
    if found.is_empty() {
        return Err(TlsError::Empty { key, file: file.display().to_string() });
    }
    Ok(found)
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certificate.clone())
    }
}

impl ClientCertVerifier for Tls {
    fn offer_client_auth(&self) -> bool {
        self.0.load().clients.is_some()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.load().clients.as_ref().is_some_and(|clients| clients.client_auth_mandatory())
    }

    // Of authorities that may be others at any time no list can be lent: clients show the certificate that they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.clients()?.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.clients()?.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.clients()?.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl StoresServerSessions for Tls {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.load().sessions.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().sessions.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().sessions.take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

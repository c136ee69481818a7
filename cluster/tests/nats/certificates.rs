//! Certificates for a test, as PEM files: an authority, and what it signs.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::server::scratch;

pub(crate) struct Authority {
    pub(crate) certificate: PathBuf,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).expect("a certificate");
        let file = write(&format!("{name}-ca.pem"), "CERTIFICATE", certificate.der());
        Self { certificate: file, name: name.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// The files of a certificate for this machine's loopback address, and of its key.
    pub(crate) fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("valid");
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |kind: &str| format!("{}-{name}-{kind}.pem", self.name);
        (
            write(&file("certificate"), "CERTIFICATE", certificate.der()),
            write(&file("key"), "PRIVATE KEY", &key.serialize_der()),
        )
    }
}

fn write(name: &str, what: &str, der: &[u8]) -> PathBuf {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> =
        encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let file = scratch(name);
    let pem = format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"));
    std::fs::write(&file, pem).expect("the file can be written");
    file
}

//! `[tls]`: the options of TLS for clients.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::Findings;

/// TLS for clients, versions 1.2 and 1.3. Without a certificate there is none: usually what stands before the nodes has it. SIGHUP
/// reads the files again, also when they have the same names, and new connections get what is in them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct TlsOptions {
    /// The certificate (PEM), with those between it and the root after it.
    #[schemars(example = "/etc/ssl/socketio.pem")]
    pub(super) cert: Option<PathBuf>,
    /// The key (PEM) of that certificate.
    #[schemars(example = "/etc/ssl/socketio.key")]
    pub(super) key: Option<PathBuf>,
    /// Certificates (PEM) that those of clients have to be signed by. Without it: clients are not asked for one.
    #[schemars(example = "/etc/ssl/clients-ca.pem")]
    pub(super) client_ca: Option<PathBuf>,
    /// With client_ca: required, or optional: who shows none gets in, who shows a bad one does not.
    pub(super) client_certificates: ClientCertificates,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::node) enum ClientCertificates {
    #[default]
    Required,
    Optional,
}

impl TlsOptions {
    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        if self.cert.is_some() != self.key.is_some() {
            let key = if self.cert.is_some() { "cert" } else { "key" };
            found.add(key, "a certificate and its key belong together: tls.cert and tls.key");
        }
        if self.client_ca.is_some() && self.cert.is_none() {
            found.add("client_ca", "has no effect without TLS: tls.cert and tls.key");
        }
    }
}

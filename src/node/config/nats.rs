//! `[nats]`: where NATS is and how to log in. Used by the node and by the commands that ask a cluster.

use std::path::PathBuf;

use actix_socketio::cluster::{Credentials, NatsOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::problem::Findings;
use super::secret::{Secret, SecretError};
use super::size::Size;

/// Where NATS is and how to log in. With servers, the node is one of a cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Nats {
    /// Addresses such as "nats://127.0.0.1:4222" or "tls://nats.example.com"; others of the same NATS cluster are found through
    /// them.
    #[schemars(extend("x-env" = "SOCKETIO_NATS"))]
    pub(crate) servers: Vec<String>,
    /// Log in with a credentials file (a JWT and its seed).
    #[schemars(example = "/run/secrets/node.creds")]
    pub(crate) creds: Option<PathBuf>,
    /// Log in with the seed of an nkey, in this file.
    #[schemars(example = "/run/secrets/node.nk")]
    pub(crate) nkey: Option<PathBuf>,
    /// Log in with a token.
    pub(crate) token: Option<Secret>,
    /// Log in as this user, with the password.
    #[schemars(example = &"node")]
    pub(crate) user: Option<String>,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// Certificates (PEM) that the server's may be signed by, instead of the system's.
    #[schemars(example = "/etc/ssl/nats-ca.pem")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate (PEM) to show to the server.
    #[schemars(example = "/etc/ssl/node.pem")]
    pub(crate) cert: Option<PathBuf>,
    /// The key (PEM) of that certificate.
    #[schemars(example = "/etc/ssl/node.key")]
    pub(crate) key: Option<PathBuf>,
    /// Whether a connection without TLS is refused.
    pub(crate) require_tls: bool,
    /// Whether TLS begins before the server has said anything (handshake_first in its configuration).
    pub(crate) tls_first: bool,
    /// How long one server may take to let the node in.
    pub(crate) connect_timeout: Period,
    /// How often the server is asked whether it is there: after three of these a silent one is left.
    pub(crate) ping_interval: Period,
    /// The most messages that wait to be sent; what is above is refused.
    pub(crate) max_queued: usize,
    /// The most bytes that wait to be sent; what is above is refused.
    pub(crate) max_queued_bytes: Size,
    /// A message that waited longer is dropped.
    pub(crate) max_queued_age: Period,
}

impl Default for Nats {
    fn default() -> Self {
        let options = NatsOptions::new(Vec::<String>::new());
        Self {
            servers: Vec::new(),
            creds: None,
            nkey: None,
            token: None,
            user: None,
            password: None,
            ca: None,
            cert: None,
            key: None,
            require_tls: options.require_tls,
            tls_first: options.tls_first,
            connect_timeout: options.connect_timeout.into(),
            ping_interval: options.ping_interval.into(),
            max_queued: options.max_queued,
            max_queued_bytes: options.max_queued_bytes.into(),
            max_queued_age: options.max_queued_age.into(),
        }
    }
}

impl Nats {
    /// Whether a server is named: the node is one of a cluster then.
    pub(crate) fn is_given(&self) -> bool {
        self.servers.iter().any(|server| !server.trim().is_empty())
    }

    pub(super) fn check(&self, found: &mut Findings<'_>) {
        let logins = [
            ("creds", self.creds.is_some()),
            ("nkey", self.nkey.is_some()),
            ("token", self.token.is_some()),
            ("user", self.user.is_some()),
        ];
        let given: Vec<_> = logins.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
        if let [.., last] = *given
            && given.len() > 1
        {
            found.add(last, format!("more than one login for NATS: {}", given.join(", ")));
        }
        if self.user.is_some() && self.password.is_none() {
            found.add(
                "user",
                "a user without a password: nats.password says where it is, or SOCKETIO_NATS_PASSWORD has it",
            );
        }
        if self.password.is_some() && self.user.is_none() {
            found.add("password", "a password without a user: nats.user");
        }
        if self.cert.is_some() != self.key.is_some() {
            let key = if self.cert.is_some() { "cert" } else { "key" };
            found.add(key, "a certificate and its key belong together: nats.cert and nats.key");
        }
        for (key, period) in [
            ("connect_timeout", self.connect_timeout),
            ("ping_interval", self.ping_interval),
            ("max_queued_age", self.max_queued_age),
        ] {
            found.is_not_zero(key, period.is_zero());
        }
        found.is_not_zero("max_queued", self.max_queued == 0);
        found.is_not_zero("max_queued_bytes", self.max_queued_bytes.bytes() == 0);
        if !self.is_given() {
            let useless = [("ca", self.ca.is_some()), ("cert", self.cert.is_some())];
            for (key, is_given) in logins.into_iter().chain(useless) {
                if is_given {
                    found.add(key, "has no effect without a NATS server: nats.servers names it");
                }
            }
        }
    }

    /// How to connect. `name` is what the NATS server calls the connection.
    pub(crate) fn options(&self, name: String) -> Result<NatsOptions, SecretError> {
        use actix_socketio::cluster::Secret as There;
        // What is in a file may change while the node runs.
        let there = |secret: &Secret| match secret {
            Secret::File(file) => Ok(There::file(file)),
            Secret::Env(_) => secret.read().map(There::from),
        };
        let mut options = NatsOptions::new(self.servers.clone());
        options.name = name;
        options.credentials = if let Some(file) = &self.creds {
            Credentials::Jwt(There::file(file))
        } else if let Some(file) = &self.nkey {
            Credentials::NKey(There::file(file))
        } else if let Some(token) = &self.token {
            Credentials::Token(there(token)?)
        } else if let Some((user, password)) = self.user.as_ref().zip(self.password.as_ref()) {
            Credentials::UserAndPassword(user.clone(), there(password)?)
        } else {
            Credentials::None
        };
        options.root_certificates.extend(self.ca.clone());
        options.client_certificate = self.cert.clone().zip(self.key.clone());
        options.require_tls = self.require_tls;
        options.tls_first = self.tls_first;
        options.connect_timeout = self.connect_timeout.into();
        options.ping_interval = self.ping_interval.into();
        options.max_queued = self.max_queued;
        options.max_queued_bytes = self.max_queued_bytes.bytes();
        options.max_queued_age = self.max_queued_age.into();
        Ok(options)
    }
}

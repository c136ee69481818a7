//! How to reach NATS, and the bounds of what waits. Used by whoever makes a [`NatsBus`](super::NatsBus).

use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectOptions;

use super::ConnectError;
use super::queue::QueueLimits;
use crate::node::random_bytes;

/// How a client proves who it is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A token.
    Token(String),
    /// A user and a password.
    UserAndPassword(String, String),
    /// The seed of an nkey.
    NKey(String),
    /// The text of a credentials file.
    File(String),
}

impl std::fmt::Debug for Credentials {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::UserAndPassword(..) => "UserAndPassword(..)",
            Self::NKey(_) => "NKey(..)",
            Self::File(_) => "File(..)",
        })
    }
}

/// How to connect to NATS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NatsOptions {
    /// Addresses such as `nats://127.0.0.1:4222`; others of the same NATS cluster are found through them.
    pub servers: Vec<String>,
    /// How the server lists this connection. Default `socketio`.
    pub name: String,
    /// How to log in. Default: not at all.
    pub credentials: Credentials,
    /// Files with certificates that the server's may be signed by, besides the system's.
    pub root_certificates: Vec<PathBuf>,
    /// Whether a connection without TLS is refused. Default false.
    pub require_tls: bool,
    /// How long one server may take to let us in. Default 5 s.
    pub connect_timeout: Duration,
    /// How often the server is asked whether it is there: after two of these a silent one is left. Default 5 s.
    pub ping_interval: Duration,
    /// The most messages that wait to be sent; what is above is refused. Default 65,536.
    pub max_queued: usize,
    /// The most bytes that wait to be sent; what is above is refused. Default 64 MiB.
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
    /// The defaults.
    pub fn new<T: Into<String>>(servers: impl IntoIterator<Item = T>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            name: "socketio".to_owned(),
            credentials: Credentials::None,
            root_certificates: Vec::new(),
            require_tls: false,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            max_queued: 65_536,
            max_queued_bytes: 64 << 20,
            max_queued_age: Duration::from_secs(5),
            subscription_capacity: 65_536,
            inbound_capacity: 65_536,
        }
    }

    pub(super) fn queue_limits(&self) -> QueueLimits {
        QueueLimits {
            max_messages: self.max_queued,
            max_bytes: self.max_queued_bytes,
            max_age: self.max_queued_age,
        }
    }

    pub(super) fn into_client_options(self) -> Result<ConnectOptions, ConnectError> {
        let mut options = ConnectOptions::new()
            .name(self.name)
            .connection_timeout(self.connect_timeout)
            .ping_interval(self.ping_interval)
            .require_tls(self.require_tls)
            // What is in the client when the connection breaks is sent late or never; our queue knows better.
            .client_capacity(128)
            .subscription_capacity(self.subscription_capacity.max(1))
            .reconnect_delay_callback(|attempts| reconnect_delay(attempts, random_bytes::<1>()[0]));
        for file in self.root_certificates {
            options = options.add_root_certificates(file);
        }
        Ok(match self.credentials {
            Credentials::None => options,
            Credentials::Token(token) => options.token(token),
            Credentials::UserAndPassword(user, password) => options.user_and_password(user, password),
            Credentials::NKey(seed) => options.nkey(seed),
            Credentials::File(text) => options.credentials(&text).map_err(ConnectError::Credentials)?,
        })
    }
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
        let options = NatsOptions {
            credentials: Credentials::UserAndPassword("user".into(), "secret".into()),
            ..NatsOptions::new(["nats://localhost"])
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}

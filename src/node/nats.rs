//! How the command line says where NATS is and how to log in. Used by the node and by the commands that ask a cluster.

use std::path::PathBuf;

use actix_socketio::cluster::subject::{Subjects, SubjectsError};
use actix_socketio::cluster::{Credentials, NatsOptions, Secret};
use clap::Args;

/// Where the inboxes of nodes are, so that others need not be permitted to read them: see PROTOCOL.md.
pub(super) const NODE_INBOX: &str = "_INBOX_node";

/// What is wrong with the options.
#[derive(Debug, thiserror::Error)]
pub(super) enum NatsArgsError {
    #[error("no NATS server: --nats or SOCKETIO_NATS names it")]
    NoServer,
    #[error("more than one login for NATS: {0}")]
    Logins(String),
    #[error("--nats-user without a password: --nats-password-file or SOCKETIO_NATS_PASSWORD has it")]
    NoPassword,
    #[error("--prefix: {0}")]
    Prefix(#[from] SubjectsError),
}

/// Secrets come from files or from the environment: everybody on a machine can read command lines.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "NATS")]
pub(super) struct NatsArgs {
    /// A NATS server, such as nats://127.0.0.1:4222 or tls://...; several with commas, or the option again
    #[arg(long = "nats", id = "nats", env = "SOCKETIO_NATS", value_name = "URL", value_delimiter = ',')]
    pub(super) servers: Vec<String>,
    /// The first part of every subject; the same in the whole cluster
    #[arg(long, env = "SOCKETIO_PREFIX", default_value = "sio")]
    pub(super) prefix: String,
    /// Log in with a credentials file (a JWT and its seed)
    #[arg(long = "nats-creds", env = "SOCKETIO_NATS_CREDS", value_name = "FILE", requires = "nats")]
    creds: Option<PathBuf>,
    /// Log in with the seed of an nkey
    #[arg(long = "nats-nkey", env = "SOCKETIO_NATS_NKEY", value_name = "FILE", requires = "nats")]
    nkey: Option<PathBuf>,
    /// Log in with a token [env: SOCKETIO_NATS_TOKEN has the token itself]
    #[arg(
        long = "nats-token-file",
        env = "SOCKETIO_NATS_TOKEN_FILE",
        value_name = "FILE",
        requires = "nats"
    )]
    token_file: Option<PathBuf>,
    /// Log in as this user
    #[arg(long = "nats-user", env = "SOCKETIO_NATS_USER", value_name = "NAME", requires = "nats")]
    user: Option<String>,
    /// The user's password [env: SOCKETIO_NATS_PASSWORD has the password itself]
    #[arg(
        long = "nats-password-file",
        id = "password_file",
        env = "SOCKETIO_NATS_PASSWORD_FILE",
        value_name = "FILE",
        requires = "user"
    )]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) that the server's may be signed by, instead of the system's
    #[arg(long = "nats-ca", env = "SOCKETIO_NATS_CA", value_name = "FILE", requires = "nats")]
    ca: Option<PathBuf>,
    /// The certificate (PEM) to show to the server
    #[arg(
        long = "nats-cert",
        id = "cert",
        env = "SOCKETIO_NATS_CERT",
        value_name = "FILE",
        requires = "key"
    )]
    cert: Option<PathBuf>,
    /// The key (PEM) of that certificate
    #[arg(long = "nats-key", id = "key", env = "SOCKETIO_NATS_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl NatsArgs {
    /// Whether a server is named. An empty variable of the environment names none.
    pub(super) fn is_given(&self) -> bool {
        self.servers.iter().any(|server| !server.trim().is_empty())
    }

    /// The tree of subjects under the prefix.
    pub(super) fn subjects(&self) -> Result<Subjects, NatsArgsError> {
        Ok(Subjects::new(&self.prefix, Subjects::default().buckets())?)
    }

    /// How to connect. `name` is what the NATS server calls the connection.
    pub(super) fn options(&self, name: String) -> Result<NatsOptions, NatsArgsError> {
        self.options_with(name, |variable| std::env::var(variable).ok().filter(|value| !value.is_empty()))
    }

    fn options_with(
        &self,
        name: String,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<NatsOptions, NatsArgsError> {
        if !self.is_given() {
            return Err(NatsArgsError::NoServer);
        }
        let mut options = NatsOptions::new(self.servers.clone());
        options.name = name;
        options.credentials = self.credentials(variable)?;
        options.root_certificates.extend(self.ca.clone());
        options.client_certificate = self.cert.clone().zip(self.key.clone());
        Ok(options)
    }

    fn credentials(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, NatsArgsError> {
        let secret = |file: &Option<PathBuf>, name: &str| match file {
            Some(file) => Some(Secret::file(file)),
            None => variable(name).map(Secret::from),
        };
        let mut logins = Vec::new();
        if let Some(file) = &self.creds {
            logins.push(("--nats-creds", Credentials::Jwt(Secret::file(file))));
        }
        if let Some(file) = &self.nkey {
            logins.push(("--nats-nkey", Credentials::NKey(Secret::file(file))));
        }
        if let Some(token) = secret(&self.token_file, "SOCKETIO_NATS_TOKEN") {
            logins.push(("a token", Credentials::Token(token)));
        }
        if let Some(user) = &self.user {
            let password = secret(&self.password_file, "SOCKETIO_NATS_PASSWORD");
            let password = password.ok_or(NatsArgsError::NoPassword)?;
            logins.push(("--nats-user", Credentials::UserAndPassword(user.clone(), password)));
        }
        if logins.len() > 1 {
            let names: Vec<_> = logins.iter().map(|(name, _)| *name).collect();
            return Err(NatsArgsError::Logins(names.join(", ")));
        }
        Ok(logins.pop().map_or(Credentials::None, |(_, credentials)| credentials))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        nats: NatsArgs,
    }

    fn parse(words: &str) -> Result<NatsArgs, clap::Error> {
        let words = std::iter::once("x").chain(words.split_whitespace());
        Line::try_parse_from(words).map(|line| line.nats)
    }

    fn options(words: &str, token: Option<&str>) -> Result<NatsOptions, NatsArgsError> {
        let line = parse(words).expect("options");
        line.options_with("n".to_owned(), |variable| {
            (variable == "SOCKETIO_NATS_TOKEN").then_some(token?.to_owned())
        })
    }

    #[test]
    fn servers_are_repeated_or_separated() {
        let options = options("--nats nats://a,nats://b --nats c", None).expect("valid");
        assert_eq!(options.servers, ["nats://a", "nats://b", "c"]);
        assert_eq!(options.credentials, Credentials::None);
    }

    #[test]
    fn there_is_one_login() {
        let of = |words: &str, token| options(words, token).expect("valid").credentials;
        assert_eq!(of("--nats a --nats-creds f", None), Credentials::Jwt(Secret::file("f")));
        assert_eq!(of("--nats a --nats-nkey f", None), Credentials::NKey(Secret::file("f")));
        assert_eq!(of("--nats a --nats-token-file f", Some("t")), Credentials::Token(Secret::file("f")));
        assert_eq!(of("--nats a", Some("t")), Credentials::Token("t".into()));
        assert_eq!(
            of("--nats a --nats-user u --nats-password-file f", None),
            Credentials::UserAndPassword("u".to_owned(), Secret::file("f"))
        );
        assert!(matches!(options("--nats a --nats-user u", None), Err(NatsArgsError::NoPassword)));
        assert!(matches!(options("--nats a --nats-nkey f", Some("t")), Err(NatsArgsError::Logins(_))));
        assert!(matches!(options("", Some("t")), Err(NatsArgsError::NoServer)));
    }

    #[test]
    fn what_is_without_effect_is_refused() {
        for bad in ["--nats-creds f", "--nats a --nats-cert f", "--nats a --nats-password-file f"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("--prefix a.*").expect("a text").subjects().is_err());
        let options = options("--nats a --nats-ca c --nats-cert d --nats-key e", None).expect("valid");
        assert_eq!(options.root_certificates, [PathBuf::from("c")]);
        assert_eq!(options.client_certificate, Some(("d".into(), "e".into())));
    }
}

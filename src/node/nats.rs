//! How the command line says where NATS is and how to log in. Used by the node and by the commands that ask a cluster.

use std::path::PathBuf;

use clap::Args;
use toml::{Table, Value};

use super::config::Flag;

/// Where the inboxes of nodes are, so that others need not be permitted to read them: see PROTOCOL.md.
pub(super) const NODE_INBOX: &str = "_INBOX_node";

/// Secrets come from files or from the environment: everybody on a machine can read command lines.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "NATS")]
pub(super) struct NatsArgs {
    /// A NATS server, such as nats://127.0.0.1:4222 or tls://...; several with commas, or the option again
    /// [env: SOCKETIO_NATS]
    #[arg(long = "nats", value_name = "URL", value_delimiter = ',')]
    servers: Vec<String>,
    /// The first part of every subject; the same in the whole cluster [env: SOCKETIO_PREFIX] [default: sio]
    #[arg(long)]
    prefix: Option<String>,
    /// Log in with a credentials file (a JWT and its seed) [env: SOCKETIO_NATS_CREDS]
    #[arg(long = "nats-creds", value_name = "FILE")]
    creds: Option<PathBuf>,
    /// Log in with the seed of an nkey [env: SOCKETIO_NATS_NKEY]
    #[arg(long = "nats-nkey", value_name = "FILE")]
    nkey: Option<PathBuf>,
    /// Log in with a token [env: SOCKETIO_NATS_TOKEN_FILE; SOCKETIO_NATS_TOKEN has the token itself]
    #[arg(long = "nats-token-file", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Log in as this user [env: SOCKETIO_NATS_USER]
    #[arg(long = "nats-user", value_name = "NAME")]
    user: Option<String>,
    /// The user's password [env: SOCKETIO_NATS_PASSWORD_FILE; SOCKETIO_NATS_PASSWORD has the password itself]
    #[arg(long = "nats-password-file", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) that the server's may be signed by, instead of the system's [env: SOCKETIO_NATS_CA]
    #[arg(long = "nats-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate (PEM) to show to the server [env: SOCKETIO_NATS_CERT]
    #[arg(long = "nats-cert", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key (PEM) of that certificate [env: SOCKETIO_NATS_KEY]
    #[arg(long = "nats-key", value_name = "FILE")]
    key: Option<PathBuf>,
}

impl NatsArgs {
    /// What the flags say, over the environment and the file.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        let mut add = |name, path, value: Option<Value>| {
            flags.extend(value.map(|value| Flag { name, path, value }));
        };
        let file = |file: &Option<PathBuf>| Some(Value::String(file.as_ref()?.display().to_string()));
        let secret = |path: &Option<PathBuf>| {
            let place = Table::from_iter([("file".to_owned(), file(path)?)]);
            Some(Value::Table(place))
        };
        let servers: Vec<_> = self.servers.iter().cloned().map(Value::String).collect();
        let servers = Some(servers).filter(|servers| !servers.is_empty()).map(Value::Array);
        add("--nats", ["nats", "servers"], servers);
        add("--prefix", ["cluster", "prefix"], self.prefix.clone().map(Value::String));
        add("--nats-creds", ["nats", "creds"], file(&self.creds));
        add("--nats-nkey", ["nats", "nkey"], file(&self.nkey));
        add("--nats-token-file", ["nats", "token"], secret(&self.token_file));
        add("--nats-user", ["nats", "user"], self.user.clone().map(Value::String));
        add("--nats-password-file", ["nats", "password"], secret(&self.password_file));
        add("--nats-ca", ["nats", "ca"], file(&self.ca));
        add("--nats-cert", ["nats", "cert"], file(&self.cert));
        add("--nats-key", ["nats", "key"], file(&self.key));
        flags
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

    fn flags(words: &str) -> Vec<String> {
        let words = std::iter::once("x").chain(words.split_whitespace());
        let flags = Line::parse_from(words).nats.flags();
        flags.into_iter().map(|flag| format!("{}.{} = {}", flag.path[0], flag.path[1], flag.value)).collect()
    }

    #[test]
    fn servers_are_repeated_or_separated() {
        assert_eq!(
            flags("--nats nats://a,nats://b --nats c --prefix p"),
            [r#"nats.servers = ["nats://a", "nats://b", "c"]"#, r#"cluster.prefix = "p""#]
        );
        assert!(flags("").is_empty());
    }

    #[test]
    fn secrets_stay_where_they_are() {
        assert_eq!(
            flags("--nats-token-file t --nats-user u --nats-password-file p --nats-key k"),
            [
                r#"nats.token = { file = "t" }"#,
                r#"nats.user = "u""#,
                r#"nats.password = { file = "p" }"#,
                r#"nats.key = "k""#
            ]
        );
    }
}

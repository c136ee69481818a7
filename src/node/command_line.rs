//! The command line. Options can be environment variables too; a flag wins.

use std::net::{AddrParseError, IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::ask::Ask;
use super::nats::NatsArgs;

/// A Socket.IO server. Without any option: a node with a demo on http://127.0.0.1:3000.
///
/// With --nats it is a node of a cluster; the other commands are for such a cluster.
/// RUST_LOG filters the log (default: info), for instance RUST_LOG=warn,actix_socketio=debug.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 done, 1 failed or refused, 2 wrong options, 3 done but not confirmed by some nodes."
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

/// What to do instead of being a node.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Be a node: what happens without any command, too
    Serve(Box<Serve>),
    #[command(flatten)]
    Ask(Box<Ask>),
}

/// The options of a node.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The address to listen on; `localhost` is 127.0.0.1.
    #[arg(long, env = "SOCKETIO_HOST", default_value = "127.0.0.1", value_parser = host)]
    pub(super) host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "SOCKETIO_PORT", default_value_t = 3000)]
    pub(super) port: u16,
    /// Worker threads [default: one per core]
    #[arg(long, env = "SOCKETIO_WORKERS")]
    pub(super) workers: Option<NonZeroUsize>,
    /// The folder of the npm package socket.io-client, whose bundles are served under /socket.io/
    /// [default: node_modules/socket.io-client, if there]
    #[arg(long, env = "SOCKETIO_CLIENT_DIR", value_name = "FOLDER")]
    pub(super) client_dir: Option<PathBuf>,
    /// Serve the demo on other addresses than loopback too: it lets everybody in.
    #[arg(long)]
    pub(super) demo: bool,
    /// What people call this node in the cluster [default: the host name]
    #[arg(long, env = "SOCKETIO_NAME", requires = "nats")]
    pub(super) name: Option<String>,
    /// Have workers on NATS handle this event of this namespace (PROTOCOL.md); repeatable
    #[arg(long, num_args = 2, value_names = ["NAMESPACE", "EVENT"], requires = "nats")]
    pub(super) worker_event: Vec<String>,
    /// How many seconds a worker may take to answer
    #[arg(
        long,
        env = "SOCKETIO_WORKER_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub(super) worker_timeout: u64,
    #[command(flatten)]
    pub(super) nats: NatsArgs,
}

impl Serve {
    /// The events for workers, each with its namespace.
    pub(super) fn worker_events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.worker_event.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1]))
    }
}

fn host(text: &str) -> Result<IpAddr, AddrParseError> {
    if text == "localhost" { Ok(Ipv4Addr::LOCALHOST.into()) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_defaults_are_a_node_on_loopback() {
        let line = CommandLine::parse_from(["actix-socketio"]).serve;
        assert!(line.host.is_loopback());
        assert_eq!((line.port, line.workers, line.client_dir, line.demo), (3000, None, None, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [["--host", "not an address"], ["--port", "65536"], ["--workers", "0"]] {
            let line = CommandLine::try_parse_from(["actix-socketio"].iter().chain(&bad));
            assert!(line.is_err(), "{bad:?}");
        }
        let line = CommandLine::parse_from(["actix-socketio", "--host", "localhost", "--port", "0"]).serve;
        assert_eq!((line.host, line.port), (Ipv4Addr::LOCALHOST.into(), 0));
    }

    #[test]
    fn the_readme_has_the_options_of_a_cluster() {
        let readme = include_str!("../../README.md");
        for argument in CommandLine::command().get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            if !(long.starts_with("nats") || ["prefix", "name", "worker-event"].contains(&long)) {
                continue;
            }
            assert!(readme.contains(&format!("--{long}")), "{long}");
            let variable = argument.get_env().map(|variable| variable.to_string_lossy());
            assert!(variable.is_none_or(|variable| readme.contains(&format!("`{variable}`"))), "{long}");
        }
    }

    #[test]
    fn events_for_workers_have_a_namespace() {
        let words = ["x", "--nats", "a", "--worker-event", "/", "one", "--worker-event", "/chat", "two"];
        let line = CommandLine::parse_from(words).serve;
        let events: Vec<_> = line.worker_events().collect();
        assert_eq!(events, [("/", "one"), ("/chat", "two")]);
    }

    #[test]
    fn other_commands_have_their_own_options() {
        let parse = |words: &str| {
            CommandLine::try_parse_from(std::iter::once("actix-socketio").chain(words.split_whitespace()))
        };
        for good in [
            "serve --port 0 --nats a --name b",
            "--nats a --worker-event / x --worker-event /y z",
            "emit --nats a e",
            "emit --nats a --room r --room s --except t --volatile e 1 -2 [3]",
            "join --room r a b",
            "leave a",
            "disconnect --room r --close",
            "disconnect --all",
            "close-room r",
            "nodes --json --timeout 1",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
        for bad in [
            "--port 0 emit e",
            "--name n",
            "--worker-event / x",
            "--nats a --worker-event /",
            "emit",
            "emit e hello",
            "emit --port 0 e",
            "join --room r",
            "disconnect",
            "disconnect --all --room r",
            "close-room",
            "nodes --timeout 0",
            "dance",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

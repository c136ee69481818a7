//! The command line: what to do, and flags that win over everything else that configures a node.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use toml::{Table, Value};

use super::ask::Ask;
use super::config::{Flag, parse_host};
use super::healthcheck::Healthcheck;
use super::nats::NatsArgs;

/// A Socket.IO server. Without any option: a node with a demo on http://127.0.0.1:3000.
///
/// With --nats it is a node of a cluster; emit, join, leave, disconnect, close-room and nodes are for such a cluster.
/// Everything else is configured by a file (--config) or by the environment: print-config shows it all.
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
    /// Say what is wrong with a configuration
    CheckConfig {
        /// The file [env: SOCKETIO_CONFIG] [default: none, the environment alone]
        file: Option<PathBuf>,
        /// The same, as other commands take it
        #[arg(long = "config", value_name = "FILE", conflicts_with = "file")]
        option: Option<PathBuf>,
    },
    /// Print the configuration that is in force, as a file with comments
    PrintConfig(ConfigFile),
    /// Ask the node of this machine whether it is ready: exit code 0 if it is, 1 if not
    Healthcheck(Healthcheck),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    #[command(flatten)]
    Ask(Box<Ask>),
}

/// The file that configures a node.
#[derive(Args, Clone, Debug)]
pub(super) struct ConfigFile {
    /// The configuration file [default: none]
    #[arg(long, env = "SOCKETIO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// Its name. A variable that is empty names none.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.config.clone().filter(|file| !file.as_os_str().is_empty())
    }
}

/// The options of a node. What is not given here, the environment or the file may say.
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// The address to listen on; `localhost` is 127.0.0.1 [env: SOCKETIO_HOST] [default: 127.0.0.1]
    #[arg(long, value_parser = host)]
    host: Option<IpAddr>,
    /// The port to listen on; 0 takes a free one [env: SOCKETIO_PORT] [default: 3000]
    #[arg(long)]
    port: Option<u16>,
    /// Worker threads [env: SOCKETIO_WORKERS] [default: one per core]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// The folder of the npm package socket.io-client, whose bundles are served under /socket.io/
    /// [env: SOCKETIO_CLIENT_DIR] [default: node_modules/socket.io-client, if there]
    #[arg(long, value_name = "FOLDER")]
    client_dir: Option<PathBuf>,
    /// Serve the demo, also on other addresses than loopback or with a configuration: it lets everybody in
    #[arg(long)]
    demo: bool,
    /// What people call this node in the cluster [env: SOCKETIO_NAME] [default: the host name]
    #[arg(long)]
    name: Option<String>,
    /// Have workers on NATS handle this event of this namespace (PROTOCOL.md); repeatable
    #[arg(long, num_args = 2, value_names = ["NAMESPACE", "EVENT"])]
    worker_event: Vec<String>,
    /// How many seconds a worker may take to answer [env: SOCKETIO_WORKER_TIMEOUT] [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    worker_timeout: Option<u64>,
    /// The port of the HTTP API; 0 takes a free one [env: SOCKETIO_API_PORT] [default: none, it is not served]
    #[arg(long, value_name = "PORT")]
    api_port: Option<u16>,
    /// The address of the HTTP API; any other than loopback needs a key [env: SOCKETIO_API_HOST] [default: 127.0.0.1]
    #[arg(long, value_name = "HOST", value_parser = host)]
    api_host: Option<IpAddr>,
    #[command(flatten)]
    nats: NatsArgs,
}

impl Serve {
    /// What the flags say, over the environment and the file.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let mut flags = self.nats.flags();
        let mut add = |name, path, value: Option<Value>| {
            flags.extend(value.map(|value| Flag { name, path, value }));
        };
        let text = |value: String| Value::String(value);
        add("--host", ["server", "host"], self.host.map(|host| text(host.to_string())));
        add("--port", ["server", "port"], self.port.map(|port| Value::Integer(port.into())));
        // More than fit into an i64 are no threads.
        let workers =
            self.workers.map(|count| Value::Integer(i64::try_from(count.get()).unwrap_or(i64::MAX)));
        add("--workers", ["server", "workers"], workers);
        let folder = self.client_dir.as_ref().map(|folder| text(folder.display().to_string()));
        add("--client-dir", ["server", "client_dir"], folder);
        add("--demo", ["server", "demo"], self.demo.then_some(Value::Boolean(true)));
        add("--name", ["cluster", "name"], self.name.clone().map(text));
        let events = self.worker_event.chunks_exact(2).map(|pair| {
            let [namespace, event] = [0, 1].map(|index| Value::String(pair[index].clone()));
            Value::Table(Table::from_iter([("namespace".to_owned(), namespace), ("event".to_owned(), event)]))
        });
        let events: Vec<_> = events.collect();
        add(
            "--worker-event",
            ["workers", "events"],
            Some(events).filter(|list| !list.is_empty()).map(Value::Array),
        );
        let timeout = self.worker_timeout.map(|seconds| text(format!("{seconds}s")));
        add("--worker-timeout", ["workers", "timeout"], timeout);
        add("--api-port", ["api", "port"], self.api_port.map(|port| Value::Integer(port.into())));
        add("--api-host", ["api", "host"], self.api_host.map(|host| text(host.to_string())));
        flags
    }
}

fn host(text: &str) -> Result<IpAddr, &'static str> {
    parse_host(text).ok_or("neither an IP address nor localhost")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::config::Config;
    use super::*;

    fn configured(words: &str) -> Serve {
        CommandLine::parse_from(std::iter::once("actix-socketio").chain(words.split_whitespace())).serve
    }

    #[test]
    fn the_defaults_are_a_node_on_loopback() {
        assert!(configured("").flags().is_empty());
        let server = Config::default().server;
        assert!(server.host.is_loopback());
        assert_eq!((server.port, server.workers, server.client_dir, server.demo), (3000, None, None, None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [["--host", "not an address"], ["--port", "65536"], ["--workers", "0"]] {
            let line = CommandLine::try_parse_from(["actix-socketio"].iter().chain(&bad));
            assert!(line.is_err(), "{bad:?}");
        }
        let flags = configured("--host localhost --port 0").flags();
        let values: Vec<_> = flags.iter().map(|flag| (flag.path, flag.value.to_string())).collect();
        assert_eq!(
            values,
            [(["server", "host"], "\"127.0.0.1\"".to_owned()), (["server", "port"], "0".to_owned())]
        );
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
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let variable = help.split_once("[env: ").and_then(|(_, rest)| rest.split([']', ';', ' ']).next());
            assert!(variable.is_none_or(|variable| readme.contains(&format!("`{variable}`"))), "{long}");
        }
    }

    #[test]
    fn events_for_workers_have_a_namespace() {
        let flags = configured("--worker-event / one --worker-event /chat two --worker-timeout 7").flags();
        let values: Vec<_> = flags.iter().map(|flag| flag.value.to_string()).collect();
        assert_eq!(
            values[0],
            "[{ event = \"one\", namespace = \"/\" }, { event = \"two\", namespace = \"/chat\" }]"
        );
        assert_eq!(values[1], "\"7s\"");
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
            "nodes --config f",
            "serve --config f --port 1",
            "check-config",
            "check-config f",
            "check-config --config f",
            "print-config --config f",
            "completions zsh",
            "healthcheck --config f --live --timeout 1",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
        for bad in [
            "--port 0 emit e",
            "check-config a b",
            "check-config a --config b",
            "completions tcsh",
            "--nats a --worker-event /",
            "emit",
            "emit e hello",
            "emit --port 0 e",
            "join --room r",
            "disconnect",
            "disconnect --all --room r",
            "close-room",
            "nodes --timeout 0",
            "healthcheck --timeout 0",
            "dance",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

//! The command line. Every option can be an environment variable too; a flag wins.

use std::net::{AddrParseError, IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;

/// A Socket.IO server. Without any option: a node with a demo on http://127.0.0.1:3000.
///
/// RUST_LOG filters the log (default: info), for instance RUST_LOG=warn,actix_socketio=debug.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct CommandLine {
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
}

fn host(text: &str) -> Result<IpAddr, AddrParseError> {
    if text == "localhost" { Ok(Ipv4Addr::LOCALHOST.into()) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_a_node_on_loopback() {
        let line = CommandLine::parse_from(["actix-socketio"]);
        assert!(line.host.is_loopback());
        assert_eq!((line.port, line.workers, line.client_dir, line.demo), (3000, None, None, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [["--host", "not an address"], ["--port", "65536"], ["--workers", "0"]] {
            let line = CommandLine::try_parse_from(["actix-socketio"].iter().chain(&bad));
            assert!(line.is_err(), "{bad:?}");
        }
        let line = CommandLine::parse_from(["actix-socketio", "--host", "localhost", "--port", "0"]);
        assert_eq!((line.host, line.port), (Ipv4Addr::LOCALHOST.into(), 0));
    }
}

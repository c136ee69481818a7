//! `healthcheck`: asks the node of this machine how it is, for whoever restarts containers or waits for them.
//!
//! It finds the internal listener by the configuration, as the node did.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::command_line::ConfigFile;
use super::config::{self, Problems};

/// More than that a node does not say of itself.
const MOST_BYTES: usize = 4096;

/// Which question, to which node.
#[derive(Args, Debug)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    file: ConfigFile,
    /// Ask whether it lives, not whether clients may be sent to it
    #[arg(long)]
    live: bool,
    /// How many seconds it may take to answer
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

/// Why the answer is no.
#[derive(Debug, thiserror::Error)]
pub(super) enum HealthError {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error("no port to ask at: api.port names the one of the internal listener")]
    NoPort,
    #[error("{url}: {error}")]
    Away { url: String, error: String },
    #[error("{url}: status {status}{detail}")]
    Refused { url: String, status: u16, detail: String },
}

impl Healthcheck {
    /// Asks.
    pub(super) async fn run(&self) -> Result<ExitCode, HealthError> {
        let address = address(self.file.path().as_deref())?;
        let url = format!("http://{address}/{}", if self.live { "healthz" } else { "readyz" });
        let away = |error: String| HealthError::Away { url: url.clone(), error };
        let client =
            awc::Client::builder().disable_redirects().timeout(Duration::from_secs(self.timeout)).finish();
        let mut answer = client.get(&url).send().await.map_err(|error| away(error.to_string()))?;
        let body = answer.body().limit(MOST_BYTES).await.map_err(|error| away(error.to_string()))?;
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let word = |key: &str| said.get(key).and_then(|word| word.as_str()).unwrap_or_default();
        if answer.status().is_success() {
            println!("{}", word("status"));
            return Ok(ExitCode::SUCCESS);
        }
        let detail = word("detail");
        let detail = if detail.is_empty() { String::new() } else { format!(", {detail}") };
        Err(HealthError::Refused { url: url.clone(), status: answer.status().as_u16(), detail })
    }
}

/// Where the internal listener is, as seen from the same machine.
fn address(file: Option<&Path>) -> Result<SocketAddr, HealthError> {
    let config = config::load(file, &[])?.config;
    let address = config.api.address().filter(|address| address.port() != 0).ok_or(HealthError::NoPort)?;
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    Ok(SocketAddr::new(host, address.port()))
}

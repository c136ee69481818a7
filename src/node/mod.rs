//! The service behind the binary: command line, configuration, logs, and what a node serves.
//!
//! Everything here is an application of the library: it must never use anything that is not public.

mod admin;
mod api;
mod ask;
mod auth;
mod command_line;
mod config;
mod demo;
mod drain;
mod healthcheck;
mod limits;
mod logs;
mod metrics;
mod namespaces;
mod nats;
mod origin;
mod permissions;
mod presence;
mod process;
mod reload;
mod serve;
mod signals;
mod systemd;
mod telemetry;
mod tls;
mod warning;
mod webhooks;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use self::ask::AskError;
use self::command_line::{Command, CommandLine};
use self::config::Problems;
use self::healthcheck::HealthError;
use self::reload::Reload;
use self::serve::ServeError;

/// Of a command that only asks: what it has to say is its output.
const DEFAULT_ASK_LOG: &str = "error,async_nats=off";

/// Why a command ends before it has done what it should.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Runs the node until it is told to stop, or whatever else the command line says.
pub(crate) fn main() -> ExitCode {
    let CommandLine { command, serve: node } = CommandLine::parse();
    match run(command.unwrap_or_else(|| Command::Serve(Box::new(node)))) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, NodeError> {
    match command {
        Command::Serve(options) => {
            let listener = systemd::listener().map_err(ServeError::Inherited)?;
            let (file, flags) = (options.file.path(), options.flags());
            let loaded = config::load(file.as_deref(), &flags)?;
            let set_filter = logs::begin(&loaded.config.log);
            let reload = Reload::new(file, flags, &loaded.config);
            for (name, nearest) in config::unknown_variables() {
                let nearest = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
                tracing::warn!("the environment has {name}, which is no option{nearest}");
            }
            Ok(actix_web::rt::System::new().block_on(async {
                actix_web::rt::spawn(logs::follow(set_filter, reload.subscribe()));
                serve::serve(loaded, listener, &reload).await
            })?)
        }
        Command::CheckConfig { file, option } => {
            let file = file.or(option).or_else(|| std::env::var_os("SOCKETIO_CONFIG").map(Into::into));
            config::load(file.as_deref(), &[])?;
            let name = file.as_deref().map_or("the environment".into(), Path::to_string_lossy);
            writeln!(io::stdout(), "{name} is valid")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::PrintConfig(file) => {
            let config = config::load(file.path().as_deref(), &[])?.config;
            write!(io::stdout(), "{}", config.to_toml())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut command = CommandLine::command();
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command, name, &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Healthcheck(question) => {
            Ok(actix_web::rt::System::new().block_on(async move { question.run().await })?)
        }
        Command::Ask(question) => {
            let filter = EnvFilter::try_from_default_env();
            logs::begin_quietly(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_ASK_LOG)));
            Ok(actix_web::rt::System::new().block_on(ask::ask(*question))?)
        }
    }
}

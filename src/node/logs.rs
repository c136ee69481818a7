//! What a node writes to stderr: text or JSON, as the filter says that is in force.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Stderr};
use std::sync::Arc;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format};

use super::config::{Config, Log, LogFormat};

/// Replaces the filter.
pub(super) type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String>>;

/// Begins to log.
pub(super) fn begin(log: &Log) -> SetFilter {
    let logs = subscriber(EnvFilter::new(&log.filter));
    match log.format {
        LogFormat::Text => {
            let logs = logs.with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Box::new(move |filter| handle.reload(filter).map_err(text))
        }
        LogFormat::Json => {
            let logs = logs.json().flatten_event(true).with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Box::new(move |filter| handle.reload(filter).map_err(text))
        }
    }
}

/// Begins to log as somebody does who only asks.
pub(super) fn begin_quietly(filter: EnvFilter) {
    subscriber(filter).init();
}

/// Writes to stderr, in colours if that is a terminal and NO_COLOR is unset.
fn subscriber(filter: EnvFilter) -> SubscriberBuilder<DefaultFields, Format, EnvFilter, fn() -> Stderr> {
    let is_colourful =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_colourful);
    // Said on stderr, which is what cannot be written: saying it would panic.
    let logs = logs.log_internal_errors(false);
    logs.with_writer(io::stderr as fn() -> Stderr)
}

/// Follows the filter of the configuration.
pub(super) async fn follow(set: SetFilter, mut config: watch::Receiver<Arc<Config>>) {
    while config.changed().await.is_ok() {
        let filter = config.borrow_and_update().log.filter.clone();
        if let Err(error) = set(EnvFilter::new(filter)) {
            tracing::error!(%error, "the filter of the log stays what it was");
        }
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

//! What the process tells of itself, by the names that Prometheus has for it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Sheet, Source};
use crate::node::process;

/// See the module's documentation.
pub(super) struct System {
    started: f64,
}

impl System {
    /// Of a node that starts now.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: now.as_secs_f64() }
    }
}

impl Source for System {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let version = [([env!("CARGO_PKG_VERSION")], 1_u64)];
        sheet.gauge("socketio_build_info", "1, for the version that runs", ["version"], version)?;
        let started = [([], self.started)];
        sheet.gauge(
            "process_start_time_seconds",
            "When the node started, in seconds since 1970",
            [],
            started,
        )?;
        let memory = process::resident().map(|bytes| ([], bytes));
        sheet.gauge("process_resident_memory_bytes", "Resident memory", [], memory)?;
        let seconds = process::processor_seconds().map(|seconds| ([], seconds));
        sheet.counter("process_cpu_seconds", "Processor time", [], seconds)?;
        let files = process::open_files().map(|files| ([], files));
        sheet.gauge("process_open_fds", "Open files, sockets included", [], files)?;
        let most = process::max_open_files().map(|files| ([], files));
        sheet.gauge("process_max_fds", "How many files may be open", [], most)
    }
}

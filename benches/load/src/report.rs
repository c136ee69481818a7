//! The one JSON line of a run.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::latency::Latency;
use crate::meter::Measured;
use crate::options::Options;

/// What a run found, name by name.
pub(crate) struct Report(Map<String, Value>);

/// What must not happen.
const FAULTS: [&str; 4] = ["missing", "duplicates", "out_of_order", "wrong"];

impl Report {
    pub(crate) fn new(options: &Options) -> Report {
        let mut report = Report(Map::new());
        report.text("mode", &options.mode);
        report.count("clients", options.clients as u64);
        report.count("in_flight", options.in_flight as u64);
        report
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), json!(value));
    }

    pub(crate) fn count(&mut self, name: &str, value: u64) {
        self.0.insert(name.to_owned(), json!(value));
    }

    /// Rounded to three decimals.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), json!((value * 1e3).round() / 1e3));
    }

    /// Operations, their rate, and the server's CPU time for each.
    pub(crate) fn work(&mut self, operations: u64, measured: &Measured) {
        let each = operations.max(1) as f64;
        let seconds = measured.elapsed.as_secs_f64().max(1e-9);
        self.count("operations", operations);
        self.figure("seconds", seconds);
        self.figure("per_second", operations as f64 / seconds);
        self.figure("cpu_us", measured.server.total / each);
        self.figure("user_us", measured.server.user / each);
        self.figure("broker_us", measured.broker.total / each);
        self.figure("generator_share", measured.own.total / 1e6 / seconds);
    }

    pub(crate) fn latency(&mut self, prefix: &str, latency: &Latency) {
        self.figure(&format!("{prefix}p50_us"), latency.quantile_us(0.5));
        self.figure(&format!("{prefix}p99_us"), latency.quantile_us(0.99));
        self.figure(&format!("{prefix}max_us"), latency.max_us());
    }

    pub(crate) fn faults(&mut self, missing: u64, duplicates: u64, out_of_order: u64, wrong: u64) {
        for (name, count) in FAULTS.into_iter().zip([missing, duplicates, out_of_order, wrong]) {
            self.count(name, count);
        }
    }

    /// Whether nothing went wrong, and something was done.
    pub(crate) fn is_faultless(&self) -> bool {
        let count = |name: &str| self.0.get(name).and_then(Value::as_u64);
        count("operations") != Some(0) && FAULTS.iter().all(|name| count(name).unwrap_or(0) == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_string(&self.0) {
            Ok(line) => f.write_str(&line),
            Err(_) => Err(fmt::Error),
        }
    }
}

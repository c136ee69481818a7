//! The configuration of a node: a TOML file, the environment over it, flags over both.
//!
//! [`Config`] is made of sections, one file each. Whoever needs an option reads it there; nobody else reads environment
//! variables. A configuration is checked as a whole before anything acts on it, and what is wrong with it is told at once, with
//! places.
//!
//! # A new section
//! 1. A file, here or in the module that it configures, with a plain struct: `Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize`, and
//!    `#[serde(default, deny_unknown_fields)]` with a `Default`. The doc comments of the struct and of its fields are what
//!    `print-config` and `docs/configuration.md` say; defaults are added to them by themselves. Times are [`period::Period`],
//!    bytes [`size::Size`], secrets [`secret::Secret`]; an `Option` says in its comment what "without it" means, and has
//!    `#[schemars(example = …)]`. Enums need `#[schemars(inline)]`, tables with keys of the user's (`BTreeMap<String, _>`)
//!    `#[schemars(extend("x-key" = "…"))]`, an example of a key. A text as an example is `&"…"`.
//! 2. A field of [`Config`]; and, if not every value makes sense, `fn check(&self, found: &mut Findings<'_>)`, called in
//!    [`Config::check`].
//! 3. What SIGHUP can change has a [`part`](super::reload::Reload::part) of the reload, and its keys stand in the list `LIVE` there.
//! 4. `WRITE_DOCS=1 cargo nextest run --bin actix-socketio config` writes `docs/configuration.md`.

mod cluster;
mod cookie;
mod cors;
mod engine;
mod keys;
mod log;
mod nats;
pub(crate) mod period;
mod print;
pub(crate) mod problem;
mod protocol;
mod schema;
pub(crate) mod secret;
mod server;
pub(crate) mod size;
mod sources;
#[cfg(test)]
mod tests;
mod workers;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::cluster::Cluster;
pub(crate) use self::cookie::Cookie;
pub(crate) use self::cors::Cors;
pub(crate) use self::engine::Engine;
pub(crate) use self::log::{Log, LogFormat};
pub(crate) use self::nats::Nats;
pub(crate) use self::problem::Findings;
use self::problem::Problem;
pub(crate) use self::problem::Problems;
pub(crate) use self::protocol::Protocol;
pub(crate) use self::secret::SecretError;
pub(crate) use self::server::{Server, host, parse_host};
pub(crate) use self::sources::{Flag, Sources};
pub(crate) use self::workers::Workers;
use super::admin::AdminOptions;
use super::api::ApiOptions;
use super::auth::AuthOptions;
use super::drain::Drain;
use super::limits::LimitOptions;
use super::namespaces::{self, Namespaces};
use super::permissions::PermissionOptions;
use super::telemetry::TelemetryOptions;
use super::tls::TlsOptions;
use super::webhooks::WebhookOptions;

/// More than that is not looked for.
const MOST_PROBLEMS: usize = 50;
/// Variables that are no options of the configuration.
const OTHER_VARIABLES: [&str; 2] = ["SOCKETIO_CONFIG", "SOCKETIO_NATS_INBOX"];

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(in crate::node) tls: TlsOptions,
    pub(crate) engine: Engine,
    pub(crate) protocol: Protocol,
    pub(crate) cors: Cors,
    pub(crate) cookie: Cookie,
    pub(crate) nats: Nats,
    pub(crate) cluster: Cluster,
    pub(crate) workers: Workers,
    pub(crate) auth: AuthOptions,
    pub(crate) limits: LimitOptions,
    /// What clients get without code, by the names of namespaces or patterns of them, such as "/team-{team}" (docs/clients-without-code.md).
    #[schemars(extend("x-key" = "/chat"))]
    pub(in crate::node) namespaces: Namespaces,
    /// What clients may do by themselves. SIGHUP reloads it.
    pub(in crate::node) permissions: Vec<PermissionOptions>,
    /// HTTP servers that are told what happens.
    pub(in crate::node) webhooks: Vec<WebhookOptions>,
    pub(crate) drain: Drain,
    pub(crate) api: ApiOptions,
    pub(in crate::node) admin: AdminOptions,
    pub(in crate::node) telemetry: TelemetryOptions,
    pub(crate) log: Log,
}

/// A configuration that makes sense, and where its values come from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) sources: Sources,
}

/// Reads the file, if there is one, and lays the environment and the flags over it.
pub(crate) fn load(file: Option<&Path>, flags: &[Flag]) -> Result<Loaded, Problems> {
    let sources = Sources::read(file).map_err(|problem| Problems(vec![problem]))?;
    read(sources, &|name| std::env::var(name).ok(), flags)
}

fn read(
    mut sources: Sources,
    variable: &dyn Fn(&str) -> Option<String>,
    flags: &[Flag],
) -> Result<Loaded, Problems> {
    let root = schema::root();
    sources.add_environment(&root, variable);
    sources.add_flags(flags);
    let as_given = sources.clone();
    let mut problems = keys::check(&root, &mut sources);
    let config = deserialize(&root, &mut sources, &mut problems);
    if let Some(config) = &config {
        config.check(&sources, &mut problems);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, sources: as_given }),
        _ => Err(Problems(problems)),
    }
}

/// The configuration, and what is wrong with single values: each is taken out in turn, so that the next can be found.
fn deserialize(
    root: &serde_json::Value,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    for _ in 0..MOST_PROBLEMS {
        let table = toml::Value::Table(sources.table.clone());
        let error = match serde_path_to_error::deserialize::<_, Config>(table) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let path: Vec<_> = error.path().iter().filter_map(segment).collect();
        let message = error.inner().message().trim_end().replace('\n', ", ");
        problems.push(sources.problem(&path, keys::with_nearest(root, &path, &message)));
        // What is in a list is not taken out of it: the places of its other items would be wrong.
        if !(1..=path.len()).rev().any(|length| sources.remove(&path[..length])) {
            return None;
        }
    }
    None
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<String> {
    match segment {
        serde_path_to_error::Segment::Map { key } => Some(key.clone()),
        serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
        _ => None,
    }
}

impl Config {
    /// Whether the values make sense, by themselves and together.
    fn check(&self, sources: &Sources, found: &mut Vec<Problem>) {
        self.server.check(&mut Findings::new(sources, "server", found));
        self.tls.check(&mut Findings::new(sources, "tls", found));
        self.engine.check(&mut Findings::new(sources, "engine", found));
        self.protocol.check(&mut Findings::new(sources, "protocol", found));
        self.cors.check(&mut Findings::new(sources, "cors", found));
        self.nats.check(&mut Findings::new(sources, "nats", found));
        self.cluster.check(&mut Findings::new(sources, "cluster", found));
        self.workers.check(&mut Findings::new(sources, "workers", found));
        let auth = &mut Findings::new(sources, "auth", found);
        self.auth.check(self.cors.is_any(), self.nats.is_given(), auth);
        self.limits.check(&mut Findings::new(sources, "limits", found));
        namespaces::check(&self.namespaces, &mut Findings::new(sources, "namespaces", found));
        for webhook in &self.webhooks {
            webhook.check(&mut Findings::new(sources, "webhooks", found));
        }
        self.drain.check(&mut Findings::new(sources, "drain", found));
        self.api.check(&mut Findings::new(sources, "api", found));
        self.admin.check(&mut Findings::new(sources, "admin", found));
        if self.admin.needs_listener() && !self.api.is_served() {
            let complaint = "its pages are on the internal listener, whose port is api.port, unless admin.ui_public is true";
            Findings::new(sources, "admin", found).add("ui_dir", complaint);
        }
        self.telemetry.check(&mut Findings::new(sources, "telemetry", found));
        self.log.check(&mut Findings::new(sources, "log", found));
        if !self.nats.is_given() && !self.workers.events.is_empty() {
            let complaint = "workers are on NATS: nats.servers names it";
            Findings::new(sources, "workers", found).add("events", complaint);
        }
    }

    /// The whole configuration as a commented file. It has no secrets: those stand elsewhere.
    pub(crate) fn to_toml(&self) -> String {
        // Sections are plain data with keys that are texts.
        let values = serde_json::to_value(self).unwrap_or_default();
        print::print(&schema::root(), &values)
    }
}

/// Variables that look as if they were meant for this program, but are not: each with the one that was probably meant.
pub(crate) fn unknown_variables() -> Vec<(String, Option<String>)> {
    let root = schema::root();
    let mut known: Vec<String> = OTHER_VARIABLES.map(str::to_owned).into();
    for option in schema::options(&root) {
        if schema::is_secret(option.schema) {
            known.extend(option.variables.iter().map(|name| format!("{name}_FILE")));
        }
        known.extend(option.variables);
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = names.filter(|name| name.starts_with("SOCKETIO_") && !known.contains(name));
    unknown.map(|name| (name.clone(), keys::nearest(&name, known.iter()).map(str::to_owned))).collect()
}

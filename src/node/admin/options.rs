//! `[admin]`: the admin UI.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::config::Findings;
use crate::node::config::period::Period;
use crate::node::config::secret::Secret;

/// The admin UI of Socket.IO (docs/admin-ui.md): who is connected to all nodes, and what can be done about it. The same on all nodes:
/// each lets admins in, and shows them all of the others that have it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct AdminOptions {
    /// Whether there is one.
    pub(in crate::node) enabled: bool,
    /// The namespace that it connects to.
    pub(super) namespace: String,
    /// The name to log in with.
    pub(super) username: String,
    /// The bcrypt hash ($2a$, $2b$ or $2y$) of the password. The same on all nodes: a session of one is good for all of them.
    pub(super) password: Option<Secret>,
    /// What it shows.
    pub(super) mode: AdminMode,
    /// Whether it only shows, and refuses to do anything.
    pub(super) read_only: bool,
    /// What this node is called there. Without it: its name, and its id if another node has the same name.
    #[schemars(example = &"node-1")]
    pub(super) server_id: Option<String>,
    /// How long a session lasts, before the password is needed again.
    pub(super) session: Period,
    /// How many events of clients this node shows in a second, in mode development. What is more is left out.
    pub(super) max_events: u32,
    /// How many sockets of the cluster are listed, in mode development. What is more is only counted. The pages of the UI take the
    /// longer for each the more they have: with thousands a browser is busy for minutes.
    pub(super) max_sockets: usize,
    /// The folder of the npm package @socket.io/admin-ui, whose pages are served under /admin/. Without it: none are, and those of
    /// another server can be used.
    #[schemars(example = &"node_modules/@socket.io/admin-ui")]
    pub(super) ui_dir: Option<PathBuf>,
    /// Whether those pages are served to clients, too, not only on the internal listener ([api]).
    pub(super) ui_public: bool,
}

/// What the admin UI shows.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::node) enum AdminMode {
    /// Nodes, namespaces and sums.
    #[default]
    Production,
    /// Every socket and room, and events, too.
    Development,
}

impl Default for AdminOptions {
    fn default() -> Self {
        Self {
            enabled: false,
            namespace: "/admin".to_owned(),
            username: "admin".to_owned(),
            password: None,
            mode: AdminMode::Production,
            read_only: false,
            server_id: None,
            session: Period::seconds(24 * 3600),
            max_events: 100,
            max_sockets: 1000,
            ui_dir: None,
            ui_public: false,
        }
    }
}

impl AdminOptions {
    /// The namespace that is for admins only, if there is one.
    pub(in crate::node) fn namespace(&self) -> Option<&str> {
        self.enabled.then_some(&*self.namespace)
    }

    pub(in crate::node) fn check(&self, found: &mut Findings<'_>) {
        if !self.enabled {
            return;
        }
        if !self.namespace.starts_with('/') || self.namespace.len() < 2 || self.namespace.contains('{') {
            found.add("namespace", "a name with a slash before it, and no pattern");
        }
        if self.password.is_none() {
            found.add("password", "nobody is let in without a password: the place of its bcrypt hash");
        }
        if self.server_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 255) {
            found.add("server_id", "the name of a node has 1 to 255 bytes");
        }
        found.is_not_zero("session", self.session.is_zero());
        found.is_not_zero("max_sockets", self.max_sockets == 0);
    }

    /// Whether it has pages that only the internal listener serves.
    pub(in crate::node) fn needs_listener(&self) -> bool {
        self.enabled && self.ui_dir.is_some() && !self.ui_public
    }

    /// Whether whoever looks need not be told of the difference.
    pub(super) fn shows_the_same(&self, other: &Self) -> bool {
        self.mode == other.mode && self.read_only == other.read_only
    }

    /// Whether sockets and events are shown.
    pub(super) fn shows_sockets(&self) -> bool {
        self.mode == AdminMode::Development
    }
}

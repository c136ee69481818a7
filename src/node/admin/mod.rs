//! The admin UI: who is connected to all nodes, shown to browsers that have logged in, and commands of theirs.
//!
//! It speaks the protocol of the npm package @socket.io/admin-ui in a namespace of its own. While no admin is connected to any node
//! nothing of this runs: a node whose first admin comes tells the others, and goes on telling them ([`Watch`]); then each of them
//! has a [`Feed`] that emits to the admins of all nodes. What is done by admins is done by the public handle ([`commands`]).

mod attempts;
mod commands;
mod feed;
mod files;
mod listing;
mod login;
mod options;
mod record;
mod sessions;
mod stats;
mod tap;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use actix_socketio::{DisconnectReason, Namespace, Refusal, ServerSideEvent, Socket, SocketIo, TryData};
use arc_swap::ArcSwap;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use self::feed::{Feed, Page, PageAnswer, PageRequest};
pub(in crate::node) use self::files::Files;
use self::listing::Listings;
use self::login::{Credentials, Known, Login, NewSession};
pub(in crate::node) use self::options::AdminOptions;
use self::watch::Watch;
use super::config::SecretError;
use super::reload::Reload;

/// To the other nodes: somebody looks.
const LOOK: &str = "admin:look";
/// To the other nodes, which answer with a [`PageAnswer`]: they are to emit some of their sockets.
const PAGE: &str = "admin:page";
/// To the other nodes: what was emitted was too much, so that sockets have to be listed again.
const STALE: &str = "admin:stale";

/// Why there is no admin UI.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum AdminError {
    #[error("admin.password: {0}")]
    Secret(#[from] SecretError),
    #[error("admin.password is no bcrypt hash ($2a$, $2b$ or $2y$) with a cost of 4 to 16")]
    Hash,
    #[error("admin.ui_dir: {} has no index.html, nor has its folder ui/dist", .0.display())]
    NoFiles(PathBuf),
    #[error("admin.ui_dir: {}: {source}", .folder.display())]
    Files { folder: PathBuf, source: std::io::Error },
    #[error("admin.ui_dir: {} has more than {most} bytes", .folder.display())]
    ManyFiles { folder: PathBuf, most: usize },
}

/// What the parts of it have in common.
struct Admin {
    io: SocketIo,
    namespace: Namespace,
    /// Those in force.
    options: ArcSwap<AdminOptions>,
    /// To this node's feed: there are others.
    changed: Notify,
    watch: Watch,
    /// To this node's feed.
    pages: mpsc::Sender<PageRequest>,
    listings: Listings,
}

/// Lets admins in from now on, if that is configured. On the node's main thread. Returns the pages that are to be served.
pub(in crate::node) fn start(
    io: &SocketIo,
    options: &AdminOptions,
    reload: &Reload,
) -> Result<Option<Files>, AdminError> {
    if !options.enabled {
        return Ok(None);
    }
    let login = Arc::new(Login::new(Known::read(options)?));
    let files = options.ui_dir.as_deref().map(|folder| Files::read(folder, options.ui_public)).transpose()?;
    let (pages, requests) = mpsc::channel(feed::MAX_REQUESTS);
    let admin = Arc::new(Admin {
        io: io.clone(),
        namespace: io.of(&options.namespace),
        options: ArcSwap::from_pointee(options.clone()),
        changed: Notify::new(),
        watch: Watch::default(),
        pages,
        listings: Listings::default(),
    });
    actix_web::rt::spawn(Feed::new(admin.clone(), requests).run());
    listen_to_nodes(&admin);
    follow(&admin, &login, reload);
    let namespace =
        admin.namespace.clone().middleware(move |socket: Socket, TryData(given): TryData<Credentials>| {
            let login = login.clone();
            async move { login.admit(&socket, given.ok()).await }
        });
    let this = admin.clone();
    let namespace = namespace.on_connect(move |socket: Socket| {
        let this = this.clone();
        async move { this.connected(socket).await }
    });
    let this = admin.clone();
    let namespace = namespace.on_disconnect(move || {
        this.watch.went();
        std::future::ready(())
    });
    let this = admin.clone();
    namespace.guard(move || {
        let is_read_only = this.options.load().read_only;
        std::future::ready(if is_read_only { Err(Refusal::new("read-only")) } else { Ok(()) })
    });
    commands::register(&admin);
    Ok(files)
}

/// Takes over another configuration when there is one. Admins who are connected come back by themselves: they are asked for their session
/// again, and told anew what there is.
fn follow(admin: &Arc<Admin>, login: &Arc<Login>, reload: &Reload) {
    let (admin, login) = (admin.clone(), login.clone());
    reload.part(move |config| {
        let options = &config.admin;
        if !options.enabled {
            // Turned off by a restart.
            return Ok(Box::new(|| {}));
        }
        let (known, options) = (Known::read(options)?, options.clone());
        let (admin, login) = (admin.clone(), login.clone());
        Ok(Box::new(move || {
            let is_other_login = login.replace(known);
            let before = admin.options.swap(Arc::new(options.clone()));
            if *before != options {
                admin.changed.notify_one();
            }
            if is_other_login || !before.shows_the_same(&options) {
                actix_web::rt::spawn(async move { admin.come_back().await });
            }
        }))
    });
}

/// What other nodes ask of this one.
fn listen_to_nodes(admin: &Arc<Admin>) {
    let this = admin.clone();
    let namespace = admin.namespace.clone().on_server_side_emit(LOOK, move |_: ServerSideEvent| {
        this.watch.renew();
        std::future::ready(())
    });
    let this = admin.clone();
    let namespace = namespace.on_server_side_emit(PAGE, move |event: ServerSideEvent| {
        let this = this.clone();
        async move {
            let Ok(page) = event.data::<Page>() else { return PageAnswer::default() };
            this.watch.renew();
            this.page(page, false).await
        }
    });
    let this = admin.clone();
    namespace.on_server_side_emit(STALE, move |_: ServerSideEvent| {
        let this = this.clone();
        async move { this.list_again().await }
    });
}

impl Admin {
    async fn connected(self: Arc<Self>, socket: Socket) {
        self.watch.came();
        if let Some(NewSession(session)) = socket.data().remove::<NewSession>() {
            // Whoever has left needs neither.
            let _ = socket.emit("session", &session).await;
        }
        let _ = socket.emit("config", &json!({ "supportedFeatures": self.features() })).await;
        self.look().await;
        if self.options.load().shows_sockets() {
            self.list(socket);
        }
    }

    /// What the UI offers.
    fn features(&self) -> Vec<&'static str> {
        let options = self.options.load();
        let mut features = vec!["AGGREGATED_EVENTS"];
        if !options.read_only {
            features.extend(["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"]);
        }
        if options.shows_sockets() {
            features.push("ALL_EVENTS");
        }
        features
    }

    /// Ends the connections of this node's admins, whose pages connect again.
    async fn come_back(&self) {
        for socket in self.namespace.sockets_here().await {
            tracing::info!(
                sid = socket.id(),
                "the configuration of the admin UI has changed: an admin has to come back"
            );
            socket.connection().close(DisconnectReason::ForcedServerClose);
        }
    }

    /// Tells the other nodes that somebody looks.
    async fn look(&self) {
        if let Err(error) = self.namespace.server_side_emit(LOOK, &()).await {
            tracing::debug!(%error, "other nodes are not told of an admin");
        }
    }

    /// Has this node's feed emit some of its sockets to an admin.
    async fn page(&self, page: Page, is_new_list: bool) -> PageAnswer {
        let (answer, answered) = tokio::sync::oneshot::channel();
        if self.pages.send(PageRequest { page, is_new_list, answer }).await.is_err() {
            return PageAnswer::default();
        }
        answered.await.unwrap_or_default()
    }
}

//! Who is let in: whoever knows the password, or has a session of any node.

use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_socketio::{Refusal, Socket};
use arc_swap::ArcSwap;
use bcrypt::HashParts;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::AdminError;
use super::attempts::Attempts;
use super::options::AdminOptions;
use super::sessions::Sessions;
use crate::node::config::SecretError;
use crate::node::limits::client_address;
use crate::node::warning::Warning;

/// Passwords that are compared at the same time: each takes a core for a while.
const AT_ONCE: usize = 2;
/// A hash of a higher cost takes more than some seconds.
const MAX_COST: u32 = 16;

/// What the UI sends to be let in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Credentials {
    username: Option<String>,
    password: Option<String>,
    session_id: Option<String>,
}

/// A session that the browser has yet to be told.
#[derive(Clone)]
pub(super) struct NewSession(pub(super) String);

/// What is compared with.
pub(super) struct Known {
    username: String,
    hash: Arc<str>,
    sessions: Sessions,
    lasts: Duration,
}

impl Known {
    /// Reads the password's hash. Blocks for as long as that takes.
    pub(super) fn read(options: &AdminOptions) -> Result<Self, AdminError> {
        let Some(secret) = &options.password else {
            return Err(SecretError::Empty("admin.password".to_owned()).into());
        };
        let hash = secret.read()?;
        match HashParts::from_str(&hash) {
            Ok(parts) if parts.get_cost() <= MAX_COST => {}
            _ => return Err(AdminError::Hash),
        }
        Ok(Self {
            sessions: Sessions::new(&options.username, &hash),
            username: options.username.clone(),
            hash: hash.into(),
            lasts: options.session.into(),
        })
    }

    /// Whether it lets in others than that one.
    fn differs_from(&self, other: &Self) -> bool {
        self.username != other.username || self.hash != other.hash
    }
}

/// See the module's documentation.
pub(super) struct Login {
    known: ArcSwap<Known>,
    attempts: Attempts,
    comparing: Arc<Semaphore>,
    warning: Warning,
}

impl Login {
    pub(super) fn new(known: Known) -> Self {
        Self {
            known: ArcSwap::from_pointee(known),
            attempts: Attempts::default(),
            comparing: Arc::new(Semaphore::new(AT_ONCE)),
            warning: Warning::every(Duration::from_secs(1)),
        }
    }

    /// Takes over another name and password: whether they are others.
    pub(super) fn replace(&self, known: Known) -> bool {
        let is_other = known.differs_from(&self.known.load());
        self.known.store(Arc::new(known));
        is_other
    }

    /// The middleware of the namespace.
    pub(super) async fn admit(&self, socket: &Socket, given: Option<Credentials>) -> Result<(), Refusal> {
        // What the UI knows as a wrong password.
        let refusal = Refusal::new("invalid credentials");
        let Some(given) = given else { return Err(refusal) };
        let known = self.known.load_full();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(session) = &given.session_id {
            return if known.sessions.is_valid(session, now.as_secs()) { Ok(()) } else { Err(refusal) };
        }
        let (Some(username), Some(password)) = (given.username, given.password) else { return Err(refusal) };
        let address = client_address(&socket.handshake());
        let may_try = self.attempts.may_try(address, Instant::now());
        // When all are taken somebody is guessing: waiting for it would only make a queue.
        let permit = if may_try { self.comparing.clone().try_acquire_owned().ok() } else { None };
        let Some(permit) = permit else {
            self.refused(address, "too many attempts to log in as an admin");
            return Err(Refusal::new("too many attempts, try again in a minute"));
        };
        let hash = known.hash.clone();
        let compare = move || {
            let is_right = bcrypt::verify(password, &hash).unwrap_or_default();
            drop(permit);
            is_right
        };
        let is_right = actix_web::web::block(compare).await.unwrap_or_default();
        let is_admin: bool = username.as_bytes().ct_eq(known.username.as_bytes()).into();
        if !(is_right && is_admin) {
            self.refused(address, "an admin's wrong name or password");
            return Err(refusal);
        }
        self.attempts.forgive(address);
        tracing::info!(sid = socket.id(), ?address, "an admin has logged in");
        socket.data().set(NewSession(known.sessions.begin((now + known.lasts).as_secs())));
        Ok(())
    }

    fn refused(&self, address: Option<IpAddr>, what: &'static str) {
        self.warning.give(|suppressed| tracing::warn!(?address, suppressed, "{what}"));
    }
}

//! What the handlers of the internal listener have in common.

use std::sync::Arc;

use actix_socketio::cluster::external::{Action, External, ExternalLimits};
use actix_socketio::cluster::message::Target;
use actix_socketio::{BroadcastOperator, SocketIo};
use arc_swap::{ArcSwap, Guard};

use super::keys::{KeyError, Keys};
use super::options::ApiOptions;
use super::problem::Problem;
use crate::node::auth::Auth;
use crate::node::drain::Stop;
use crate::node::metrics::Metrics;
use crate::node::presence::Presences;
use crate::node::reload::Reload;

/// The parts of the node that it speaks for.
pub(in crate::node) struct Known {
    /// Where the node is told to end.
    pub(in crate::node) stop: Stop,
    pub(in crate::node) metrics: Metrics,
    /// Who asks clients who they are, if anybody does.
    pub(in crate::node) auth: Option<Arc<Auth>>,
    pub(in crate::node) presences: Presences,
}

/// See the module's documentation.
pub(super) struct ApiState {
    io: SocketIo,
    known: Known,
    keys: Arc<ArcSwap<Keys>>,
    options: ApiOptions,
    limits: ExternalLimits,
}

impl ApiState {
    pub(super) fn new(
        io: SocketIo,
        known: Known,
        options: ApiOptions,
        reload: &Reload,
    ) -> Result<Self, KeyError> {
        let limits = ExternalLimits { max_bytes: options.max_body.bytes(), ..ExternalLimits::default() };
        let keys = Arc::new(ArcSwap::from_pointee(Keys::read(&options)?));
        let (current, is_local) = (keys.clone(), options.host.is_loopback());
        reload.part(move |config| {
            // The new address may be loopback; the one in use is not.
            if !is_local && !config.api.has_keys() {
                return Err("api.keys: the address in use is served only with a key".into());
            }
            let keys = Keys::read(&config.api).map_err(|error| format!("api: {error}"))?;
            let current = current.clone();
            Ok(Box::new(move || current.store(Arc::new(keys))))
        });
        Ok(Self { io, known, keys, options, limits })
    }

    pub(super) fn io(&self) -> &SocketIo {
        &self.io
    }

    /// Where the node is told to end.
    pub(super) fn stop(&self) -> &Stop {
        &self.known.stop
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.known.metrics
    }

    /// Who asks clients who they are, if anybody does.
    pub(super) fn auth(&self) -> Option<&Auth> {
        self.known.auth.as_deref()
    }

    pub(super) fn presences(&self) -> &Presences {
        &self.known.presences
    }

    /// The keys of this moment.
    pub(super) fn keys(&self) -> Guard<Arc<Keys>> {
        self.keys.load()
    }

    pub(super) fn options(&self) -> &ApiOptions {
        &self.options
    }

    /// An error unless an external process might ask for it over NATS, too: both have the same limits.
    pub(super) fn check(&self, target: &Target, action: Action) -> Result<Action, Problem> {
        let external = External { target: target.clone(), action };
        match external.check(&self.limits) {
            Ok(()) => Ok(external.action),
            Err(error) => Err(Problem::bad_request(error)),
        }
    }

    /// Whatever sockets of the cluster are meant.
    pub(super) fn sockets(&self, target: &Target) -> BroadcastOperator {
        let namespace = self.io.reach(&target.namespace);
        namespace.to(names(&target.rooms)).except(names(&target.except))
    }

    /// The nodes that nothing can be sent to now.
    pub(super) fn unreachable(&self) -> Vec<String> {
        let nodes = self.io.nodes().into_iter();
        nodes.filter(|node| !node.is_reachable).map(|node| node.id).collect()
    }
}

fn names(rooms: &[Arc<str>]) -> Vec<String> {
    rooms.iter().map(ToString::to_string).collect()
}

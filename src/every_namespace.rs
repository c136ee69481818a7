//! What all namespaces have in common, registered before there are any.

use std::sync::Arc;

use crate::handler::{Handlers, Registry, registration};

/// The handlers of every namespace: see [`SocketIoBuilder::every_namespace`](crate::SocketIoBuilder::every_namespace). They come before
/// those that a namespace has of its own.
#[derive(Default)]
pub struct EveryNamespace {
    registry: Registry,
}

impl EveryNamespace {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    registration!();

    /// Everything that was registered.
    pub(crate) fn handlers(&self) -> Arc<Handlers> {
        self.registry.load().clone()
    }
}

impl std::fmt::Debug for EveryNamespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EveryNamespace").finish_non_exhaustive()
    }
}

//! The rules that are in force: those of the configuration, and of the next one after a reload.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{PatternError, PermissionOptions, Permissions};
use crate::node::reload::Reload;

/// Rules that change while the node runs. What a client has by then, such as the rooms that it is in, it keeps.
pub(in crate::node) struct LivePermissions(Arc<ArcSwap<Permissions>>);

impl LivePermissions {
    /// Understands the options, now and at every reload.
    pub(in crate::node) fn new(options: &[PermissionOptions], reload: &Reload) -> Result<Self, PatternError> {
        let current = Arc::new(ArcSwap::from_pointee(Permissions::new(options)?));
        let live = Self(current.clone());
        reload.part(move |config| {
            let next =
                Permissions::new(&config.permissions).map_err(|error| format!("permissions: {error}"))?;
            let current = current.clone();
            Ok(Box::new(move || current.store(Arc::new(next))))
        });
        Ok(live)
    }

    /// The rules of this moment.
    pub(in crate::node) fn now(&self) -> Guard<Arc<Permissions>> {
        self.0.load()
    }
}

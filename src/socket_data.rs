//! State that an application keeps with a socket, by type, as python-socketio's sessions by name.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

/// The data of a socket: at most one value of each type, plus one document that others can read.
#[derive(Default)]
pub struct SocketData {
    values: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
    shared: Mutex<Option<Box<RawValue>>>,
    on_share: Option<Box<dyn Fn() + Send + Sync>>,
}

impl SocketData {
    /// Empty. `on_share` is called when the shared document is another.
    pub(crate) fn telling(on_share: impl Fn() + Send + Sync + 'static) -> Self {
        Self { on_share: Some(Box::new(on_share)), ..Self::default() }
    }

    fn values(&self) -> MutexGuard<'_, HashMap<TypeId, Box<dyn Any + Send>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a value; returns the one of that type that was there.
    pub fn set<T: Send + 'static>(&self, value: T) -> Option<T> {
        let before = self.values().insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|before| before.downcast().ok()).map(|before| *before)
    }

    /// A clone of the value of that type.
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.values().get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref()).cloned()
    }

    /// Takes the value of that type away.
    pub fn remove<T: 'static>(&self) -> Option<T> {
        let value = self.values().remove(&TypeId::of::<T>())?;
        value.downcast().ok().map(|value| *value)
    }

    /// Lets `change` work on the value of that type, made by `Default` if there is none. Nobody else sees it meanwhile;
    /// `change` must not use this socket's data itself.
    pub fn with<T: Default + Send + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut values = self.values();
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        match value.downcast_mut() {
            Some(value) => change(value),
            // Stored under its own type: cannot be.
            None => change(&mut T::default()),
        }
    }

    /// Stores the document that [`RemoteSocket::data`](crate::RemoteSocket::data) reads, as JSON.
    pub fn share(&self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        let value = to_raw_value(value)?;
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        if let Some(on_share) = &self.on_share {
            on_share();
        }
        Ok(())
    }

    /// The shared document as it is.
    pub(crate) fn shared_json(&self) -> Option<String> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Some(shared.as_ref()?.get().to_owned())
    }

    /// The shared document, if there is one and it is a `T`.
    pub fn shared<T: DeserializeOwned>(&self) -> Option<T> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_str(shared.as_ref()?.get()).ok()
    }
}

impl fmt::Debug for SocketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketData").field("values", &self.values().len()).finish_non_exhaustive()
    }
}

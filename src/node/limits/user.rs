//! One user, as the limits see it: all connections of this node with the same `sub`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bucket::Bucket;
use super::options::LimitOptions;

/// See the module's documentation.
pub(super) struct User {
    name: String,
    /// How many sockets each of its connections has.
    connections: Mutex<HashMap<String, usize>>,
    pub(super) messages: Bucket,
    pub(super) bytes: Bucket,
}

impl User {
    fn new(name: &str, options: &LimitOptions) -> Self {
        let burst = options.burst.into();
        Self {
            name: name.to_owned(),
            connections: Mutex::default(),
            messages: Bucket::new(options.messages_per_user as usize, burst),
            bytes: Bucket::new(options.bytes_per_user.bytes(), burst),
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All users that are connected.
#[derive(Default)]
pub(super) struct Users(Mutex<HashMap<String, Arc<User>>>);

/// The place of one socket; given back when it is dropped.
pub(super) struct Membership {
    users: Arc<Users>,
    user: Arc<User>,
    connection: String,
}

impl Users {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<User>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a socket of the user; none if it has too many connections.
    pub(super) fn enter(
        self: &Arc<Self>,
        name: &str,
        connection: &str,
        options: &LimitOptions,
    ) -> Option<Membership> {
        let mut table = self.table();
        let user = table.entry(name.to_owned()).or_insert_with(|| Arc::new(User::new(name, options))).clone();
        let most = usize::try_from(options.connections_per_user).unwrap_or(usize::MAX);
        let mut connections = user.connections();
        if most > 0 && connections.len() >= most && !connections.contains_key(connection) {
            return None;
        }
        *connections.entry(connection.to_owned()).or_default() += 1;
        drop(connections);
        Some(Membership { users: self.clone(), user, connection: connection.to_owned() })
    }
}

impl Membership {
    pub(super) fn user(&self) -> &Arc<User> {
        &self.user
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut table = self.users.table();
        let mut connections = self.user.connections();
        if let Some(sockets) = connections.get_mut(&self.connection) {
            *sockets -= 1;
            if *sockets == 0 {
                connections.remove(&self.connection);
            }
        }
        if connections.is_empty() {
            table.remove(&self.user.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_connections_with_as_many_sockets_as_it_likes() {
        let options = LimitOptions { connections_per_user: 2, ..LimitOptions::default() };
        let users = Arc::new(Users::default());
        let first = users.enter("a", "1", &options).expect("a place");
        let also = users.enter("a", "1", &options).expect("a place");
        let second = users.enter("a", "2", &options).expect("a place");
        assert!(users.enter("a", "3", &options).is_none());
        assert!(users.enter("b", "3", &options).is_some());
        drop(first);
        assert!(users.enter("a", "3", &options).is_none());
        drop(also);
        let third = users.enter("a", "3", &options).expect("a place");
        drop((second, third));
        assert!(users.table().is_empty());
    }
}

//! The names of the rooms of one socket, in the order in which it joined them.

use std::collections::HashMap;

use crate::delivery::RoomName;

/// More than so many are looked up by name: a socket with a few pays for no table, one with 100,000 not for looking through all of
/// them at each join.
const FEW: usize = 32;

/// See the module's documentation.
#[derive(Debug)]
pub(super) enum RoomList {
    Few(Vec<RoomName>),
    /// Each with its place in the order.
    Many(Box<Many>),
}

#[derive(Debug, Default)]
pub(super) struct Many {
    places: HashMap<RoomName, u64>,
    next: u64,
}

impl Default for RoomList {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl RoomList {
    /// Adds a room; none if it is there.
    pub(super) fn add(&mut self, room: &str) -> Option<RoomName> {
        match self {
            Self::Few(rooms) if rooms.iter().any(|known| **known == *room) => None,
            Self::Few(rooms) if rooms.len() < FEW => {
                let room = RoomName::from(room);
                rooms.push(room.clone());
                Some(room)
            }
            Self::Few(rooms) => {
                let places: HashMap<_, _> = std::mem::take(rooms).into_iter().zip(0..).collect();
                let next = places.len() as u64;
                *self = Self::Many(Box::new(Many { places, next }));
                self.add(room)
            }
            Self::Many(many) if many.places.contains_key(room) => None,
            Self::Many(many) => {
                let room = RoomName::from(room);
                many.places.insert(room.clone(), many.next);
                many.next += 1;
                Some(room)
            }
        }
    }

    /// Takes a room away, if it is there.
    pub(super) fn remove(&mut self, room: &str) -> Option<RoomName> {
        match self {
            Self::Few(rooms) => {
                let at = rooms.iter().position(|known| **known == *room)?;
                Some(rooms.remove(at))
            }
            Self::Many(many) => {
                let (room, _) = many.places.remove_entry(room)?;
                if many.places.len() <= FEW / 2 {
                    *self = Self::Few(self.names());
                }
                Some(room)
            }
        }
    }

    /// All of them, in order.
    pub(super) fn names(&self) -> Vec<RoomName> {
        match self {
            Self::Few(rooms) => rooms.clone(),
            Self::Many(many) => {
                let mut rooms: Vec<_> = many.places.iter().collect();
                rooms.sort_unstable_by_key(|(_, place)| **place);
                rooms.into_iter().map(|(room, _)| room.clone()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &RoomList) -> Vec<String> {
        list.names().iter().map(|room| room.to_string()).collect()
    }

    #[test]
    fn few_or_many_they_stay_in_order() {
        let mut list = RoomList::default();
        let mut expected = Vec::new();
        for number in 0..200 {
            let room = format!("r{number}");
            assert!(list.add(&room).is_some() && list.add(&room).is_none());
            expected.push(room);
            assert_eq!(names(&list), expected);
        }
        for number in (0..200).step_by(3).chain((0..200).filter(|number| number % 3 > 0)) {
            let room = format!("r{number}");
            assert_eq!(list.remove(&room).as_deref(), Some(&*room));
            assert!(list.remove(&room).is_none());
            expected.retain(|other| *other != room);
            assert_eq!(names(&list), expected);
        }
        assert!(matches!(list, RoomList::Few(rooms) if rooms.is_empty()));
    }
}

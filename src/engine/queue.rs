//! Items in their order. One is kept in place: most of the time there is none or one, and that takes no memory elsewhere.

use std::collections::VecDeque;

use super::out::Item;

/// More than one thing is mostly not many more.
const FEW: usize = 7;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// None only if there is nothing else either.
    first: Option<Item>,
    rest: VecDeque<Item>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn front(&self) -> Option<&Item> {
        self.first.as_ref()
    }

    pub(super) fn push_back(&mut self, item: Item) {
        if self.first.is_none() {
            self.first = Some(item);
            return;
        }
        if self.rest.capacity() == 0 {
            self.rest.reserve_exact(FEW);
        }
        self.rest.push_back(item);
    }

    pub(super) fn pop_front(&mut self) -> Option<Item> {
        let next = self.rest.pop_front();
        if next.is_none() && self.rest.capacity() > 0 {
            // Nothing waits any more: no memory is kept for what may.
            self.rest = VecDeque::new();
        }
        std::mem::replace(&mut self.first, next)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.first.iter().chain(&self.rest)
    }

    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&Item) -> bool) {
        self.rest.retain(&mut is_kept);
        if self.first.as_ref().is_some_and(|first| !is_kept(first)) {
            self.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment::Moment;
    use super::super::out::Out;
    use super::*;

    fn item(code: u16) -> Item {
        Item { out: Out::Close(code), since: Moment::now(), is_volatile: code % 2 == 1, is_direct: false }
    }

    fn codes(queue: &Queue) -> Vec<u16> {
        queue.iter().map(|item| if let Out::Close(code) = item.out { code } else { 0 }).collect()
    }

    #[test]
    fn order_is_kept() {
        let mut queue = Queue::default();
        assert!(queue.is_empty() && queue.pop_front().is_none());
        (1..=5).for_each(|code| queue.push_back(item(code)));
        assert_eq!((queue.len(), codes(&queue)), (5, vec![1, 2, 3, 4, 5]));
        queue.retain(|item| !item.is_volatile);
        assert_eq!(codes(&queue), [2, 4]);
        assert!(matches!(queue.front(), Some(Item { out: Out::Close(2), .. })));
        queue.pop_front();
        queue.push_back(item(6));
        assert_eq!(codes(&queue), [4, 6]);
        while queue.pop_front().is_some() {}
        assert_eq!((queue.is_empty(), queue.len(), queue.rest.capacity()), (true, 0, 0));
        queue.push_back(item(7));
        assert_eq!(codes(&queue), [7]);
        queue.retain(|_| false);
        assert!(queue.is_empty());
    }
}

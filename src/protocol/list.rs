//! Where the elements of a list are in the bytes that it was found in: what both scanners report and [`Args`](super::Args) is
//! made from. Knows nothing of either representation.

/// How many arguments are located while they are checked. The others are found again when they are asked for, so a list of
/// very many costs no more memory than its bytes.
pub(super) const LOCATED: usize = 4;

/// A checked list.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct List {
    /// How many elements there are.
    pub(super) count: usize,
    /// Where the first element begins: in JSON, behind the bracket.
    pub(super) start: usize,
    /// Where the last one ends: in JSON, at the closing bracket.
    pub(super) end: usize,
    /// Where each of the first elements ends: in JSON, at the comma or the closing bracket behind it. One more than
    /// [`LOCATED`], as the first element of an event is its name.
    ends: [usize; LOCATED + 1],
}

impl List {
    pub(super) fn starting_at(start: usize) -> Self {
        List { start, end: start, ..List::default() }
    }

    /// One more element, which ends here.
    pub(super) fn push(&mut self, end: usize) {
        if let Some(slot) = self.ends.get_mut(self.count) {
            *slot = end;
        }
        self.count += 1;
        self.end = end;
    }

    /// Where the first elements end, as far as they are located.
    pub(super) fn ends(&self) -> &[usize] {
        self.ends.get(..self.count).unwrap_or(&self.ends)
    }
}

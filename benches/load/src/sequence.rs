//! Who received which broadcast: finds what is missing, doubled or out of order.

/// The deliveries of numbered broadcasts to numbered members.
pub(crate) struct Deliveries {
    members: usize,
    /// Per broadcast: how many members have it.
    received: Vec<usize>,
    /// Per broadcast and member, one bit.
    bits: Vec<u64>,
    words: usize,
    /// Per member: one more than the highest number seen.
    next: Vec<usize>,
    pub(crate) delivered: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
}

impl Deliveries {
    pub(crate) fn new(members: usize) -> Deliveries {
        Deliveries {
            members,
            received: Vec::new(),
            bits: Vec::new(),
            words: members.div_ceil(64),
            next: vec![0; members],
            delivered: 0,
            duplicates: 0,
            out_of_order: 0,
        }
    }

    /// The number of the next broadcast.
    pub(crate) fn begin(&mut self) -> usize {
        self.received.push(0);
        self.bits.resize(self.bits.len() + self.words, 0);
        self.received.len() - 1
    }

    /// A member received one. Returns whether all members have it now; `None` if it was never sent.
    pub(crate) fn arrived(&mut self, member: usize, number: usize) -> Option<bool> {
        let received = self.received.get_mut(number)?;
        let word = &mut self.bits[number * self.words + member / 64];
        let bit = 1 << (member % 64);
        if *word & bit != 0 {
            self.duplicates += 1;
            return Some(false);
        }
        *word |= bit;
        *received += 1;
        self.delivered += 1;
        if number < self.next[member] {
            self.out_of_order += 1;
        } else {
            self.next[member] = number + 1;
        }
        Some(*received == self.members)
    }

    /// Deliveries that did not arrive.
    pub(crate) fn missing(&self) -> u64 {
        self.received.iter().map(|received| (self.members - received) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_or_late_is_counted() {
        let mut deliveries = Deliveries::new(70);
        let (first, second) = (deliveries.begin(), deliveries.begin());
        for member in 0..70 {
            assert_eq!(deliveries.arrived(member, second), Some(member == 69));
        }
        assert_eq!(deliveries.missing(), 70);
        assert_eq!(deliveries.arrived(3, first), Some(false));
        assert_eq!(deliveries.arrived(3, first), Some(false));
        assert_eq!(deliveries.arrived(3, 2), None);
        assert_eq!((deliveries.missing(), deliveries.duplicates, deliveries.out_of_order), (69, 1, 1));
    }
}

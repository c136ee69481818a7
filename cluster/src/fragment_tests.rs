use proptest::prelude::*;

use super::*;
use crate::codec::{Decoded, decode};

fn publisher() -> (NodeId, Epoch) {
    (NodeId::parse(b"abcdefgh").expect("an id"), Epoch(u64::MAX))
}

fn parts(message: &Bytes, order: u64, max_payload: usize) -> Vec<Fragment> {
    let parts = split(message.clone(), publisher(), order, max_payload, usize::MAX).expect("can be split");
    assert!(parts.iter().all(|part| part.len() <= max_payload));
    let read = |part: Bytes| match decode(&part).expect("decodes") {
        Decoded::Fragment(fragment) => fragment,
        Decoded::Whole(_) => panic!("not split"),
    };
    parts.into_iter().map(read).collect()
}

proptest! {
    #[test]
    fn what_was_split_comes_together(
        message in prop::collection::vec(any::<u8>(), 200..5000),
        max_payload in OVERHEAD + 1..200,
        id in any::<u64>(),
    ) {
        let message = Bytes::from(message);
        let parts = parts(&message, id, max_payload);
        let mut reassembly = Reassembly::default();
        let (last, first) = parts.split_last().expect("parts");
        for part in first {
            prop_assert_eq!(reassembly.take(part, Instant::now()), Ok(None));
        }
        prop_assert_eq!(reassembly.take(last, Instant::now()), Ok(Some(message)));
        prop_assert_eq!(reassembly.bytes(), 0);
    }
}

#[test]
fn what_fits_is_not_split() {
    let message = Bytes::from(vec![0; 100]);
    assert_eq!(split(message.clone(), publisher(), 1, 100, 100), Ok(vec![message.clone()]));
    let too_large = SplitError::TooLarge { size: 100, limit: 99 };
    assert_eq!(split(message.clone(), publisher(), 1, 100, 99), Err(too_large));
    assert_eq!(split(message, publisher(), 1, OVERHEAD, 1000), Err(SplitError::MaxPayload(OVERHEAD)));
}

#[test]
fn a_missing_part_ends_the_message_and_no_other() {
    let now = Instant::now();
    let message = Bytes::from(vec![7; 200]);
    let (one, two) = (parts(&message, 1, 100), parts(&message, 2, 100));
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.take(&one[0], now), Ok(None));
    assert_eq!(reassembly.take(&two[0], now), Ok(None));
    assert_eq!(reassembly.take(&one[2], now), Err(ReassemblyError::Missing));
    assert_eq!(reassembly.take(&one[3], now), Err(ReassemblyError::Missing));
    for part in &two[1..two.len() - 1] {
        assert_eq!(reassembly.take(part, now), Ok(None));
    }
    assert_eq!(reassembly.take(&two[two.len() - 1], now), Ok(Some(message)));
    assert_eq!(reassembly.bytes(), 0);
}

#[test]
fn hostile_parts_hold_no_memory() {
    let now = Instant::now();
    let (from, epoch) = publisher();
    let limits =
        ReassemblyLimits { max_message: 100, max_bytes: 150, max_per_node: 3, ..ReassemblyLimits::default() };
    let mut reassembly = Reassembly::new(limits);
    let part = |id, offset, total, length| {
        let bytes = Bytes::from(vec![0; length]);
        Fragment { from, epoch, order: id, offset, total, bytes }
    };
    assert_eq!(reassembly.take(&part(1, 0, u64::MAX, 1), now), Err(ReassemblyError::TooLarge(u64::MAX)));
    assert_eq!(
        reassembly.take(&part(1, 0, 10, 11), now),
        Err(ReassemblyError::Missing),
        "longer than announced"
    );
    assert_eq!(reassembly.take(&part(1, u64::MAX, 10, 1), now), Err(ReassemblyError::Missing));
    assert_eq!(reassembly.take(&part(1, 0, 10, 0), now), Err(ReassemblyError::Missing), "empty");
    assert_eq!(reassembly.take(&part(1, 0, 10, 1), now), Ok(None));
    assert_eq!(reassembly.take(&part(1, 1, 11, 1), now), Err(ReassemblyError::Missing), "another total");
    assert_eq!(reassembly.bytes(), 0);
    for id in 0..3 {
        assert_eq!(reassembly.take(&part(id, 0, 100, 40), now), Ok(None));
    }
    assert_eq!(reassembly.take(&part(3, 0, 100, 1), now), Err(ReassemblyError::Full), "too many");
    assert_eq!(reassembly.take(&part(0, 40, 100, 40), now), Err(ReassemblyError::Full), "too many bytes");
    assert_eq!(reassembly.bytes(), 80);
    assert_eq!(reassembly.sweep(now + Duration::from_secs(9)), 0);
    assert_eq!(reassembly.sweep(now + Duration::from_secs(10)), 2);
    assert_eq!(reassembly.take(&part(9, 0, 100, 40), now), Ok(None));
    assert_eq!(reassembly.forget_node(from), 1);
    assert_eq!(reassembly.bytes(), 0);
}

//! The order in which each node sent what came in rounds. Used by the [`intake`](super::intake) only. Pure.

use std::collections::HashMap;

use crate::bus::Received;
use crate::codec;
use crate::node::NodeId;

/// A node in one of its epochs.
type Sender = (NodeId, u64);

/// A message with its number, if it has one.
#[derive(Debug)]
pub(super) struct Numbered {
    received: Received,
    number: Option<(Sender, u64)>,
}

impl Numbered {
    pub(super) fn new(received: Received) -> Self {
        let number = codec::peek_order(&received.body).map(|(from, epoch, order)| ((from, epoch.0), order));
        Self { received, number }
    }
}

/// What came in the last two rounds.
#[derive(Debug, Default)]
pub(super) struct Batches {
    held: Vec<Numbered>,
    fresh: Vec<Numbered>,
}

impl Batches {
    /// A message of this round.
    pub(super) fn push(&mut self, message: Numbered) {
        self.fresh.push(message);
    }

    /// The round is over: what came in the one before, and what its senders had sent before that, in their order.
    pub(super) fn settle(&mut self) -> Vec<Received> {
        let mut latest = HashMap::<Sender, u64>::new();
        for (sender, number) in self.held.iter().filter_map(|message| message.number) {
            let latest = latest.entry(sender).or_default();
            *latest = number.max(*latest);
        }
        let is_earlier = |message: &mut Numbered| {
            message
                .number
                .is_some_and(|(sender, number)| latest.get(&sender).is_some_and(|latest| number < *latest))
        };
        let mut settled = std::mem::take(&mut self.held);
        if !settled.is_empty() {
            settled.extend(self.fresh.extract_if(.., is_earlier));
        }
        std::mem::swap(&mut self.held, &mut self.fresh);
        in_order(settled)
    }

    /// Nothing waits for another round.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Each sender's messages by number, in the places that were its own; the others where they are.
fn in_order(messages: Vec<Numbered>) -> Vec<Received> {
    let numbers = messages.iter().enumerate().filter_map(|(place, message)| Some((message.number?, place)));
    let mut by_number: Vec<((Sender, u64), usize)> = numbers.collect();
    let mut places: Vec<(Sender, usize)> =
        by_number.iter().map(|((sender, _), place)| (*sender, *place)).collect();
    by_number.sort_unstable();
    places.sort_unstable();
    let mut messages: Vec<_> = messages.into_iter().map(|message| Some(message.received)).collect();
    let mut ordered: Vec<Option<Received>> = Vec::new();
    ordered.resize_with(messages.len(), || None);
    for ((_, to), (_, from)) in places.into_iter().zip(by_number) {
        ordered[to] = messages[from].take();
    }
    let pairs = ordered.into_iter().zip(messages);
    pairs.filter_map(|(ordered, unnumbered)| ordered.or(unnumbered)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Envelope, Message};
    use crate::node::Epoch;
    use crate::subject::Subjects;

    fn from_node(sender: u8, order: u64) -> Received {
        let from = NodeId::parse(&[b'a' + sender; 8]).expect("an id");
        let envelope = Envelope { from, epoch: Epoch(1), order, sequence: 1, message: Message::Leaving };
        received(codec::encode(&envelope).expect("few items"))
    }

    fn received(body: Bytes) -> Received {
        Received {
            subject: Subjects::default().control().clone(),
            is_queue: false,
            reply: None,
            body,
            trace: None,
        }
    }

    /// The next letter of the alphabet for JSON, sender and number for the rest.
    fn names(messages: &[Received]) -> Vec<String> {
        let name = |message: &Received| match codec::peek_order(&message.body) {
            Some((from, _, order)) => format!("{}{order}", &from.as_str()[..1]),
            None => String::from_utf8(message.body.to_vec()).expect("text"),
        };
        messages.iter().map(name).collect()
    }

    fn push(batches: &mut Batches, messages: &[&str]) {
        for name in messages {
            let (sender, number) = name.split_at(1);
            batches.push(Numbered::new(match number.parse() {
                Ok(order) => from_node(sender.as_bytes()[0] - b'a', order),
                Err(_) => received(Bytes::copy_from_slice(name.as_bytes())),
            }));
        }
    }

    #[test]
    fn a_round_is_handed_on_after_the_next() {
        let mut batches = Batches::default();
        assert!(batches.is_empty());
        push(&mut batches, &["a3", "J", "b7", "a1", "b5", "K"]);
        assert!(batches.settle().is_empty());
        assert!(!batches.is_empty());
        push(&mut batches, &["a4", "c1", "a2", "L"]);
        assert_eq!(names(&batches.settle()), ["a1", "J", "b5", "a2", "b7", "K", "a3"]);
        assert_eq!(names(&batches.settle()), ["a4", "c1", "L"]);
        assert!(batches.is_empty());
        assert!(batches.settle().is_empty());
    }

    #[test]
    fn the_parts_of_a_message_keep_their_order() {
        let part = |offset: u8| {
            let mut part = from_node(0, 5);
            part.subject = Subjects::default().node(NodeId::parse(&[b'0' + offset; 8]).expect("an id"));
            Numbered::new(part)
        };
        let mut batches = Batches::default();
        for offset in 0..5 {
            batches.push(part(offset));
        }
        assert!(batches.settle().is_empty());
        let subjects: Vec<_> = batches.settle().into_iter().map(|part| part.subject).collect();
        assert!(subjects.is_sorted() && subjects.len() == 5, "{subjects:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Messages of three senders on several subjects, brought by the connection in the order of their numbers, looked at
        /// in rounds at any time and in any order of subjects.
        #[test]
        fn each_senders_order_is_restored(
            sent in proptest::collection::vec((0_u8..3, 0_usize..6), 0..200),
            mut rounds in proptest::collection::vec(
                (proptest::sample::subsequence((0..6).collect::<Vec<usize>>(), 0..=6), 0_usize..40), 0..30),
        ) {
            let mut channels: Vec<std::collections::VecDeque<Received>> = vec![Default::default(); 6];
            let mut connection = sent.iter().zip(1..).map(|((sender, subject), number)| (*subject, from_node(*sender, number)));
            let mut batches = Batches::default();
            let mut out = Vec::new();
            rounds.push((vec![], usize::MAX));
            for (late, arriving) in rounds {
                // A round finds what was there when it began; of some channels it also finds what arrives while it goes on.
                let early: Vec<usize> = (0..6).filter(|channel| !late.contains(channel)).collect();
                for channel in early {
                    channels[channel].drain(..).for_each(|message| batches.push(Numbered::new(message)));
                }
                for (subject, message) in connection.by_ref().take(arriving) {
                    channels[subject].push_back(message);
                }
                for channel in late {
                    channels[channel].drain(..).for_each(|message| batches.push(Numbered::new(message)));
                }
                out.extend(batches.settle());
            }
            for _ in 0..2 {
                for channel in &mut channels {
                    channel.drain(..).for_each(|message| batches.push(Numbered::new(message)));
                }
                out.extend(batches.settle());
            }
            prop_assert!(batches.is_empty());
            prop_assert_eq!(out.len(), sent.len());
            for sender in 0..3 {
                let mine = |message: &&Received| message.body[2] == b'a' + sender;
                let orders: Vec<_> = out.iter().filter(mine).map(|m| codec::peek_order(&m.body).map(|p| p.2)).collect();
                prop_assert!(orders.is_sorted(), "{:?}", orders);
            }
        }
    }
}

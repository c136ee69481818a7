//! Certainty that what was subscribed is known everywhere.
//!
//! Used before a room counts as open. NATS does not acknowledge that a subscription has reached the other servers of its cluster.
//! So a node subscribes one more subject, last, on the same connection, and asks the others to publish there: who is heard on
//! it knows all subscriptions before it, for they travel in order.

use std::time::Duration;

use tokio::time::Instant;

use crate::bus::Bus;
use crate::node::NodeId;
use crate::scatter::Gather;
use crate::subject::Subject;

/// How long to wait before asking again: an answer sent before the subscription arrived is lost.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits until every node that `gather` waits for was heard on `subject`, or is dead, or `timeout` is over: who was not heard,
/// in order.
///
/// `subject` is this node's [fence subject](crate::subject::Subjects::fence) with the number of `gather`. `ask` publishes a
/// [`FenceRequest`](crate::message::Message::FenceRequest) with that number on the control subject; whoever reads the bus
/// hands the answers to the [`Scatter`](crate::scatter::Scatter).
pub async fn fence(
    bus: &dyn Bus,
    subject: Subject,
    gather: Gather<()>,
    timeout: Duration,
    mut ask: impl FnMut(),
) -> Vec<NodeId> {
    let mut gather = gather;
    let deadline = Instant::now() + timeout;
    let _subscribed = Subscribed::new(bus, subject);
    let mut pause = FIRST_PAUSE;
    while !gather.missing().is_empty() {
        ask();
        let until = deadline.min(Instant::now() + pause);
        loop {
            match tokio::time::timeout_at(until, gather.next()).await {
                Ok(Some(_)) => {}
                // All were heard or are dead.
                Ok(None) => return gather.missing(),
                Err(_) if until == deadline => return gather.missing(),
                Err(_) => break,
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Vec::new()
}

/// A subscription that ends with the fence, even when nobody waits for it any more.
struct Subscribed<'a> {
    bus: &'a dyn Bus,
    subject: Subject,
}

impl<'a> Subscribed<'a> {
    fn new(bus: &'a dyn Bus, subject: Subject) -> Self {
        bus.subscribe(subject.clone());
        Self { bus, subject }
    }
}

impl Drop for Subscribed<'_> {
    fn drop(&mut self) {
        self.bus.unsubscribe(self.subject.clone());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::bus::{BusEvent, Publish};
    use crate::memory::MemoryHub;
    use crate::scatter::Scatter;
    use crate::subject::Subjects;

    #[tokio::test(start_paused = true)]
    async fn asks_until_all_were_heard_or_are_dead() {
        let subjects = Subjects::default();
        let [me, other, dead, silent] = std::array::from_fn(|_| NodeId::random());
        let (bus, mut events) = MemoryHub::default().connect();
        let scatter = Scatter::default();
        let gather = scatter.begin([other, dead, silent], 10);
        let id = gather.id();
        let subject = subjects.fence(me, id);
        let mut asked = 0;
        let start = Instant::now();
        let missing = fence(&bus, subject.clone(), gather, Duration::from_secs(5), || {
            asked += 1;
            match asked {
                2 => _ = scatter.answer(id, other, (), true),
                3 => scatter.node_died(dead),
                _ => {}
            }
        })
        .await;
        let mut expected = [dead, silent];
        expected.sort();
        assert_eq!(missing, expected);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert!((20..40).contains(&asked), "{asked}");
        assert_eq!(scatter.pending(), 0);
        assert_eq!(bus.publish(Publish::new(subject, Bytes::new())), Ok(()));
        assert_eq!(events.try_recv(), Ok(BusEvent::Connected));
        assert!(events.try_recv().is_err(), "still subscribed");
    }

    #[tokio::test]
    async fn alone_there_is_nothing_to_wait_for() {
        let (bus, _events) = MemoryHub::default().connect();
        let gather = Scatter::default().begin([], 10);
        let subject = Subjects::default().fence(NodeId::random(), gather.id());
        let missing =
            fence(&bus, subject, gather, Duration::from_secs(5), || panic!("nobody is asked")).await;
        assert!(missing.is_empty());
    }
}

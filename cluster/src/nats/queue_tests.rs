use bytes::Bytes;

use super::*;
use crate::subject::Subjects;

fn queue(max_messages: usize, max_bytes: usize, max_age: Duration) -> Queue {
    Queue::new(QueueLimits { max_messages, max_bytes, max_age })
}

fn message(size: usize) -> Publish {
    Publish::new(Subjects::default().emit().clone(), Bytes::from(vec![0; size]))
}

fn control() -> Subscription {
    Subscription::plain(Subjects::default().control().clone())
}

/// What waits, in short.
fn drain(queue: &Queue) -> Vec<String> {
    let name = |operation| match operation {
        Operation::Publish(message) => message.body.len().to_string(),
        Operation::Subscribe(subscription) => format!("+{}", subscription.subject),
        Operation::Unsubscribe(subscription) => format!("-{}", subscription.subject),
    };
    std::iter::from_fn(|| queue.next(true).0).map(name).collect()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn keeps_order_and_bounds() {
    let queue = queue(3, 100, LONG);
    assert_eq!(queue.publish(message(1)), Ok(()));
    queue.want(control(), true);
    assert_eq!(queue.publish(message(87)), Ok(()));
    assert_eq!(queue.publish(message(1)), Err(PublishError::Full), "bytes");
    assert_eq!(queue.publish(message(0)), Ok(()));
    assert_eq!(queue.publish(message(0)), Err(PublishError::Full), "messages");
    assert!(queue.next(false).0.is_none(), "not while the connection is away");
    assert_eq!(drain(&queue), ["1", "+sio.control", "87", "0"]);
    assert_eq!(queue.publish(message(1000)), Ok(()), "alone");
    queue.close();
    assert_eq!(queue.publish(message(1)), Err(PublishError::Closed));
    assert_eq!(drain(&queue), ["1000"]);
}

#[test]
fn a_flood_leaves_room_for_what_is_vital() {
    let vital = |size| Publish { is_vital: true, ..message(size) };
    for queue in [queue(16, 1 << 20, LONG), queue(1 << 20, 32, LONG)] {
        let flood = std::iter::from_fn(|| queue.publish(message(2)).ok()).count();
        assert_eq!(flood, 14);
        for size in [1, 2] {
            assert_eq!(queue.publish(vital(size)), Ok(()));
        }
        assert_eq!(queue.publish(message(1)), Err(PublishError::Full));
        assert_eq!(queue.publish(vital(2)), Err(PublishError::Full), "that part is bounded, too");
        assert_eq!(drain(&queue)[13..], ["2", "1", "2"], "in the order in which they came");
    }
}

#[test]
fn what_is_too_old_is_dropped_and_counted() {
    let queue = queue(2, 100, Duration::from_millis(20));
    queue.want(control(), true);
    assert_eq!(queue.publish(message(1)), Ok(()));
    assert_eq!(queue.publish(message(2)), Ok(()));
    assert_eq!(queue.publish(message(3)), Err(PublishError::Full));
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(queue.publish(message(4)), Ok(()), "room again");
    let (first, expired) = queue.next(true);
    assert!(matches!(first, Some(Operation::Subscribe(_))), "a subscription does not age");
    assert_eq!(expired, 2);
    assert_eq!(drain(&queue), ["4"]);
}

#[test]
fn a_subject_waits_once_however_often_it_changes() {
    let queue = queue(10, 100, LONG);
    for _ in 0..1000 {
        queue.want(control(), true);
        queue.want(control(), false);
    }
    assert!(drain(&queue).is_empty());
    queue.want(control(), true);
    queue.want(control(), true);
    assert_eq!(drain(&queue), ["+sio.control"]);
    queue.want(control(), true);
    assert!(drain(&queue).is_empty(), "is subscribed");
    queue.want(control(), false);
    queue.want(control(), true);
    assert!(drain(&queue).is_empty(), "still subscribed");
    queue.want(control(), false);
    queue.want(control(), true);
    queue.want(control(), false);
    assert_eq!(drain(&queue), ["-sio.control"]);
    assert_eq!(
        {
            let w = queue.lock();
            w.entries.len() + w.changes.len()
        },
        0
    );
}
